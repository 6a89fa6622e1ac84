"""Reading and writing objects as YAML, as ``kubectl apply`` and ``/api/v1/apply`` accept it."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from wegent_crds.models import model_of
from wegent_crds.reading import YAML_VALUE_FAULTS
from wegent_crds.registry import API_VERSION, BY_KIND
from wegent_crds.schema.custom_resource import CustomResource

LIST: Final = ("v1", "List")
WRITTEN: Final = ("apiVersion", "kind", "metadata", "spec")
"""The fields that ``dump`` writes, in the usual order."""


class ManifestError(ValueError):
    """A text is not YAML, or one of its documents is not an object of Wegent's kinds."""


class _Loader(yaml.SafeLoader):
    """A loader for which a time is a string, as for kubectl."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(text: str) -> list[CustomResource]:
    """Return the objects of a YAML or JSON text, in order.

    Empty documents are skipped. A ``List``, as ``kubectl get -o yaml`` prints it, gives its items.

    Raises:
        ManifestError: the text is not YAML, or a document is not an object of Wegent's kinds.
        pydantic.ValidationError: the API server would reject an object.
    """
    try:
        documents = list(yaml.load_all(text, _Loader))
    except (yaml.YAMLError, *YAML_VALUE_FAULTS) as error:
        raise ManifestError(f"not valid YAML: {error}") from error
    return [found for document in documents for found in _objects(document)]


def dump(*objects: CustomResource) -> str:
    """Return the objects as YAML documents, without status and without fields that are not set.

    The API server ignores the status of a written object, and sets the defaults itself. A field
    manager thus owns only the fields that its program has set.
    """
    bodies = [item.model_dump(mode="json", by_alias=True, exclude_unset=True) for item in objects]
    written = [{field: body[field] for field in WRITTEN} for body in bodies]
    return yaml.safe_dump_all(written, sort_keys=False, allow_unicode=True)


def _objects(document: Any) -> Iterator[CustomResource]:
    if document is None:
        return
    if isinstance(document, dict) and (document.get("apiVersion"), document.get("kind")) == LIST:
        for item in document.get("items") or []:
            yield from _objects(item)
    else:
        yield _object(document)


def _object(document: Any) -> CustomResource:
    if not isinstance(document, dict):
        raise ManifestError(f"not an object: {document!r:.80}")
    kind = document.get("kind")
    if document.get("apiVersion") != API_VERSION or not isinstance(kind, str):
        raise ManifestError(f"apiVersion must be {API_VERSION}, with one of its kinds")
    if kind not in BY_KIND:
        raise ManifestError(f"kind {kind!r} is not a kind of {API_VERSION}: {', '.join(BY_KIND)}")
    return model_of(BY_KIND[kind]).model_validate(document)
