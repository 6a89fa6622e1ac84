"""``crds/*.yaml``: one CustomResourceDefinition a kind, from its row and its model."""

from collections.abc import Iterator
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from codegen.structural import structural_schema
from wegent_crds.models import model_of
from wegent_crds.registry import CATEGORY, GROUP, KINDS, VERSION, Kind
from wegent_crds.schema.custom_resource import CustomResource

STRING: Final = {"type": "string"}
NAME_ONLY: Final = {"type": "object", "properties": {"name": STRING}}
"""The most that a CRD may declare of metadata; CEL's errors can name declared fields."""


def generate() -> Iterator[GeneratedFile]:
    """Yield the CustomResourceDefinition of each kind."""
    for kind in KINDS:
        source = f"crds/wegent_crds/kinds/{kind.singular}.py and crds/wegent_crds/registry.py"
        yield yaml_file(f"crds/{kind.singular}.yaml", source, definition(kind))


def definition(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of ``kind``."""
    model = model_of(kind)
    selectable = [{"jsonPath": path} for path in model.selectable_fields()]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.crd_name,
            "labels": {"app.kubernetes.io/part-of": "wegent"},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY] if kind.user_facing else [],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        column.keyword() for column in model.printer_columns()
                    ],
                    "selectableFields": selectable,
                    "schema": {"openAPIV3Schema": root_schema(model)},
                }
            ],
        },
    }


def root_schema(model: type[CustomResource]) -> dict[str, Any]:
    """Return the schema of the whole object; the API server adds Kubernetes' own fields."""
    schema = model.model_json_schema(mode="validation")
    fields = schema["properties"]
    schema["properties"] = {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": NAME_ONLY,
        "spec": fields["spec"],
        "status": fields["status"],
    }
    return structural_schema(schema | {"required": ["spec"]})
