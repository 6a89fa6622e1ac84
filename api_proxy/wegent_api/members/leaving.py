"""Leaving a group: a member's own entry in the Group, removed with the proxy's rights.

Members of a group may not write its Group. The policy ``wegent-api-groups`` lets the proxy remove
one member from a Group, and change nothing else of it. The operator then takes the role away.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from wegent_api.accounts.store import Accounts
from wegent_api.http.errors import Conflict
from wegent_crds.members import GROUP_LABEL, account_binding_name
from wegent_crds.reading import mapping, mappings
from wegent_crds.registry import GROUP_KIND
from wegent_kube import ApiError, KubeClient, get_or_none
from wegent_kube.content_types import JSON_PATCH
from wegent_kube.resources import ROLE_BINDINGS, resource_of

GROUPS: Final = resource_of(GROUP_KIND)
TRIES: Final = 5
"""Attempts to remove a member, between which others change the Group."""
ENDS_WITHIN_S: Final = 3.0
"""Seconds that the operator may take to remove the RoleBinding."""
POLL_S: Final = 0.1


async def leave_group(
    own_api: KubeClient, accounts: Accounts, name: str, username: str
) -> str | None:
    """Remove a user from the members of a Group, and return the role that the user had there.

    The caller must be that user. Returns None if the user is not a member of such a Group: only the
    Account that the member stands for may leave, and no later Account of its name.

    Raises:
        Conflict: others change the Group all the time.
        KubeError: a request failed.
    """
    account = await accounts.get(username)
    path = GROUPS.path(accounts.namespace, name)
    for _ in range(TRIES):
        body = await get_or_none(own_api.request("GET", path))
        if body is None or account is None:
            return None
        if (found := _entry(body, username, account.uid)) is None:
            return None
        index, member = found
        where = f"/spec/members/{index}"
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
            {"op": "test", "path": where, "value": member},
            {"op": "remove", "path": where},
        ]
        try:
            await own_api.request("PATCH", path, body=patch, content_type=JSON_PATCH)
        except ApiError as refused:
            if not (refused.is_invalid or refused.is_conflict or refused.is_not_found):
                raise
        else:
            return str(member["role"])
    raise Conflict(f"the members of the group {name} change all the time; try again")


async def role_has_ended(
    own_api: KubeClient, namespace: str, username: str, role: str, *, within_s: float
) -> bool:
    """Wait until a group no longer gives a user a role, and return whether that is so in time."""
    params = {"fieldSelector": f"metadata.name={account_binding_name(username, role)}"}
    deadline = time.monotonic() + within_s
    while True:
        listed = await own_api.request("GET", ROLE_BINDINGS.path(namespace), params=params)
        labels = [mapping(it["metadata"].get("labels")) for it in listed["items"]]
        if not any(GROUP_LABEL in it for it in labels):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)


def _entry(
    body: Mapping[str, Any], username: str, account_uid: str
) -> tuple[int, dict[str, Any]] | None:
    """Return the index and the entry of an Account in the members of a Group."""
    bound = {
        it.get("username"): it.get("accountUid")
        for _, it in mappings(mapping(body.get("status")).get("members"))
    }
    for index, member in mappings(mapping(body.get("spec")).get("members")):
        if member["username"] == username:
            uid = member.get("accountUid") or bound.get(username)
            return (index, dict(member)) if uid == account_uid else None
    return None
