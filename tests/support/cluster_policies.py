"""Helpers that add a cluster's own admission policy, or remove one of Wegent's, for a while."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.support.api import Api
from tests.support.waiting import eventually
from wegent_kube import ApiError
from wegent_kube.resources import Resource

ADMISSION: Final = "admissionregistration.k8s.io"
POLICIES: Final = Resource(ADMISSION, "v1", "validatingadmissionpolicies")
POLICY_BINDINGS: Final = Resource(ADMISSION, "v1", "validatingadmissionpolicybindings")
IN_FORCE_WITHIN_S: Final = 30.0

Trial = Callable[[], Awaitable[Any]]
"""A dry run of a request that the policy refuses."""


@asynccontextmanager
async def refusing(
    api: Api, resource: Resource, operation: str, expression: str, message: str, trial: Trial
) -> AsyncIterator[None]:
    """Make a policy of the cluster refuse the requests that ``expression`` doesn't allow."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    rule = {
        "apiGroups": [resource.group],
        "apiVersions": ["*"],
        "operations": [operation],
        "resources": [resource.plural],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
    }
    await api.client.request(
        "POST", POLICIES.path(), body={"metadata": {"name": name}, "spec": spec}
    )
    bound = {"policyName": name, "validationActions": ["Deny"]}
    await api.client.request(
        "POST", POLICY_BINDINGS.path(), body={"metadata": {"name": name}, "spec": bound}
    )
    try:
        await refused(trial)
        yield
    finally:
        await api.client.request("DELETE", POLICY_BINDINGS.path(None, name))
        await api.client.request("DELETE", POLICIES.path(None, name))


async def refused(trial: Trial, *, is_refused: bool = True) -> None:
    """Wait until the API server's policies refuse a request, or accept it again."""

    async def probe() -> bool:
        try:
            await trial()
        except ApiError as error:
            return is_refused is (error.is_forbidden or error.is_invalid)
        return not is_refused

    what = f"a policy to be {'in force' if is_refused else 'out of force'}"
    await eventually(probe, within_s=IN_FORCE_WITHIN_S, what=what)


@asynccontextmanager
async def without_policy(api: Api, name: str, trial: Trial) -> AsyncIterator[None]:
    """Disable one of Wegent's policies, as on a cluster of an earlier version."""
    binding = await api.client.request("GET", POLICY_BINDINGS.path(None, name))
    await api.client.request("DELETE", POLICY_BINDINGS.path(None, name))
    try:
        await refused(trial, is_refused=False)
        yield
    finally:
        body = {"metadata": {"name": name}, "spec": binding["spec"]}
        body["metadata"]["labels"] = binding["metadata"]["labels"]
        await api.client.request("POST", POLICY_BINDINGS.path(), body=body)
        await refused(trial)
