"""``metadata`` as far as a user writes it, judged as the API server judges it.

A CRD's schema has no say in metadata; these are Kubernetes' own rules
(ValidateObjectMeta in k8s.io/apimachinery), here so that a model can tell what the
API server will say of a whole object. What the server manages passes unread. Unlike
a property that a schema knows, an empty name is an absent one, and a null label is
an empty one: Go's JSON decoding into ``metav1.ObjectMeta``.
"""

import re
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from wegent_crds.schema.base import Schema
from wegent_crds.schema.fields import DNS_SUBDOMAIN, LABEL_KEY, LabelValue, NamespaceOrOwn

GENERATED_BASE_MAX: Final = 58
GENERATED_SUFFIX: Final = "x" * 5
"""Stands for the five random characters that the API server puts behind generateName."""
ANNOTATIONS_MAX_BYTES: Final = 256 * 1024
"""Keys and values together."""

_SUBDOMAIN: Final = re.compile(DNS_SUBDOMAIN)
_LABEL_KEY: Final = re.compile(LABEL_KEY)
_PREFIX_MAX: Final = 253


def _null_is_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "" if item is None else item for key, item in value.items()}
    return value


def _is_subdomain(name: str) -> bool:
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def _is_name_prefix(prefix: str) -> bool:
    """Tell whether a name may begin so: as a name, but a dash may stand at the end."""
    return _is_subdomain(f"{prefix[:-2]}a" if prefix[1:].endswith("-") else prefix)


def is_qualified_name(key: str) -> bool:
    """Tell whether ``key`` may be a label's key: ``[prefix/]name``."""
    return _LABEL_KEY.fullmatch(key) is not None and len(key.rpartition("/")[0]) <= _PREFIX_MAX


def _are_annotations(annotations: dict[str, str]) -> bool:
    size = sum(len(text.encode()) for item in annotations.items() for text in item)
    return size <= ANNOTATIONS_MAX_BYTES and all(
        is_qualified_name(key.lower()) for key in annotations
    )


class ObjectMeta(Schema):
    """Name, namespace, labels and annotations; the rest belongs to the API server."""

    name: Annotated[str, Field(max_length=253, examples=["my-ghost"])] | None = None
    """Unique per kind and namespace: a lower case RFC 1123 subdomain."""
    generate_name: Annotated[str, Field(max_length=253)] | None = None
    """Beginning of a name that the API server completes; only without a name."""
    namespace: Annotated[NamespaceOrOwn, Field(examples=["default"])] | None = None
    """Namespace of the object."""
    labels: Annotated[dict[str, LabelValue], BeforeValidator(_null_is_empty)] | None = None
    """What selectors select by."""
    annotations: Annotated[dict[str, str], BeforeValidator(_null_is_empty)] | None = None
    """What else is to be kept with the object."""
    uid: Any = None
    """Unique in time and space; set by the API server."""
    resource_version: Any = None
    """Changes with every write; set by the API server."""
    generation: Any = None
    """Changes with every write to the spec; set by the API server."""
    creation_timestamp: Any = None
    """When the object was created; set by the API server."""
    deletion_timestamp: Any = None
    """When the object's deletion was asked for; set by the API server."""
    deletion_grace_period_seconds: Any = None
    """Set by the API server."""
    owner_references: Any = None
    """Objects with which this one goes."""
    finalizers: Any = None
    """Who must act before the object goes."""
    managed_fields: Any = None
    """Who wrote which field; set by the API server."""
    self_link: Any = None
    """No longer set by any API server."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        texts = {"name", "generateName", "namespace"}
        return {key: value for key, value in body.items() if value != "" or key not in texts}

    @model_validator(mode="after")
    def _names_and_keys(self) -> Self:
        if not (self.name or self.generate_name):
            raise PydanticCustomError("name", "name or generateName is required")
        if not _is_subdomain(self.resulting_name):
            raise PydanticCustomError("name", "name must be a lower case RFC 1123 subdomain")
        if self.generate_name and not _is_name_prefix(self.generate_name):
            raise PydanticCustomError("name", "generateName must begin an RFC 1123 subdomain")
        if not all(is_qualified_name(key) for key in self.labels or ()):
            raise PydanticCustomError("labels", "labels must have qualified names")
        if not _are_annotations(self.annotations or {}):
            raise PydanticCustomError(
                "annotations", "annotations must have qualified names and hold 256 KiB at most"
            )
        return self

    @property
    def resulting_name(self) -> str:
        """The object's name, or one like that which the API server would generate."""
        return self.name or (self.generate_name or "")[:GENERATED_BASE_MAX] + GENERATED_SUFFIX
