"""docs/api.md has every setting, metric, route and error."""

import re
from pathlib import Path

import pytest

from wegent_api.app import create_app
from wegent_api.http import errors
from wegent_api.http.errors import Problem, UpstreamStatus
from wegent_api.http.openapi import MEANINGS
from wegent_api.server.metrics import Metrics
from wegent_api.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ")
]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_settings_with_their_defaults(name: str) -> None:
    [row] = [row for row in ROWS if row[0] == f"WEGENT_API_{name.upper()}"]
    default = Settings.model_fields[name].default
    if isinstance(default, bool):
        default = str(default).lower()
    assert row[1] == ("" if default is None else str(default))


def test_no_setting_that_is_gone() -> None:
    documented = {row[0] for row in ROWS if row[0].startswith("WEGENT_API_")}
    assert documented == {f"WEGENT_API_{name.upper()}" for name in Settings.model_fields}


def test_metrics() -> None:
    families = {family.name for family in Metrics().registry.collect()}
    documented = set(re.findall(r"`(wegent_api_\w+?)(?:_total)?`", PAGE))
    assert documented == families


OUR_OWN = [problem for problem in Problem.__subclasses__() if problem is not UpstreamStatus]


@pytest.mark.parametrize("problem", OUR_OWN, ids=lambda it: str(it.__name__))
def test_errors(problem: type[Problem]) -> None:
    [row] = [row for row in ROWS if row[0] == str(problem.code)]
    assert problem.reason in re.findall(r"\w+", row[1])
    assert (errors.__doc__ or "").count(f"{problem.__name__} ") == 1  # drawn in the tree
    assert f"{problem.__name__}{' ' * (23 - len(problem.__name__))}{problem.code}" in str(
        errors.__doc__
    )


def test_statuses_of_the_openapi_document() -> None:
    assert {str(code) for code in MEANINGS} <= {row[0] for row in ROWS}


def test_operations() -> None:
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        short = re.sub(r"^/api/v1/(auth|namespaces/{namespace}|kinds/\w+)", prefix, path)
        for method in methods:
            operations = path.startswith("/api/")
            documented = f"`{method.upper()} {short}`" if operations else f"`{short}`"
            assert documented in PAGE, (method, path)


def prefix(match: re.Match[str]) -> str:
    """Return the prefix of a path that the page's tables leave out, as it is in the heading."""
    return "/{kind}" if match[1].startswith("kinds/") else ""
