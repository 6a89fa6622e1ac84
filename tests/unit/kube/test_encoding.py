"""The one JSON encoder: characters take their size in UTF-8, and no value makes it fail."""

import ast
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devcluster.checkout import CHECKOUT
from wegent_kube.encoding import encode_json, encode_yaml

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
OWN_DUMPS = {
    ("kube/wegent_kube/encoding.py", "_compact"),
    ("kube/wegent_kube/encoding.py", "encode_json"),
    ("crds/wegent_crds/schema/extensions.py", "keyword"),  # a CEL string in a schema
    ("crds/wegent_crds/output_schema.py", "_check_size"),  # a size
    ("crds/wegent_crds/output_schema.py", "_fault"),  # a value in a message
    ("api_proxy/wegent_api/http/bodies.py", "parse"),  # finds lone surrogates, sends nothing
    ("api_proxy/wegent_api/http/bodies.py", "_unique"),  # a key in a message
    ("api_proxy/wegent_api/http/yaml.py", "_key"),  # a key in a message
    ("api_proxy/wegent_api/openai_api/idempotency.py", "_digest"),  # a digest
    ("api_proxy/wegent_api/kinds/list_all_namespaces.py", "encode"),  # ASCII by nature
}
"""The places where ``json.dumps`` may be called, by file and function."""


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "字", "é", "\u2028", "a"])
def test_a_character_costs_its_utf_8(character: str) -> None:
    assert encode_json([character * 1000]) == b'["' + character.encode() * 1000 + b'"]'


@given(JSON_VALUES)
def test_all_of_json_comes_back(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


@given(JSON_VALUES)
def test_yaml_reads_it_too(value: Any) -> None:
    assert yaml.safe_load(encode_yaml(value)) == value


def test_a_lone_surrogate_is_escaped() -> None:
    assert encode_json({"a": "\ud800"}) == rb'{"a":"\ud800"}'


def test_nothing_else_encodes_what_is_sent() -> None:
    found = set()
    for package in ("crds", "kube", "api_proxy", "operator"):
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    found |= {
                        (str(path.relative_to(CHECKOUT)), function.name)
                        for node in ast.walk(function)
                        if isinstance(node, ast.Call) and ast.unparse(node.func) == "json.dumps"
                    }
    assert found <= OWN_DUMPS
