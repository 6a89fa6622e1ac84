"""Applying a result with the SDK: namespaces, objects in chunks, and then the secrets.

Each step may be repeated: an object that is as desired stays as it is.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from wegent_crds.kinds.group import IMPORTED_NAME, IMPORTED_NAME_MAX
from wegent_crds.reading import items, mapping
from wegent_crds.registry import GROUP
from wegent_import.convert import Result
from wegent_import.secrets import Secret
from wegent_sdk import Client
from wegent_sdk.errors import AlreadyExists, ConnectionFailed, LoginExpired, NotFound, WegentError
from wegent_sdk.plain import scalar_text

FIELD_MANAGER: Final = "wegent-import"
NAMESPACES: Final = "/api/v1/namespaces"
REMEDIES: Final[Mapping[str, str]] = {
    "Account": "the REST API makes no Account without a password; apply it with kubectl",
    "Namespace": "apply it with kubectl",
}
"""Next steps for objects that the REST API doesn't have."""
TAKEN: Final = (
    "the name is taken by a group that is not as the import has it; change that group, or put this"
    " one elsewhere with --map-namespace"
)
CHANGED: Final = "changed since its import, here or in Wegent; the group stays as it is"
OF_ANOTHER: Final = "the namespace is that of another group of the same name"
APPLY_PATCH: Final = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one object."""

    kind: str
    namespace: str
    name: str
    result: str
    """``created``, ``configured``, ``unchanged``, ``stored`` or ``failed``."""
    message: str = ""

    def line(self) -> str:
        """Return the outcome as one line of text."""
        text = f"{self.kind.lower()}/{self.name} in {self.namespace or 'the cluster'} {self.result}"
        return f"{text}: {self.message}" if self.message else text


def apply(result: Result, server: Client, *, dry_run: bool = False) -> Iterator[Outcome]:
    """Apply the objects of a result, and store its secrets, with the rights of the login.

    Yields each outcome as it comes, so that a later error hides none.

    Raises:
        ConnectionFailed: the server can't be reached.
        LoginExpired: the login has expired.
        WegentError: the server refuses a whole request.
    """
    return _Application(server, dry_run=dry_run).run(result)


class _Application:
    def __init__(self, server: Client, *, dry_run: bool) -> None:
        self._server = server
        self._dry_run = dry_run
        self._taken: set[str] = set()
        """Names of Groups that exist and are of others."""

    def run(self, result: Result) -> Iterator[Outcome]:
        plain = {"Namespace", "Account", "Group"} if self._server.is_rest else {"Namespace"}
        for body in result.objects:
            if body["kind"] in plain:
                yield self._one(body)
        kinds, settled = self._free([body for body in result.objects if body["kind"] not in plain])
        yield from settled
        failed = {(it.kind, it.namespace, it.name) for it in settled if it.result == "failed"}
        if kinds:
            for applied in self._server.apply_each(
                kinds, dry_run=self._dry_run, field_manager=FIELD_MANAGER
            ):
                problem = applied.error.message if applied.error else ""
                place = applied.namespace or ""
                if applied.error:
                    failed.add((applied.kind, place, applied.name))
                yield Outcome(applied.kind, place, applied.name, applied.result, problem)
        for secret in result.secrets:
            if (secret.kind, secret.namespace, secret.owner) not in failed and secret.hosts:
                yield self._secret(secret)

    def _one(self, body: Mapping[str, Any]) -> Outcome:
        """Apply an object that the REST API has under another path, or not at all."""
        kind, metadata = body["kind"], body["metadata"]
        name, place = metadata["name"], metadata.get("namespace", "")
        if kind == "Account":
            path = f"/api/v1/auth/admin/accounts/{quote(name)}"
            known = _request(self._server, "GET", path, None, {})
            return _outcome(known, kind, place, name, "unchanged")
        if not self._server.is_rest:
            path = f"{NAMESPACES}/{quote(name)}"
            request = _apply_patch(self._server, path, body, dry_run=self._dry_run)
            return _outcome(request, kind, place, name, "configured")
        if self._dry_run:
            return Outcome(kind, place, name, "unchanged", "a dry run")
        spec = body.get("spec", {})
        origin = _origin(body)
        given = {"name": name, **spec, **({"importedFrom": origin} if origin else {})}
        made = _request(self._server, "POST", NAMESPACES, given, {})
        outcome = _outcome(made, kind, place, name, "created")
        if outcome.result != "unchanged" or kind != "Group":
            return outcome
        return self._compared(name, place, spec, origin)

    def _compared(self, name: str, place: str, spec: Mapping[str, Any], origin: str) -> Outcome:
        """Return the outcome for a group that exists already, which stays as it is.

        An admin may have taken members out of it since an earlier import, and an import must not
        let them in again.
        """
        found: list[Any] = []
        path = f"{NAMESPACES}/{quote(name)}"
        read = _outcome(
            lambda: found.append(self._server.raw.request("GET", path)),
            "Group",
            place,
            name,
            "unchanged",
        )
        if not found:
            return self._of_others(name, place, f"{TAKEN}: {read.message}")
        view = mapping(found[0])
        if _is_as(view, spec):
            return read
        if origin and view.get("importedFrom") == origin:
            return replace(read, message=CHANGED)
        return self._of_others(name, place, TAKEN)

    def _of_others(self, name: str, place: str, problem: str) -> Outcome:
        self._taken.add(name)
        return Outcome("Group", place, name, "failed", problem)

    def _free(self, bodies: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Outcome]]:
        """Return the objects to apply, and the outcomes of the others.

        Those are Groups that stay as they are, and all objects for the namespaces of other groups:
        the members of such a group would see them.
        """
        groups = [it for it in bodies if it["kind"] == "Group"]
        settled = [(it, self._existing(it)) for it in groups]
        settled += [(it, self._in_taken(it)) for it in bodies if it["kind"] != "Group"]
        return [it for it, done in settled if done is None], [it for _, it in settled if it]

    def _in_taken(self, body: Mapping[str, Any]) -> Outcome | None:
        metadata = body["metadata"]
        place = metadata.get("namespace", "")
        if place not in self._taken:
            return None
        return Outcome(body["kind"], place, metadata["name"], "failed", OF_ANOTHER)

    def _existing(self, body: Mapping[str, Any]) -> Outcome | None:
        """Return the outcome of a Group that exists and is not to be applied, else None.

        Server-side apply alone would add the members to those of another group, or to those that
        an admin has left since an earlier import.
        """
        metadata = body["metadata"]
        name, place = metadata["name"], metadata["namespace"]
        path = f"/apis/{GROUP}/v1/namespaces/{quote(place)}/groups/{quote(name)}"
        try:
            found = mapping(self._server.raw.request("GET", path))
        except NotFound:
            return None
        except (ConnectionFailed, LoginExpired):
            raise
        except WegentError as error:
            return Outcome("Group", place, name, "failed", error.message)
        fields = items(mapping(found.get("metadata")).get("managedFields"))
        by_import = any(mapping(it).get("manager") == FIELD_MANAGER for it in fields)
        origin = _origin(body)
        if not by_import and (not origin or _origin(found) != origin):
            return self._of_others(name, place, TAKEN)
        if _is_as(mapping(found.get("spec")), body["spec"]):
            return None
        return Outcome("Group", place, name, "unchanged", CHANGED)

    def _secret(self, secret: Secret) -> Outcome:
        """Store one secret. Its value is in no answer and in no message."""
        if self._dry_run:
            return Outcome("Secret", secret.namespace, secret.name, "unchanged", "a dry run")
        if not self._server.is_rest:
            place = f"{NAMESPACES}/{quote(secret.namespace)}/secrets/{quote(secret.name)}"
            request = _apply_patch(self._server, place, secret.body(), dry_run=False)
        else:
            request = _put(self._server, secret)
        return _outcome(request, "Secret", secret.namespace, secret.name, "stored")


def _origin(body: Mapping[str, Any]) -> str:
    """Return the name in Wegent of a Group; empty if it comes from elsewhere."""
    annotations = mapping(mapping(body.get("metadata")).get("annotations"))
    return scalar_text(annotations.get(IMPORTED_NAME))[:IMPORTED_NAME_MAX]


def _is_as(group: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Return True if a group has these members, and these values of the other fields."""
    return _members(group) == _members(spec) and all(
        group.get(key) == item for key, item in spec.items() if key != "members"
    )


def _members(group: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = (mapping(it) for it in items(group.get("members")))
    return {(scalar_text(it.get("username")), scalar_text(it.get("role"))) for it in found}


def _put(server: Client, secret: Secret) -> Callable[[], object]:
    """Return the request that stores a key of a Model, or a header of an MCP server."""
    hosts = list(secret.hosts)
    if secret.server is None or secret.header is None:
        return partial(server.keys.put, secret.owner, secret.value, hosts, secret.namespace)
    return partial(
        server.keys.put_header,
        "ghosts" if secret.kind == "Ghost" else "skills",
        secret.owner,
        secret.server,
        secret.header,
        secret.value,
        hosts,
        namespace=secret.namespace,
    )


def _request(
    server: Client, method: str, path: str, body: object, params: dict[str, str]
) -> Callable[[], object]:
    return lambda: server.raw.request(method, path, body=body, params=params)


def _apply_patch(server: Client, path: str, body: object, *, dry_run: bool) -> Callable[[], object]:
    params = {"fieldManager": FIELD_MANAGER, "force": "true"}
    if dry_run:
        params["dryRun"] = "All"
    plain = json.loads(json.dumps(body))
    return lambda: server.raw.request(
        "PATCH", path, body=plain, params=params, content_type=APPLY_PATCH
    )


def _outcome(
    request: Callable[[], object], kind: str, namespace: str, name: str, done: str
) -> Outcome:
    try:
        request()
    except AlreadyExists:
        return Outcome(kind, namespace, name, "unchanged")
    except (ConnectionFailed, LoginExpired):
        raise
    except NotFound as error:
        return Outcome(kind, namespace, name, "failed", REMEDIES.get(kind, error.message))
    except WegentError as error:
        return Outcome(kind, namespace, name, "failed", error.message)
    return Outcome(kind, namespace, name, done)
