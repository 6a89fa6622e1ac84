"""The definitions in a transcript: the specs of the objects that a run used, as they were.

The right to read a Task does not cover them. A Ghost of another namespace may allow references and
keep its prompt to itself. So the API server says of each kind and namespace whether the caller may
get the objects there, at the time of the request; the rest is not shown.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_api.http.bearer import Caller
from wegent_api.upstream.access_review import may
from wegent_api.upstream.client import UserApi
from wegent_crds.registry import BY_KIND

REVIEWS_AT_ONCE: Final = 8
MAX_PLACES: Final = 128
"""Limit of reviews for one transcript. Each is of a kind and a namespace."""
ASK_FOR_IT: Final = "ask for it alone, by the parameter hash"

Place = tuple[str, str]
"""A kind and a namespace."""


async def reveal(
    user_api: UserApi, caller: Caller, body: dict[str, Any], *, alone: bool = False
) -> None:
    """Remove the definitions that the caller may not read, and give the reason at their objects.

    Args:
        user_api: the API server, called as the caller.
        caller: the reader of the transcript.
        body: the transcript with ``ran`` and ``definitions``. It is changed.
        alone: True if one definition was requested by its hash.

    Raises:
        UpstreamStatus: the token is not accepted.
        Unavailable: the API server can't be reached.
    """
    at_once = asyncio.Semaphore(REVIEWS_AT_ONCE)

    async def readable(place: Place) -> bool:
        kind, namespace = place
        if kind not in BY_KIND:
            return False
        async with at_once:
            return await may(user_api, caller, "get", BY_KIND[kind].plural, namespace)

    places = places_of(body)[:MAX_PLACES]
    verdicts = await asyncio.gather(*map(readable, places))
    hide(body, dict(zip(places, verdicts, strict=True)), alone=alone)


def places_of(body: dict[str, Any]) -> list[Place]:
    """Return the places of the objects whose definitions are there."""
    there = body["definitions"]
    return list(dict.fromkeys(_place(it) for it in _objects(body) if it["hash"] in there))


def hide(body: dict[str, Any], readable: Mapping[Place, bool], *, alone: bool = False) -> None:
    """Remove the definitions of all objects outside readable places. Pure.

    ``notShown`` of an object has the reason for which its definition is missing. Two objects can
    share a definition: it stays if one of them is readable.
    """
    definitions, shown = body["definitions"], set()
    for used in _objects(body):
        place = kind, namespace = _place(used)
        if used["hash"] not in definitions:
            if not alone:
                used["notShown"] = f"the answer would be too long; {ASK_FOR_IT}"
        elif place not in readable:
            used["notShown"] = f"the run used too many kinds in namespaces; {ASK_FOR_IT}"
        elif not readable[place]:
            plural = BY_KIND[kind].plural if kind in BY_KIND else kind
            used["notShown"] = f"you may not get {plural} in the namespace {namespace}"
        else:
            shown.add(used["hash"])
    body["definitions"] = {it: spec for it, spec in definitions.items() if it in shown}


def _objects(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for record in body["ran"]:
        yield from record["objects"]


def _place(used: dict[str, Any]) -> Place:
    return used["kind"], used["namespace"]
