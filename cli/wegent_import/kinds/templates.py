"""Templates: documents of a Ghost, a Bot and a Team that one of them stands for."""

from collections.abc import Mapping
from typing import Any

from wegent_crds.reading import mapping
from wegent_import.documents import Document
from wegent_sdk.plain import scalar_text


def expanded(template: Document) -> list[Document]:
    """Return the Ghost, the Bot and the Team of a Template, in Wegent's form."""
    resources = mapping(template.spec.get("resources"))
    names = {part: f"{template.name}-{part}" for part in ("ghost", "bot")}
    names["team"] = template.name
    ghost, bot, team = (dict(mapping(resources.get(part))) for part in ("ghost", "bot", "team"))
    shell = scalar_text(bot.pop("shellName", None)) or "Chat"
    found = [
        _document(template, "Ghost", names["ghost"], ghost),
        _document(
            template,
            "Bot",
            names["bot"],
            {
                "ghostRef": _reference(template, names["ghost"]),
                "shellRef": {"name": shell, "namespace": "default"},
                **bot,
            },
        ),
        _document(
            template,
            "Team",
            names["team"],
            {
                "description": template.spec.get("description"),
                "members": [{"botRef": _reference(template, names["bot"]), "role": "leader"}],
                **team,
                **{key: it for key, it in resources.items() if key not in {"ghost", "bot", "team"}},
            },
        ),
    ]
    return found if resources else []


def _reference(template: Document, name: str) -> dict[str, str]:
    return {"name": name, "namespace": template.namespace}


def _document(template: Document, kind: str, name: str, spec: Mapping[str, Any]) -> Document:
    metadata = {
        "name": name,
        "namespace": template.namespace,
        "displayName": template.spec.get("displayName"),
    }
    body = {"apiVersion": template.body.get("apiVersion"), "kind": kind}
    return Document(template.source, {**body, "metadata": metadata, "spec": spec}, template.owner)
