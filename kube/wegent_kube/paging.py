"""The number of objects in a page of a list."""

from typing import Final

PAGE_SIZE: Final = 500
"""Objects in a page of a list that is passed on; client-go's reflector asks for so many."""
OBJECTS_PAGE_SIZE: Final = 50
"""Objects in a page of a list that is read here, at most. Nothing in the API bounds a page in
bytes: where small objects are followed by Ghosts with the longest prompts, so many have 19 MiB."""
METADATA_PAGE_SIZE: Final = 200
"""The same for a list of metadata, whose annotations have 256 KiB at most."""
FIRST_PAGE_SIZE: Final = 10
"""Objects in the first page, before their size is known."""
PAGE_BYTES: Final = 4 << 20
"""A page is meant to have no more. An object has up to 1.5 MiB or so, and a prompt of 128 Ki
characters has 384 KiB in UTF-8, so that the number of objects follows their size."""


class PageLimit:
    """How many objects the next page of a list is asked for: as many as `PAGE_BYTES` hold."""

    def __init__(self, most: int = OBJECTS_PAGE_SIZE, first: int = FIRST_PAGE_SIZE) -> None:
        self._most = most
        self.objects = min(first, most)

    def adapt(self, objects: int, size: int) -> None:
        """Take in that a page of so many objects had ``size`` bytes.

        It grows at most fourfold from one page to the next: the objects that follow may be
        larger than these.
        """
        if objects:
            fits = PAGE_BYTES * objects // max(size, 1)
            self.objects = max(1, min(fits, 4 * self.objects, self._most))
