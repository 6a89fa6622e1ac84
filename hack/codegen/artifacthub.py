"""The annotations of ``Chart.yaml`` that Artifact Hub shows.

Artifact Hub reads some of them as YAML inside of the annotation, so they are text here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from codegen import docs
from codegen.files import WithoutAliases
from devcluster.checkout import CHECKOUT
from imagebuild.images import IMAGES
from wegent_crds.registry import KINDS, VERSION

PREFIX: Final = "artifacthub.io/"
REGISTRY: Final = "registry.example.com/wegent"
"""Prefix of the images' names in the checkout's chart; ``codegen.published`` replaces it."""
CATEGORY: Final = "ai-machine-learning"
CAPABILITIES: Final = "Full Lifecycle"
"""Of the capabilities that Artifact Hub knows of operators, the highest that is reached."""
HEADING: Final = re.compile(r"^## .*$", re.MULTILINE)


def annotations(project: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations for the project table of ``pyproject.toml``."""
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    return {
        f"{PREFIX}category": CATEGORY,
        f"{PREFIX}changes": _text([{"kind": "added", "description": it} for it in news(changelog)]),
        f"{PREFIX}crds": _text(list(_crds())),
        f"{PREFIX}crdsExamples": _text(list(_examples())),
        f"{PREFIX}images": _text(list(_images(project["version"]))),
        f"{PREFIX}license": project["license"],
        f"{PREFIX}operator": "true",
        f"{PREFIX}operatorCapabilities": CAPABILITIES,
    }


def news(changelog: str) -> list[str]:
    """Return the sentences that introduce the newest version, before its lists of changes."""
    section = HEADING.split(changelog)[1]
    introduction = section.partition("\n### ")[0]
    return re.findall(r"\S[^.!?]*[.!?]", " ".join(introduction.split()))


def _crds() -> Iterator[Mapping[str, str]]:
    for kind in KINDS:
        yield {
            "kind": kind.kind,
            "version": VERSION,
            "name": kind.crd_name,
            "displayName": kind.kind,
            "description": docs.summary(kind),
        }


def _examples() -> Iterator[Any]:
    for kind in KINDS:
        path = CHECKOUT / "examples" / f"{kind.singular}.yaml"
        if path.exists():
            yield yaml.safe_load(path.read_text(encoding="utf-8"))


def _images(version: str) -> Iterator[Mapping[str, str]]:
    for program, image in IMAGES.items():
        yield {"name": image, "image": f"{REGISTRY}-{program}:{version}"}


def _text(value: Any) -> str:
    return yaml.dump(value, Dumper=WithoutAliases, sort_keys=False, allow_unicode=True, width=100)
