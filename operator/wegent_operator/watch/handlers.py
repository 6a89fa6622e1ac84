"""Handlers of the watches' events: they pass each object to the feed.

A handler is level-based. It uses the current object, and of the event's type only that the object
is gone.
"""

from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.references import ObjectKey
from wegent_crds.registry import KINDS, Kind
from wegent_kube.resources import NAMESPACES, Resource, resource_of
from wegent_kube.steady_watch import EventHandler
from wegent_operator.accounts.provisions import provision_key
from wegent_operator.state.objects import version_of
from wegent_operator.watch.feed import Feed
from wegent_operator.watch.resources import WRITTEN

DELETED: Final = "DELETED"


def handlers_of(feed: Feed) -> dict[Resource, EventHandler]:
    """Return the handler of each watched resource."""
    return {
        **{resource_of(kind): _of_kind(feed, kind) for kind in KINDS},
        NAMESPACES: _of_namespaces(feed),
        **{resource: _of_written(feed, resource) for resource in WRITTEN},
    }


def _of_kind(feed: Feed, kind: Kind) -> EventHandler:
    def handle(type_: str, body: Mapping[str, Any]) -> None:
        if type_ == DELETED:
            metadata = body["metadata"]
            key = ObjectKey(kind.plural, metadata["namespace"], metadata["name"])
            feed.remove(key, metadata["uid"], version=version_of(body))
        else:
            feed.upsert(kind, body)

    return handle


def _of_namespaces(feed: Feed) -> EventHandler:
    def handle(type_: str, body: Mapping[str, Any]) -> None:
        if type_ == DELETED:
            feed.remove_namespace(body["metadata"]["name"], version_of(body))
        else:
            feed.upsert_namespace(body)

    return handle


def _of_written(feed: Feed, resource: Resource) -> EventHandler:
    def handle(type_: str, body: Mapping[str, Any]) -> None:
        if type_ == DELETED:
            feed.remove_provisioned(provision_key(resource, body), version_of(body))
        else:
            feed.upsert_provisioned(resource, body)

    return handle
