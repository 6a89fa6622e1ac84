"""Helpers that read the condition and Events of an object whose deletion hangs."""

from typing import Any

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.waiting import eventually
from wegent_kube import ApiError
from wegent_kube.resources import EVENTS


async def hangs(
    api: Api, plural: str, namespace: str, name: str, reason: str = "DeletionBlocked"
) -> str:
    """Wait until the object's condition says that it hangs; return the message."""

    async def probe() -> str:
        body = await api.get(plural, namespace, name)
        assert body is not None, "it is gone"
        for condition in body["status"]["conditions"]:
            if condition["type"] == "Deleted" and condition["reason"] == reason:
                assert condition["status"] == "False"
                assert condition["observedGeneration"] == body["metadata"]["generation"]
                return str(condition["message"])
        raise AssertionError(body["status"]["conditions"])

    what = f"{plural} {namespace}/{name} to say {reason}"
    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


async def event_of(api: Api, namespace: str, name: str, reason: str) -> dict[str, Any]:
    """Wait for an Event on an object of that name."""

    async def probe() -> dict[str, Any]:
        found = await api.client.request("GET", EVENTS.path(namespace))
        seen = [
            (event["reason"], event.get("message"))
            for event in found["items"]
            if event["involvedObject"]["name"] == name
        ]
        for event in found["items"]:
            if event["involvedObject"]["name"] == name and event["reason"] == reason:
                return dict(event)
        raise AssertionError(seen)

    what = f"an Event {reason} on {name}"
    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


async def poke(api: Api, plural: str, namespace: str, name: str) -> None:
    """Change an object, so that the operator looks at it now and not after its delay.

    The operator may have tried again by itself. Then the object is gone, or stored and about to go.
    """
    patch = {"metadata": {"annotations": {"poked": "yes"}}}
    try:
        await api.merge(plural, namespace, name, patch)
    except ApiError as error:
        stored = error.is_invalid and "now stored in its Tombstone" in error.message
        if not (error.is_not_found or stored):
            raise
