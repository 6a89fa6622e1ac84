"""Groups, read and written with the caller's own token.

A member stands for one Account. The proxy looks up its UID with its own rights, as when a member is
added to a namespace, so that a later user of the name inherits nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from wegent_api.accounts.admin_models import current_ready
from wegent_api.accounts.store import Accounts
from wegent_api.accounts.writers import DRY_RUN, STRICT
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Cause, Invalid, UpstreamStatus
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.wait import EventWaiter
from wegent_crds.reading import mapping, mappings
from wegent_crds.registry import API_VERSION, GROUP_KIND
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.paging import OBJECTS_PAGE_SIZE
from wegent_kube.resources import resource_of

GROUPS: Final = resource_of(GROUP_KIND)
Body = dict[str, Any]


class Groups:
    """The Groups of the accounts namespace, as one caller may see and change them."""

    def __init__(
        self, user_api: UserApi, caller: Caller, accounts: Accounts, waiter: EventWaiter
    ) -> None:
        self._user_api = user_api
        self._caller = caller
        self._accounts = accounts
        self._waiter = waiter

    async def list(self) -> list[Body]:
        """Return all Groups; none for a caller who may not list them.

        Raises:
            UpstreamStatus: the API server refused the request for another reason.
        """
        params, found = {"limit": str(OBJECTS_PAGE_SIZE)}, []
        while True:
            try:
                page = await self._send("GET", params=params)
            except UpstreamStatus as refused:
                if refused.is_forbidden:
                    return []
                raise
            found += page["items"]
            if not (more := page["metadata"].get("continue")):
                return found
            params = params | {"continue": more}

    async def get(self, name: str) -> Body:
        """Return a Group."""
        return await self._send("GET", name)

    async def create(
        self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]
    ) -> Body:
        """Create a Group, wait for the operator's verdict, and return it.

        Raises:
            Invalid: a member has no Account.
            UpstreamStatus: the caller may not create it, or the name is taken.
        """
        metadata: Body = {"name": name, "namespace": self._accounts.namespace}
        if annotations:
            metadata["annotations"] = dict(annotations)
        body = {
            "apiVersion": API_VERSION,
            "kind": GROUP_KIND.kind,
            "metadata": metadata,
            "spec": dict(spec),
        }
        # Only those who may create it learn whether users exist.
        await self._send("POST", body=body, params=DRY_RUN)
        body["spec"] = await self._with_uids(spec, {}, "NamespaceCreation")
        return await self._judged(await self._send("POST", body=body, params=STRICT))

    async def change(self, name: str, patch: Mapping[str, Any]) -> Body:
        """Change the spec of a Group by a merge patch, and return it after the verdict.

        Raises:
            Invalid: a new member has no Account.
            UpstreamStatus: the caller may not change it, or there is none.
        """
        before = await self.get(name)
        options: Body = {"params": DRY_RUN, "content_type": MERGE_PATCH}
        await self._send("PATCH", name, body={"spec": patch}, **options)
        known = {it["username"]: it for _, it in mappings(before["spec"].get("members"))}
        # The members that are known were read here. Another change since then is a conflict.
        metadata = {"resourceVersion": before["metadata"]["resourceVersion"]}
        spec = await self._with_uids(patch, known, "NamespaceChange")
        body = {"metadata": metadata, "spec": spec}
        changed = await self._send("PATCH", name, body=body, **(options | {"params": STRICT}))
        return await self._judged(changed)

    async def delete(self, name: str) -> Body:
        """Delete a Group, and return what the API server answers."""
        return await self._send("DELETE", name)

    async def _send(self, method: str, name: str | None = None, **options: Any) -> Body:
        path = GROUPS.path(self._accounts.namespace, name)
        answer: Body = await self._user_api.request_json(self._caller, method, path, **options)
        return answer

    async def _with_uids(
        self, spec: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], what: str
    ) -> Body:
        """Return a spec in which each new member has the UID of its Account.

        A ``known`` member stays the Account that it was.
        """
        members, missing = [], []
        for index, member in mappings(spec.get("members")):
            name = member["username"]
            if member.get("accountUid"):
                members.append(member)
                continue
            if (before := known.get(name)) is not None:
                uid = before.get("accountUid")
                members.append({**member, "accountUid": uid} if uid else member)
                continue
            account = await self._accounts.get(name)
            if account is None or account.deleting:
                field = f"members[{index}].username"
                missing.append(Cause("FieldValueNotFound", field, f"there is no user {name}"))
            else:
                members.append({**member, "accountUid": account.uid})
        if missing:
            raise Invalid.of(missing, what=what)
        return {**spec, "members": members} if spec.get("members") else dict(spec)

    async def _judged(self, body: Body) -> Body:
        """Return a Group with the operator's verdict, or as it is if there is none in time."""

        def decide(_: str, now: Body) -> Body | None:
            settled = current_ready(now)
            return now if settled is not None and settled.status != "Unknown" else None

        metadata = body["metadata"]
        found = decide("", body) or await self._waiter.wait_for_event(
            self._caller,
            (GROUPS, self._accounts.namespace, metadata["name"]),
            metadata["resourceVersion"],
            decide,
        )
        return found or body


def finalizers_of(body: Mapping[str, Any]) -> str:
    """Return the finalizers in the answer to a deletion, as text; empty if there are none."""
    return ", ".join(mapping(body.get("metadata")).get("finalizers") or ())
