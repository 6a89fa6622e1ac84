"""The admission policies in ``config/policies``, as tests read them."""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from codegen.policies import FOLDER
from devcluster.checkout import CHECKOUT

Manifest = dict[str, Any]

BOUND: Final = re.compile(r"^variables\.(\w+) <= (\d+)\b")


def policy_files() -> dict[str, list[Manifest]]:
    """Return the manifests of each file, by the file's name."""
    return {
        path.name: list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for path in sorted((CHECKOUT / FOLDER).glob("*.yaml"))
    }


def policies() -> list[Manifest]:
    """Return the policies, without their bindings."""
    return [it for file in policy_files().values() for it in file if it["kind"].endswith("Policy")]


def validating(name: str) -> Manifest:
    """Return the spec of a validating policy."""
    [found] = [
        it["spec"]
        for it in policies()
        if (it["kind"], it["metadata"]["name"]) == ("ValidatingAdmissionPolicy", name)
    ]
    return dict(found)


def variable(name: str, of: Manifest) -> str:
    """Return the expression of a policy's variable."""
    [found] = [it["expression"] for it in of["variables"] if it["name"] == name]
    return str(found)


def expressions(policy: Manifest) -> Iterator[str]:
    """Yield all CEL expressions of a policy."""
    spec = policy["spec"]
    for part in ("matchConditions", "variables", "validations"):
        yield from (it["expression"] for it in spec.get(part, ()))
    yield from (it["jsonPatch"]["expression"] for it in spec.get("mutations", ()))


def metadata_bounds() -> dict[str, int]:
    """Return the bounds of the policy ``wegent-bounds``, by what they count."""
    found = (BOUND.match(it["expression"]) for it in validating("wegent-bounds")["validations"])
    return {it[1]: int(it[2]) for it in found if it}
