"""The roles that follow from the table of kinds: ``templates/rbac/`` with the kinds filled in."""

from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from codegen.files import MARK, GeneratedFile
from wegent_crds.registry import GROUP, KINDS
from wegent_operator.accounts.quota import QUOTA_NAME

WRITTEN_BY_HAND: Final = (Path("config/rbac/api.yaml"), Path("config/rbac/runner.yaml"))
"""The rights of programs that don't follow from the table of kinds."""
TEMPLATES: Final = Path(__file__).parent / "templates" / "rbac"


def generate() -> Iterator[GeneratedFile]:
    """Yield the user roles, and the operator's identity and rights."""
    for name in ("users", "operator"):
        source = f"hack/codegen/templates/rbac/{name}.yaml"
        header = f"{MARK}\n# from {source}. Change that, not this file.\n\n"
        yield GeneratedFile(Path(f"config/rbac/{name}.yaml"), header + _filled(name))


def chart_jobs() -> dict[str, list[dict[str, Any]]]:
    """Return the rights of the chart's Jobs, by file; a Job has them only while it runs."""
    names = ("first-admin", "uninstall")
    return {name: list(filter(None, yaml.safe_load_all(_filled(name)))) for name in names}


def _filled(name: str) -> str:
    lists = {
        "kinds": [kind.plural for kind in KINDS],
        "user_facing": [kind.plural for kind in KINDS if kind.user_facing],
        "statuses": [f"{kind.plural}/status" for kind in KINDS],
        "crds": [f"{kind.plural}.{GROUP}" for kind in KINDS],
    }
    flow = {key: f"[{', '.join(names)}]" for key, names in lists.items()}
    text = (TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8")
    return Template(text).substitute(flow, quota=QUOTA_NAME)
