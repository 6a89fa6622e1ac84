"""The models by kind. A kind's module and class have the name of the kind."""

import importlib
from collections.abc import Mapping
from typing import Final

from wegent_crds.registry import KINDS, Kind
from wegent_crds.schema.custom_resource import CustomResource


def model_of(kind: Kind) -> type[CustomResource]:
    """Return the pydantic model of ``kind``.

    Raises:
        TypeError: the kind's module has no ``CustomResource`` of that name.
    """
    module = importlib.import_module(f"wegent_crds.kinds.{kind.singular}")
    model = getattr(module, kind.kind, None)
    if not (isinstance(model, type) and issubclass(model, CustomResource)):
        raise TypeError(f"{module.__name__} has no CustomResource named {kind.kind}")
    return model


MODELS: Final[Mapping[str, type[CustomResource]]] = {kind.plural: model_of(kind) for kind in KINDS}
"""The model of each kind, by plural."""
