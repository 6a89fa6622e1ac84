"""The regions of the documentation that follow from the code.

The text of a kind's page is written by hand. Its names, fields, columns and example are generated,
so that they can't be wrong. So are the lists of kinds and of make targets.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings

from codegen.crds import root_schema
from codegen.fields import field_table, rule_list
from codegen.files import Generated, GeneratedRegion
from codegen.markdown import cell, code, table
from devcluster.checkout import CHECKOUT
from wegent_crds.models import model_of
from wegent_crds.registry import BY_PLURAL, CATEGORY, GHOST, KINDS, Kind, referrers_of
from wegent_kube.usage import default_of
from wegent_runner.settings import Settings as RunnerSettings

PAGES: Final = Path("docs/kinds")
TARGET: Final = re.compile(r"^([a-z0-9-]+):.*## (.*)$", re.MULTILINE)
"""A target and its description, as the Makefile's own ``help`` finds them."""


ELSEWHERE: Final = {
    "spec.accessFrom": "../references.md#the-fields-of-accessfrom",
    "status.conditions": "../conditions.md#the-fields-of-a-condition",
}
"""Links from a kind's page to the fields that all kinds share, which are explained once."""


def generate() -> Iterator[Generated]:
    """Yield the regions of each kind's page, of the index, the README and CONTRIBUTING."""
    for kind in KINDS:
        page = PAGES / f"{kind.singular}.md"
        yield GeneratedRegion(page, "names", names(kind))
        if (example := CHECKOUT / "examples" / f"{kind.singular}.yaml").exists():
            text = example.read_text(encoding="utf-8")
            yield GeneratedRegion(page, "example", f"```yaml\n{text}```")
        yield GeneratedRegion(page, "fields", fields(kind))
        yield GeneratedRegion(page, "columns", columns(kind))
    yield GeneratedRegion(Path("README.md"), "kinds", kinds("docs/kinds/"))
    yield GeneratedRegion(Path("docs/README.md"), "kinds", kinds("kinds/"))
    yield GeneratedRegion(Path("docs/README.md"), "decisions", decisions())
    access, conditions = shared("spec.accessFrom", GHOST), shared("status.conditions", GHOST)
    yield GeneratedRegion(Path("docs/references.md"), "accessFrom", access)
    yield GeneratedRegion(Path("docs/conditions.md"), "fields", conditions)
    yield GeneratedRegion(Path("docs/runner.md"), "settings", settings(RunnerSettings))
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    yield GeneratedRegion(Path("CONTRIBUTING.md"), "targets", targets(makefile))


def settings(model: type[BaseSettings]) -> str:
    """Return the table of a program's settings."""
    prefix = model.model_config.get("env_prefix", "")
    return table(
        ("Variable", "Default", "Meaning"),
        (
            (code(f"{prefix}{name}".upper()), shown and code(shown), cell(field.description or ""))
            for name, field in model.model_fields.items()
            for shown in [default_of(field)]
        ),
    )


def names(kind: Kind) -> str:
    """Return the kind's names and references."""
    short = ", ".join(map(code, kind.short_names)) or "none"
    category = f"; with others: {code(CATEGORY)}" if kind.user_facing else ""
    lines = [
        f"- API version and kind: `agent.wecode.io/v1`, `{kind.kind}`; namespaced",
        f"- For kubectl: `{kind.plural}`, `{kind.singular}`; short: {short}{category}",
    ]
    if kind.user_facing:
        lines.append(f"- Over REST: `/api/v1/kinds/{kind.plural}`")
    lines += [
        f"- Refers to: {_link(BY_PLURAL[reference.to])}, by `{reference.path}`"
        for reference in kind.references
    ]
    if referrers := referrers_of(kind):
        lines.append(f"- Referred to by: {', '.join(map(_link, referrers))}")
    return "\n".join(lines)


def fields(kind: Kind) -> str:
    """Return the tables of the kind's fields, and the rules that span them."""
    schema = root_schema(model_of(kind))
    spec, status = (schema["properties"][part] for part in ("spec", "status"))
    parts = ["### `spec`", field_table("spec", spec, ELSEWHERE)]
    parts += ["### `status`", field_table("status", status, ELSEWHERE)]
    if rules := rule_list("", schema, ELSEWHERE):
        parts += ["### Rules over several fields", rules]
    return "\n\n".join(parts)


def shared(path: str, kind: Kind) -> str:
    """Return the tables of a field that all kinds share, taken from one kind."""
    schema = root_schema(model_of(kind))
    for step in path.split("."):
        schema = schema["properties"][step]
    below = f"{path}[]" if "items" in schema else path
    parts = [field_table(below, schema.get("items", schema))]
    if rules := rule_list(path, schema):
        parts += ["Rules over several fields:", rules]
    return "\n\n".join(parts)


def columns(kind: Kind) -> str:
    """Return the table of the columns that ``kubectl get`` prints."""
    rows = [
        (
            column.name.upper(),
            code(column.json_path),
            "with `-o wide`" if column.priority else "always",
        )
        for column in model_of(kind).printer_columns()
    ]
    return table(("Column", "Shows", "When"), rows)


def kinds(folder: str) -> str:
    """Return the table of all kinds, whose pages are in ``folder``."""
    rows = [
        (_link(kind, folder), ", ".join(map(code, kind.short_names)), cell(summary(kind)))
        for kind in KINDS
    ]
    return table(("Kind", "Short", "Description"), rows)


def decisions() -> str:
    """Return the list of architecture decisions, by their headings."""
    pages = sorted((CHECKOUT / "docs" / "adr").glob("[0-9]*.md"))
    headings = (page.read_text(encoding="utf-8").partition("\n")[0] for page in pages)
    return "\n".join(
        f"- [{heading.removeprefix('# ')}](adr/{page.name})"
        for page, heading in zip(pages, headings, strict=True)
    )


def targets(makefile: str) -> str:
    """Return the table of make targets that ``make help`` prints."""
    rows = [(f"`make {name}`", cell(text)) for name, text in TARGET.findall(makefile)]
    return table(("Command", "Description"), rows)


def summary(kind: Kind) -> str:
    """Return the first paragraph of a kind's description."""
    text = (model_of(kind).__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())


def _link(kind: Kind, folder: str = "") -> str:
    return f"[{kind.kind}]({folder}{kind.singular}.md)"
