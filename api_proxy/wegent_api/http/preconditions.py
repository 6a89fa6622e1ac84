"""The headers of conditional requests (RFC 9110, section 13) for Kubernetes' resourceVersion.

An object's entity tag is its resourceVersion in quotes.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Self

from fastapi import Depends, Request

from wegent_api.http.bearer import CallerDep
from wegent_api.http.errors import BadRequest, Cause

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
MAX_HEADER_CHARS: Final = 1024
"""Limit for one header: dozens of entity tags."""

_TAG: Final = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)')


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The value of ``If-Match`` or ``If-None-Match``: ``*``, or a list of entity tags."""

    any: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @classmethod
    def of(cls, request: Request, header: str) -> Self | None:
        """Return the value of the header, over all its lines, or None without the header.

        Raises:
            BadRequest: the value is not ``*`` or a list of entity tags.
        """
        lines = request.headers.getlist(header)
        if not lines:
            return None
        value = ", ".join(lines).strip()
        if value == "*":
            return cls(any=True)
        tags: dict[bool, set[str]] = {True: set(), False: set()}
        place = 0
        while len(value) <= MAX_HEADER_CHARS and (tag := _TAG.match(value, place)):
            tags[tag[1] is None].add(tag[2])
            place = tag.end()
        if place < len(value) or not value:
            message = 'must be * or a list of entity tags, such as "12345"'
            raise BadRequest.of([Cause("FieldValueInvalid", header, message)])
        return cls(strong=frozenset(tags[True]), weak=frozenset(tags[False]))

    @property
    def only(self) -> str | None:
        """The version if the header names exactly one, in strong form, and it is well-formed."""
        if len(self.strong) != 1 or self.weak:
            return None
        [version] = self.strong
        return version if is_version(version) else None

    def name(self, version: str | None) -> bool:
        """Return whether the header names ``version``, by ``If-None-Match``'s weak comparison."""
        return self.any or version in self.strong | self.weak


async def _if_match(request: Request, _: CallerDep) -> EntityTags | None:
    return EntityTags.of(request, IF_MATCH)


async def _if_none_match(request: Request, _: CallerDep) -> EntityTags | None:
    return EntityTags.of(request, IF_NONE_MATCH)


IfMatch = Annotated[EntityTags | None, Depends(_if_match)]
IfNoneMatch = Annotated[EntityTags | None, Depends(_if_none_match)]


def is_version(value: object) -> bool:
    """Return whether ``value`` is a well-formed resourceVersion, an integer of 64 bits."""
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal():
        return False
    return len(value) <= 20 and int(value) < 2**64


def entity_tag(version: str) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'
