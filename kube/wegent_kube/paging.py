"""The number of objects in a page of a list."""

from typing import Final

PAGE_SIZE: Final = 500
"""Objects in a page of a list that is relayed; client-go's reflector uses the same number."""
OBJECTS_PAGE_SIZE: Final = 50
"""Maximum number of objects in a page of a list that is decoded here. The API doesn't bound the
bytes of a page: 50 Ghosts with the longest prompts have 19 MiB."""
METADATA_PAGE_SIZE: Final = 200
"""Maximum number of objects in a page of a list of metadata, with at most 256 KiB of annotations
each."""
FIRST_PAGE_SIZE: Final = 10
"""Objects in the first page, before their size is known."""
PAGE_BYTES: Final = 4 << 20
"""Target size of a page in bytes. The number of objects in a page follows from their size, because
an object has up to about 1.5 MiB, and a prompt of 128 Ki characters has 384 KiB in UTF-8."""


class PageLimit:
    """The number of objects in the next page of a list, so that a page has about `PAGE_BYTES`."""

    def __init__(self, most: int = OBJECTS_PAGE_SIZE, first: int = FIRST_PAGE_SIZE) -> None:
        self._most = most
        self.objects = min(first, most)

    def adapt(self, objects: int, size: int) -> None:
        """Adapt the limit to a page of ``objects`` objects that had ``size`` bytes.

        The limit grows at most fourfold from one page to the next, because the following objects
        may be larger.
        """
        if objects:
            fits = PAGE_BYTES * objects // max(size, 1)
            self.objects = max(1, min(fits, 4 * self.objects, self._most))
