"""Refusals of objects in the form of the original Wegent name the importer."""

from typing import Any

import pytest

from tests.api.apply.test_apply import apply, results
from tests.api.users import unique
from tests.support.proxy import Client
from wegent_api.http.wegent_form import FIELDS, fields_of
from wegent_crds.registry import API_VERSION

REMEDY = "wegent import FILE"


def wegent(kind: str, spec: dict[str, Any], name: str | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": name or unique("foreign"), "namespace": "default"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec, **more}


FOREIGN = {
    "spec.members": wegent("Team", {"members": []}),
    "spec.collaborationModel": wegent("Team", {"collaborationModel": "solo"}),
    "spec.modelConfig": wegent("Model", {"modelConfig": {"env": {"OPENAI_API_KEY": "k"}}}),
    "spec.shellType": wegent("Shell", {"shellType": "Chat"}),
    "spec.runtime": wegent("Shell", {"runtime": "Chat"}),
    "spec.supportModel": wegent("Shell", {"type": "Chat", "supportModel": []}, name="ClaudeCode"),
    "status.state": wegent("Template", {}, status={"state": "Available"}),
}


def test_each_field_has_a_body() -> None:
    assert set(FOREIGN) == set(FIELDS)


@pytest.mark.parametrize("field", FOREIGN)
async def test_an_apply_that_is_refused_names_the_importer(client: Client, field: str) -> None:
    answer = await apply(client, FOREIGN[field])
    assert results(answer, 207) == ["failed"]
    message = answer.expect(207)["items"][0]["status"]["message"]
    assert field in message
    assert REMEDY in message


@pytest.mark.parametrize(
    ("plural", "field"),
    [("teams", "spec.members"), ("models", "spec.modelConfig"), ("shells", "spec.shellType")],
)
async def test_a_post_that_is_refused_names_the_importer(
    client: Client, plural: str, field: str
) -> None:
    answer = await client.post(f"/api/v1/kinds/{plural}", FOREIGN[field])
    body = answer.expect(422) if answer.status == 422 else answer.expect(400)
    assert field in body["message"]
    assert REMEDY in body["message"]
    assert body["code"] == answer.status


async def test_another_refusal_does_not(client: Client) -> None:
    answer = await apply(client, wegent("Shell", {"type": "Mystery"}))
    assert REMEDY not in answer.expect(207)["items"][0]["status"]["message"]


async def test_members_of_a_group_are_no_proof(client: Client) -> None:
    answer = await apply(client, wegent("Group", {"members": []}))
    assert REMEDY not in answer.expect(207)["items"][0]["status"]["message"]


async def test_a_refusal_for_lack_of_rights_does_not(client: Client) -> None:
    foreign = wegent("Shell", {"shellType": "Chat"})
    foreign["metadata"]["namespace"] = "kube-system"
    answer = await client.post("/api/v1/kinds/shells?namespace=kube-system", foreign)
    assert REMEDY not in answer.expect(403)["message"]


async def test_a_state_is_no_reason_to_refuse(client: Client) -> None:
    ghost = wegent("Ghost", {"systemPrompt": "p"}, status={"state": "Available"})
    assert results(await apply(client, ghost)) == ["created"]


def test_bodies_of_any_form_have_no_such_fields() -> None:
    bodies: list[Any] = [None, [], "text", {"spec": []}, {"spec": {"type": "Chat"}, "status": "x"}]
    assert not [field for body in bodies for field in fields_of(body)]
