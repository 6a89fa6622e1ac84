"""Wegent's kinds as Python types that validate an object as the API server does.

Each kind is a pydantic model: ``Bot.model_validate(manifest)`` returns a Bot, or raises
``pydantic.ValidationError`` if the API server would reject the manifest. ``load`` reads objects
from YAML, and ``dump`` writes objects as YAML. ``docs/python.md`` has examples.

The public names are those in ``__all__``. Other modules serve Wegent's own programs, and can change
in every version. A public name is imported at its first use: the models take 0.2 s of CPU, and most
programs need only the table of kinds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wegent_crds.kinds.bot import Bot
    from wegent_crds.kinds.ghost import Ghost
    from wegent_crds.kinds.model import Model
    from wegent_crds.kinds.shell import Shell
    from wegent_crds.kinds.skill import Skill
    from wegent_crds.kinds.task import Task
    from wegent_crds.kinds.team import Team
    from wegent_crds.manifests import ManifestError, dump, load
    from wegent_crds.schema.custom_resource import CustomResource
else:
    _MODULES = {
        "CustomResource": "schema.custom_resource",
        "ManifestError": "manifests",
        "dump": "manifests",
        "load": "manifests",
    }
    _KINDS = frozenset({"Bot", "Ghost", "Model", "Shell", "Skill", "Task", "Team"})

    def __getattr__(name: str) -> Any:
        """Return a public name, whose module is imported now."""
        module = f"kinds.{name.lower()}" if name in _KINDS else _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)


__all__ = [
    "Bot",
    "CustomResource",
    "Ghost",
    "ManifestError",
    "Model",
    "Shell",
    "Skill",
    "Task",
    "Team",
    "dump",
    "load",
]
