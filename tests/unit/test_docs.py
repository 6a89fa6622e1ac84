"""The documentation covers all of the code's names, and no others."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

import wegent_api.server.metrics
import wegent_api.settings
import wegent_operator.runtime.metrics
import wegent_operator.settings
import wegent_runner.settings
from codegen.docs import TARGET
from devcluster.checkout import CHECKOUT
from devstack.settings import NAMES
from tests.unit.pages import PAGES, PATHS, Page, rows, slug
from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.models import model_of
from wegent_crds.providers import BASE_URLS
from wegent_crds.registry import BY_KIND, GROUP, KINDS, TOMBSTONE, Kind
from wegent_operator.state.refusals import WriteStep
from wegent_runner.plan.plan import default_format

CONDITIONS = Page.read("docs/conditions.md")
OPERATOR = Page.read("docs/operator.md")
SECURITY = Page.read("docs/security.md")
REASONS = list(rows(CONDITIONS.section("The reasons")))
CLI_VARIABLES = {
    name
    for path in (CHECKOUT / "cli").rglob("*.py")
    for name in re.findall(r"\"(WEGENT_[A-Z_]+)\"", path.read_text(encoding="utf-8"))
}
KIND_IDS = [kind.singular for kind in KINDS]
TARGETS = {name for name, _ in TARGET.findall((CHECKOUT / "Makefile").read_text(encoding="utf-8"))}
SETTINGS: dict[str, type[BaseSettings]] = {
    "operator": wegent_operator.settings.Settings,
    "api": wegent_api.settings.Settings,
    "runner": wegent_runner.settings.Settings,
}
METRICS = {
    "operator": wegent_operator.runtime.metrics.Metrics().registry,
    "api": wegent_api.server.metrics.Metrics().registry,
}
PROGRAM_PAGES = {
    "operator": OPERATOR,
    "api": Page.read("docs/api.md"),
    "runner": Page.read("docs/runner.md"),
}
EXPLAINED_ONCE = {
    "spec.accessFrom.": "docs/references.md",
    "status.conditions[]": "docs/conditions.md",
}
"""Fields of all kinds, by the beginnings of their paths."""


def page_of(kind: Kind) -> Page:
    return Page.read(f"docs/kinds/{kind.singular}.md")


# Conditions


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_says_when_and_what_to_do(reason: Reason) -> None:
    section = CONDITIONS.section(reason)
    assert len(section.split("**Remedy**")) == 2, f"{reason} has no remedy"
    assert section.split("**Remedy**")[0].strip(), f"{reason} doesn't say when"


@pytest.mark.parametrize("reason", Reason)
def test_each_problem_shows_a_message(reason: Reason) -> None:
    [when] = [row[1] for row in REASONS if row[0].startswith(f"[`{reason}`]")]
    if "Ready, False" in when:
        assert "```text\n" in CONDITIONS.section(reason)


def test_the_table_of_reasons_is_whole() -> None:
    listed = sorted(row[0] for row in REASONS)
    assert listed == sorted(f"[`{reason}`](#{slug(reason)})" for reason in Reason)


def test_the_condition_types() -> None:
    listed = {name for name, *_ in rows(CONDITIONS.text.partition("## ")[0])}
    assert listed == {f"`{type_}`" for type_ in ConditionType}


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_a_kind_and_the_table_of_reasons_agree(kind: Kind) -> None:
    of_kind = {
        first.split("`")[1]
        for first, *_ in rows(page_of(kind).section("Conditions"))
        if "`" in first
    }
    by_table = {
        name.split("`")[1]
        for name, _, kinds in REASONS
        if kinds == "all" or kind.kind in kinds.split(", ")
    }
    assert of_kind == by_table


def test_the_fields_to_select_by() -> None:
    listed = {
        kind: [f".{field}" for field in re.findall(r"`([^`]+)`", fields)]
        for kind, fields in rows(PROGRAM_PAGES["api"].section("Fields to select by"))
    }
    assert listed == {kind.kind: list(model_of(kind).selectable_fields()) for kind in KINDS}


# Settings and metrics


def settings_of(program: str) -> dict[str, Any]:
    model = SETTINGS[program]
    prefix = model.model_config["env_prefix"]
    return {f"{prefix}{name.upper()}": field.default for name, field in model.model_fields.items()}


@pytest.mark.parametrize("program", SETTINGS)
def test_each_setting_has_its_row(program: str) -> None:
    table = rows(PROGRAM_PAGES[program].text)
    listed = [first.strip("`") for first, *_ in table if first.startswith("`WEGENT_")]
    assert sorted(listed) == sorted(settings_of(program))


@pytest.mark.parametrize("name", settings_of("operator"))
def test_the_operators_defaults(name: str) -> None:
    default = settings_of("operator")[name]
    if isinstance(default, frozenset):
        default = ",".join(sorted(default))
    if isinstance(default, float):
        default = f"{default:g}"
    if isinstance(default, bool):
        default = str(default).lower()
    [shown] = [row[1] for row in rows(OPERATOR.text) if row[0] == f"`{name}`"]
    if isinstance(default, dict):  # too long for a table: each count is in words
        assert set(re.findall(r"\d+", shown)) == {str(count) for count in default.values()}
        return
    assert shown == f"`{default}`"


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_no_page_names_a_setting_that_does_not_exist(page: Page) -> None:
    named = set(re.findall(r"\bWEGENT_[A-Z_]+[A-Z]\b", page.text))
    assert named <= NAMES | CLI_VARIABLES


def metrics_of(program: str) -> dict[str, tuple[str, ...]]:
    """Return the labels of each metric, by the name that Prometheus sees."""
    return {
        # Prometheus changes the names of counters alone.
        metric._name + ("_total" if metric._type == "counter" else ""): metric._labelnames
        for metric in set(METRICS[program]._collector_to_names)
        if isinstance(metric, MetricWrapperBase)
    }


def test_the_operators_metrics_with_their_labels() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows(OPERATOR.section("Metrics"))}
    wanted = {
        name + (f"{{{', '.join(labels)}}}" if labels else "")
        for name, labels in metrics_of("operator").items()
    }
    assert set(listed) == wanted


@pytest.mark.parametrize("name", sorted(metrics_of("api")))
def test_the_proxys_metrics(name: str) -> None:
    assert f"`{name}`" in PROGRAM_PAGES["api"].text


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_no_page_names_a_metric_that_does_not_exist(page: Page) -> None:
    named = set(re.findall(r"\bwegent_(?:operator|api)_\w+", " ".join(page.code)))
    there = {name for program in METRICS for name in metrics_of(program)}
    series = {f"{name}_bucket" for name in there if name.endswith("_seconds")}
    assert named <= there | series


# Make targets


def test_each_make_target_is_in_contributing() -> None:
    listed = {row[0] for row in rows(Page.read("CONTRIBUTING.md").section("Make targets"))}
    assert listed == {f"`make {target}`" for target in TARGETS}


def test_the_readme_shows_the_two_commands() -> None:
    shown = {command.strip() for command in make_commands(Page.read("README.md"))}
    assert {"up", "test"} <= shown


def make_commands(page: Page) -> Iterator[str]:
    """Yield the words after ``make`` in each command that the page shows."""
    typed = [block for language in ("console", "bash") for block in page.blocks(language)]
    lines = [line for block in typed for line in block.splitlines() if line.startswith("$ ")]
    for code in [*lines, *page.inline]:
        unquoted = re.sub(r'"[^"\n]*"', "", code)
        yield from re.findall(r"(?<![\w/-])make ([^\n`#;|&)<]+)", unquoted)


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_each_make_command_that_is_shown_exists(page: Page) -> None:
    for command in make_commands(page):
        words = {word for word in command.split() if word not in ("-s", "...") and "=" not in word}
        assert words <= TARGETS, command


# Kinds


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_each_kind_has_a_page(kind: Kind) -> None:
    page = page_of(kind)
    assert page.headings[0] == kind.kind
    assert page.text.startswith(f"# {kind.kind}\n\n{'An' if kind.kind[0] in 'AEIOU' else 'A'} ")
    if kind is not TOMBSTONE:  # which nobody applies
        [shown] = page.section("Example").split("```console\n")[1:]
        for verb in ("apply -f", "get", "describe"):
            assert f"$ kubectl {verb} " in shown


def test_each_page_of_a_kind_has_a_kind() -> None:
    pages = {path.stem for path in (CHECKOUT / "docs" / "kinds").glob("*.md")}
    assert pages == {kind.singular for kind in KINDS}


def fields_of(kind: Kind) -> Iterator[str]:
    """Yield the path of each field, from the CRD's schema."""
    crd = yaml.safe_load((CHECKOUT / "crds" / f"{kind.singular}.yaml").read_text(encoding="utf-8"))
    [version] = crd["spec"]["versions"]
    for part in ("spec", "status"):
        yield from _paths(part, version["schema"]["openAPIV3Schema"]["properties"][part])


def _paths(path: str, schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _paths(f"{path}.{name}", field)
    if "items" in schema:
        yield from _paths(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from _paths(f"{path}.<name>", schema["additionalProperties"])


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_each_field_has_its_row(kind: Kind) -> None:
    for path in fields_of(kind):
        elsewhere = [page for start, page in EXPLAINED_ONCE.items() if path.startswith(start)]
        page = Page.read(elsewhere[0]) if elsewhere else page_of(kind)
        listed = [first for first, *_ in rows(page.text)]
        assert [it for it in listed if it.startswith(f"`{path}`")], f"{path} is not in {page.path}"


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_manifests_are_what_the_api_server_takes(page: Page) -> None:
    for block in page.blocks("yaml"):
        for document in yaml.safe_load_all(block):
            if str(document.get("apiVersion", "")).startswith(f"{GROUP}/"):
                model_of(BY_KIND[document["kind"]]).model_validate(document)


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_json_can_be_read(page: Page) -> None:
    for block in page.blocks("json"):
        json.loads(block)


# Roles and policies


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((CHECKOUT / "config").rglob("*.yaml")):
        yield from filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "name",
    sorted({it["metadata"]["name"] for it in manifests() if it["kind"].endswith("Policy")}),
)
def test_each_policy_is_explained(name: str) -> None:
    assert f"`{name}`" in SECURITY.text


@pytest.mark.parametrize(
    "role",
    [it for it in manifests() if it["kind"] in ("Role", "ClusterRole")],
    ids=lambda it: f"{it['kind']}-{it['metadata']['name']}",
)
def test_each_rule_of_a_role_has_its_row(role: dict[str, Any]) -> None:
    listed = [(resources, verbs) for resources, verbs, *_ in rows(SECURITY.text)]
    for rule in role["rules"]:
        resources = ", ".join(f"`{resource}`" for resource in rule["resources"])
        found = [it for it in listed if it[0].startswith(resources)]
        assert ", ".join(rule["verbs"]) in {verbs for _, verbs in found}, rule


# Links


@pytest.mark.parametrize("page", PAGES, ids=PATHS)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (CHECKOUT / page.path.parent / target).resolve() if target else CHECKOUT / page.path
        assert path.exists(), link
        assert path.is_relative_to(CHECKOUT), link
        if anchor:
            assert anchor in Page.read(str(path.relative_to(CHECKOUT))).anchors, link


def test_each_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for link in Page.read(path).links:
            target = link.partition("#")[0]
            if target.endswith(".md") and ":" not in target:
                found = (CHECKOUT / path).parent / target
                waiting.append(str(found.resolve().relative_to(CHECKOUT)))
    assert reached == set(PATHS)


def test_the_steps_that_can_be_refused_are_documented() -> None:
    [row] = [
        line for line in OPERATOR.text.splitlines() if "wegent_operator_refusals_total" in line
    ]
    assert set(re.findall(r"`([a-z_]+)`", row.split("|")[3])) == {step.value for step in WriteStep}


def test_the_addresses_of_providers() -> None:
    page = Page.read("docs/kinds/model.md")
    listed = {
        provider.strip("`"): (address.strip("`"), form.strip("`"))
        for provider, address, form in rows(page.section("Providers"))
        if provider.startswith("`")
    }
    assert listed == {name: (url, default_format(name)) for name, url in BASE_URLS.items()}
