"""``metadata``: the fields that a user writes, validated as the API server validates them.

A CRD's schema doesn't validate metadata. These are Kubernetes' own rules (ValidateObjectMeta
in k8s.io/apimachinery), so that a model validates a whole object as the API server does.
Fields that the server manages are not validated. An empty name is absent and a null label
is empty, because that is how Go decodes JSON into ``metav1.ObjectMeta``.
"""

import re
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from wegent_crds.schema.base import Schema
from wegent_crds.schema.fields import DNS_SUBDOMAIN, LABEL_KEY, LabelValue, NamespaceOrOwn

GENERATED_BASE_MAX: Final = 58
GENERATED_SUFFIX: Final = "x" * 5
"""Represents the five random characters that the API server appends to generateName."""
ANNOTATIONS_MAX_BYTES: Final = 256 * 1024
"""Of all keys and values together."""

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
    """Return True if ``prefix`` is valid as generateName: a name, or a name with a final dash."""
    return _is_subdomain(f"{prefix[:-2]}a" if prefix[1:].endswith("-") else prefix)


def is_qualified_name(key: str) -> bool:
    """Return True if ``key`` is a valid key of a label: ``[prefix/]name``."""
    return _LABEL_KEY.fullmatch(key) is not None and len(key.rpartition("/")[0]) <= _PREFIX_MAX


def _are_annotations(annotations: dict[str, str]) -> bool:
    size = sum(len(text.encode()) for item in annotations.items() for text in item)
    return size <= ANNOTATIONS_MAX_BYTES and all(
        is_qualified_name(key.lower()) for key in annotations
    )


class ObjectMeta(Schema):
    """ObjectMeta is the standard object's metadata; the API server manages most of it."""

    name: Annotated[str, Field(max_length=253, examples=["my-ghost"])] | None = None
    """Name of the object, unique per kind and namespace: a DNS-1123 subdomain of at most 253
    characters."""
    generate_name: Annotated[str, Field(max_length=253)] | None = None
    """Prefix of a name that the API server completes with five random characters. Used only if name
    is absent."""
    namespace: Annotated[NamespaceOrOwn, Field(examples=["default"])] | None = None
    """Namespace of the object. Defaults to that of the request."""
    labels: Annotated[dict[str, LabelValue], BeforeValidator(_null_is_empty)] | None = None
    """Labels, which label selectors match."""
    annotations: Annotated[dict[str, str], BeforeValidator(_null_is_empty)] | None = None
    """Annotations: further data that is stored with the object, at most 256 KiB."""
    uid: Any = None
    """Identifier that is unique over all objects and all time; set by the API server."""
    resource_version: Any = None
    """Version of the stored object, which changes with every write; set by the API server."""
    generation: Any = None
    """Sequence number of the spec, which changes with every write to it; set by the API server."""
    creation_timestamp: Any = None
    """Time when the object was created; set by the API server."""
    deletion_timestamp: Any = None
    """Time when the deletion of the object was requested; set by the API server."""
    deletion_grace_period_seconds: Any = None
    """Duration of a graceful deletion in seconds; set by the API server."""
    owner_references: Any = None
    """Objects that own this object. When all of them are deleted, it is garbage-collected."""
    finalizers: Any = None
    """Finalizers: the object is deleted when the list is empty."""
    managed_fields: Any = None
    """Managers of each field under server-side apply; set by the API server."""
    self_link: Any = None
    """Deprecated. The API server no longer sets it."""

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
                "annotations", "annotations must have qualified names and at most 256 KiB"
            )
        return self

    @property
    def resulting_name(self) -> str:
        """The object's name, or a name of the same form as the API server would generate."""
        return self.name or (self.generate_name or "")[:GENERATED_BASE_MAX] + GENERATED_SUFFIX
