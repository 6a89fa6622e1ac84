"""Warnings of the API server reach the caller."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.objects import BASE, ghost
from tests.api.users import unique
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION, GROUP
from wegent_kube.content_types import APPLY_PATCH, MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"
MESSAGES = ['prompts should say "please"', "prompts, in the end, are read: é 提示"]
POLICIES = "admissionregistration.k8s.io/v1"


@pytest.fixture(scope="module")
async def mark(kubectl: Kubectl, client: Client) -> AsyncIterator[str]:
    """A label that a policy of the cluster's administrator warns of, without refusing it."""
    name = unique("warned")
    chosen = {"matchLabels": {name: "true"}}
    rules = [
        {
            "apiGroups": [GROUP],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["ghosts"],
        }
    ]
    policy: dict[str, Any] = {
        "apiVersion": POLICIES,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": rules, "objectSelector": chosen},
            "validations": [{"expression": "false", "message": it} for it in MESSAGES],
        },
    }
    binding = {
        "apiVersion": POLICIES,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Warn"]},
    }
    items = {"apiVersion": "v1", "kind": "List", "items": [policy, binding]}
    (await kubectl.call("create", "-f", "-", stdin=items)).ok()

    async def probe() -> bool:
        body = ghost(unique("probe"), labels={name: "true"})
        answer = await client.post(f"{GHOSTS}?dryRun=All", body)
        assert "Warning" in answer.headers, answer.headers
        return True

    await eventually(probe, within_s=30, what="the policy to be in force")
    yield name
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        (await kubectl.call("delete", kind, name)).ok()


def warned(answer: Answer) -> None:
    [value] = answer.headers.getall("Warning")
    for message in MESSAGES:
        assert message.replace('"', r"\"").encode() in value.encode("utf-8", "surrogateescape")
    assert value.count("299 - ") == len(MESSAGES)


async def test_each_write_of_one_object(client: Client, mark: str) -> None:
    name = unique("warned")
    body = ghost(name, labels={mark: "true"})
    answer = await client.post(GHOSTS, body)
    answer.expect(201)
    warned(answer)
    path = f"{GHOSTS}/{name}"
    warned(await client.put(path, body))
    warned(await client.patch(path, {"spec": {"description": "x"}}, type_=MERGE_PATCH))
    warned(await client.patch(path, body, type_=f"{APPLY_PATCH}"))
    assert "Warning" not in (await client.get(path)).headers
    refused = await client.put(path, {**body, "spec": {"systemPrompt": 7}})
    refused.refused(422, "Invalid")


async def test_of_several_objects_each_has_its_own(client: Client, mark: str) -> None:
    one, other = (
        {"apiVersion": API_VERSION, "kind": "Ghost", **ghost(unique("warned"), labels=labels)}
        for labels in ({mark: "true"}, {})
    )
    items = {"apiVersion": "v1", "kind": "List", "items": [one, other]}
    answer = await client.post("/api/v1/apply", items)
    told, silent = answer.expect(200)["items"]
    assert "Warning" not in answer.headers
    assert "warnings" not in silent
    assert len(told["warnings"]) == len(MESSAGES)
    for message, text in zip(MESSAGES, told["warnings"], strict=True):
        assert text.endswith(message)
