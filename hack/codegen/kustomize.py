"""``kustomize/``: a component that tells kustomize the references in Wegent's objects.

kustomize changes names (``namePrefix``, ``nameSuffix``, ``secretGenerator``), but knows only the
references in Kubernetes' own kinds. The component adds those of Wegent's kinds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from codegen import crds
from codegen.files import GeneratedFile, yaml_file
from wegent_crds.registry import GROUP, KINDS, VERSION, Kind

FOLDER: Final = "kustomize"
SOURCE: Final = "hack/codegen/kustomize.py and the table of kinds"
FIELDS_OF_SECRETS: Final = "SecretRef"
"""The end of the names of fields that name a Secret in the same namespace."""


def generate() -> Iterator[GeneratedFile]:
    """Yield the component and its configuration."""
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "configurations": ["references.yaml"],
    }
    yield yaml_file(f"{FOLDER}/kustomization.yaml", SOURCE, component)
    configuration = {"nameReference": list(name_references())}
    yield yaml_file(f"{FOLDER}/references.yaml", SOURCE, configuration)


def name_references() -> Iterator[Mapping[str, Any]]:
    """Yield an entry for each kind that others refer to, and one for Secrets."""
    for referent in KINDS:
        fields = [
            (kind, reference.path.replace("[]", ""), reference.local)
            for kind in KINDS
            for reference in kind.references
            if reference.to == referent.plural
        ]
        # The object has the namespace, which kustomize compares and changes. If that is
        # empty, as in a list's stored items, it compares nothing: hence the name.
        # kustomize would add a namespace to an object, and a local reference can't have one.
        specs = [_spec(kind, path) for kind, path, local in fields if not local]
        specs += [_spec(kind, f"{path}.name") for kind, path, _ in fields]
        if specs:
            yield _entry({"group": GROUP, "version": VERSION, "kind": referent.kind}, specs)
    secrets = [_spec(kind, f"{path}.name") for kind in KINDS for path in secret_refs(kind)]
    yield _entry({"version": "v1", "kind": "Secret"}, secrets)


def secret_refs(kind: Kind) -> list[str]:
    """Return the paths of the fields of ``kind`` that name a Secret."""
    [version] = crds.definition(kind)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    return [path for path in _paths("", schema) if _is_secret_ref(path)]


def _is_secret_ref(path: str) -> bool:
    return path.startswith("spec.") and path.endswith(FIELDS_OF_SECRETS)


def _paths(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield path
    yield from _paths(path, schema["items"]) if "items" in schema else ()
    for name, inner in schema.get("properties", {}).items():
        yield from _paths(f"{path}.{name}".removeprefix("."), inner)


def _entry(referent: Mapping[str, str], specs: list[dict[str, str]]) -> Mapping[str, Any]:
    return {**referent, "fieldSpecs": specs}


def _spec(kind: Kind, path: str) -> dict[str, str]:
    return {"group": GROUP, "kind": kind.kind, "path": path.replace(".", "/")}
