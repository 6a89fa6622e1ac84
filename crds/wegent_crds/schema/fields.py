r"""Field types that several kinds share: names, references, selectors and ``accessFrom``.

Patterns are RE2 without look-around or ``\s``, because Go on the API server and Rust in
pydantic interpret that subset alike. Names follow Kubernetes' own rules (RFC 1123;
k8s.io/apimachinery/pkg/util/validation).

etcd accepts objects of 1.5 MiB, and one character can become six bytes there (``<`` is
stored as an escape). No kind has more than about 200,000 characters of free text, so the
largest object fits, also inside a Tombstone.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import ATOMIC, INT64, NULLS_DROPPED, Rule, keys_match

PROMPT_MAX_CHARACTERS: Final = 131072
"""Of a prompt or a SKILL.md. The longest prompts in use have about a tenth of that."""

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
LABEL_NAME: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY: Final = rf"^({DNS_SUBDOMAIN}/)?{LABEL_NAME}$"
LABEL_KEY_MAX: Final = 317
"""A prefix of 253 characters, a slash, a name of 63."""

ResourceName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=rf"^{DNS_SUBDOMAIN}$", examples=["my-ghost"])
]
NamespaceName = Annotated[
    str, Field(min_length=1, max_length=63, pattern=rf"^{DNS_LABEL}$", examples=["default"])
]
NamespaceOrOwn = Annotated[str, Field(max_length=63, pattern=rf"^({DNS_LABEL})?$")]
"""A namespace, or empty for the object's own. A map key of a list needs a default, here the empty
string."""
Description = Annotated[str, Field(max_length=1024)]
Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS)]
Provider = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$"),
]
HttpUrl = Annotated[
    str,
    Field(
        max_length=2048,
        # No user:password@ before the host, because URLs are logged.
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)"
        r"(:[0-9]{1,5})?([/?#][!-~]*)?$",
    ),
]
Generation = Annotated[int, Field(ge=0), INT64]
MONEY: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"
Money = Annotated[str, Field(max_length=16, pattern=MONEY)]
"""An amount in decimal notation. It is text, as a float of JSON can't represent 0.1 exactly, and
the Kubernetes API conventions advise against floats."""


class ObjectReference(Schema):
    """ObjectReference names an object by name and namespace."""

    name: ResourceName
    """Name of the referenced object, at most 253 characters."""
    namespace: NamespaceName | None = None
    """Namespace of the referenced object, at most 63 characters. Defaults to the namespace of the
    referring object. An object in another namespace must allow the reference with accessFrom,
    unless that namespace is shared."""


class ListedReference(Schema):
    """ListedReference is an item of a list, identified by the object's name and namespace."""

    name: ResourceName
    """Name of the referenced object, at most 253 characters."""
    namespace: NamespaceOrOwn = ""
    """Namespace of the referenced object, at most 63 characters. Defaults to the empty string,
    which means the namespace of the referring object. An object in another namespace must allow the
    reference with accessFrom, unless that namespace is shared."""


class LocalReference(Schema):
    """LocalReference names an object in the same namespace."""

    name: ResourceName
    """Name of the referenced object, at most 253 characters."""


class SecretKeyReference(Schema):
    """SecretKeyReference names a key of a Secret in the same namespace."""

    name: ResourceName
    """Name of the Secret in the same namespace, at most 253 characters."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key in the data of the Secret, at most 253 characters."""


LabelKey = Annotated[str, Field(min_length=1, max_length=LABEL_KEY_MAX, pattern=LABEL_KEY)]
LabelValue = Annotated[str, Field(max_length=63, pattern=rf"^({LABEL_NAME})?$")]


class LabelSelectorRequirement(Schema):
    """LabelSelectorRequirement is a condition on a label, as metav1.LabelSelectorRequirement."""

    key: LabelKey
    """Key of the label, at most 317 characters."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """Relation of the label to the values: In, NotIn, Exists or DoesNotExist."""
    values: Annotated[list[LabelValue], Field(max_length=16), ATOMIC] | None = None
    """Values of the label, at most 16. In and NotIn require at least one; Exists and DoesNotExist
    allow none."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (size(self.?values.orValue([])) > 0)",
            message="values is required for In and NotIn,"
            " and not allowed for Exists and DoesNotExist",
            check=lambda self: (self.operator in {"In", "NotIn"}) == bool(self.values),
            field_path=".values",
        ),
    )


class LabelSelector(Schema):
    """LabelSelector selects namespaces by their labels, as metav1.LabelSelector.

    The requirements are ANDed. An empty selector matches all namespaces.
    """

    match_labels: (
        Annotated[
            dict[str, LabelValue],
            Field(max_length=16),
            keys_match(LABEL_KEY, "keys must be label keys: an optional DNS prefix/ and a name"),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Labels with the required values, at most 16. The label kubernetes.io/metadata.name selects a
    namespace by its name."""
    match_expressions: (
        Annotated[list[LabelSelectorRequirement], Field(max_length=8), ATOMIC] | None
    ) = None
    """Requirements on labels, at most 8."""


class AccessFrom(Schema):
    """AccessFrom selects the other namespaces whose objects may refer to this object."""

    namespace_selectors: Annotated[list[LabelSelector], Field(max_length=8), ATOMIC]
    """Selectors of namespaces, at most 8. Objects in a namespace whose labels match one of these
    may refer to this object. With an empty list, no other namespace is allowed."""


class ReferableSpec(Schema):
    """Base of the specs of all kinds that other objects may refer to."""

    access_from: AccessFrom | None = None
    """Other namespaces whose objects may refer to this object. Defaults to none, so that only
    objects in the same namespace may; an object in a shared namespace is open to all namespaces."""
