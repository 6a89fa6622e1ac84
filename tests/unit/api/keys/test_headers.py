"""The Secret of a header of an MCP server: its name, and the patch that refers to it."""

import re
from typing import Any

import pytest

from wegent_api.keys.headers import find_reference, reference_patch, secret_name
from wegent_crds.registry import GHOST, SKILL, Kind
from wegent_crds.schema.fields import DNS_SUBDOMAIN, SecretKeyReference

PLACE = SecretKeyReference(name="s", key="key")
SOURCE = {"secretKeyRef": {"name": "s", "key": "key"}}


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ((GHOST, "g", "issues", "Authorization"), "ghost-g-issues-authorization"),
        ((SKILL, "g.v1", "Is.su_es", "X_Api-Key"), "skill-g.v1-is-su-es-x-api-key"),
        ((GHOST, "g", "a", "--"), "ghost-g-a"),
    ],
)
def test_the_name_tells_the_header(parts: tuple[Kind, str, str, str], name: str) -> None:
    shown, _, digest = secret_name(*parts).rpartition("-")
    assert shown == name
    assert re.fullmatch("[0-9a-f]{10}", digest)


def test_headers_have_different_names_where_their_parts_join_alike() -> None:
    alike = [
        (GHOST, "g", "a", "b-c"),
        (GHOST, "g", "a-b", "c"),
        (GHOST, "g-a", "b", "c"),
        (GHOST, "g", "a.b", "c"),
        (SKILL, "g", "a", "b-c"),
    ]
    assert len({secret_name(*parts) for parts in alike}) == len(alike)


def test_the_case_of_a_header_does_not_count() -> None:
    assert secret_name(GHOST, "g", "a", "X-Key") == secret_name(GHOST, "g", "a", "x-key")


def test_a_long_name_is_shortened_and_unique() -> None:
    parts = (GHOST, "g." * 100 + "g", "s" * 63)
    names = {secret_name(*parts, "X-" + "a" * size) for size in (125, 126)}
    assert len(names) == 2
    for name in names:
        assert len(name) <= 253
        assert re.fullmatch(DNS_SUBDOMAIN, name)


def test_the_first_header_adds_the_map() -> None:
    path = "/spec/mcpServers/a.b/headersFrom"
    assert reference_patch({"url": "https://a.example"}, "a.b", "X-Key", PLACE) == [
        {"op": "test", "path": path, "value": None},
        {"op": "add", "path": path, "value": {"X-Key": SOURCE}},
    ]


def test_a_further_header_leaves_the_others() -> None:
    path = "/spec/mcpServers/a/headersFrom/X-Key"
    assert reference_patch({"headersFrom": {"X-Other": SOURCE}}, "a", "X-Key", PLACE) == [
        {"op": "test", "path": path, "value": None},
        {"op": "add", "path": path, "value": SOURCE},
    ]


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ({}, None),
        ({"headersFrom": {"X-Other": SOURCE}}, None),
        ({"headersFrom": {"x-kEY": SOURCE}}, PLACE),
    ],
)
def test_the_case_of_a_header_is_ignored(
    server: dict[str, Any], found: SecretKeyReference | None
) -> None:
    assert find_reference(server, "X-Key") == found
