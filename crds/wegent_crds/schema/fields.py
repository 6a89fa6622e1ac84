r"""Types that several kinds share: names, references, and who may refer to an object.

Patterns are RE2 without look-around or ``\s``, so that Go on the API server and Rust
in pydantic read them alike. Names follow Kubernetes' own rules (RFC 1123;
k8s.io/apimachinery/pkg/util/validation).

Sizes: etcd takes 1.5 MiB for an object, and one character can become six bytes there
(``<`` is stored as an escape). No kind holds more than about 200,000 characters of
free text, so that the largest object still fits, also wrapped in another one.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import ATOMIC, INT64, NULLS_DROPPED, Rule, keys_match

PROMPT_MAX_CHARACTERS: Final = 131072
"""Of a prompt or a SKILL.md; the longest prompts in use are about a tenth of that."""

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
LABEL_NAME: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY: Final = rf"^({DNS_SUBDOMAIN}/)?{LABEL_NAME}$"
LABEL_KEY_MAX: Final = 317
"""A prefix of 253, a slash, a name of 63."""

ResourceName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=rf"^{DNS_SUBDOMAIN}$", examples=["my-ghost"])
]
NamespaceName = Annotated[
    str, Field(min_length=1, max_length=63, pattern=rf"^{DNS_LABEL}$", examples=["default"])
]
NamespaceOrOwn = Annotated[str, Field(max_length=63, pattern=rf"^({DNS_LABEL})?$")]
"""A namespace, or empty for the object's own: what a list's map key needs for a default."""
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
        # No user:password@ before the host: a URL ends up in logs.
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)"
        r"(:[0-9]{1,5})?([/?#][!-~]*)?$",
    ),
]
Generation = Annotated[int, Field(ge=0), INT64]


class ObjectReference(Schema):
    """Names one object, by name and namespace."""

    name: ResourceName
    """Name of the object."""
    namespace: NamespaceName | None = None
    """Namespace of the object; the referring object's own when left out. Another namespace
    must allow it with accessFrom, unless it is one of the shared namespaces."""


class ListedReference(Schema):
    """Names one object in a list, where name and namespace together tell the items apart."""

    name: ResourceName
    """Name of the object."""
    namespace: NamespaceOrOwn = ""
    """Namespace of the object; the referring object's own when empty or left out. Another
    namespace must allow it with accessFrom, unless it is one of the shared namespaces."""


class LocalReference(Schema):
    """Names one object in the same namespace."""

    name: ResourceName
    """Name of the object, in the same namespace."""


class SecretKeyReference(Schema):
    """Names one key of a Secret in the same namespace; other namespaces can't be named."""

    name: ResourceName
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key in the Secret's data."""


LabelKey = Annotated[str, Field(min_length=1, max_length=LABEL_KEY_MAX, pattern=LABEL_KEY)]
LabelValue = Annotated[str, Field(max_length=63, pattern=rf"^({LABEL_NAME})?$")]


class LabelSelectorRequirement(Schema):
    """One condition on a label."""

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label relates to the values."""
    values: Annotated[list[LabelValue], Field(max_length=16), ATOMIC] | None = None
    """Values to compare with: at least one for In and NotIn, none for Exists and DoesNotExist."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (size(self.?values.orValue([])) > 0)",
            message="In and NotIn need values, Exists and DoesNotExist take none",
            check=lambda self: (self.operator in {"In", "NotIn"}) == bool(self.values),
            field_path=".values",
        ),
    )


class LabelSelector(Schema):
    """Selects by labels, all conditions together, as metav1.LabelSelector; empty selects all."""

    match_labels: (
        Annotated[
            dict[str, LabelValue],
            Field(max_length=16),
            keys_match(LABEL_KEY, "keys must be label keys: an optional DNS prefix/ and a name"),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Labels that must be there with exactly these values; kubernetes.io/metadata.name selects
    one namespace by its name."""
    match_expressions: (
        Annotated[list[LabelSelectorRequirement], Field(max_length=8), ATOMIC] | None
    ) = None
    """Conditions on labels."""


class AccessFrom(Schema):
    """Says which other namespaces may refer to the object."""

    namespace_selectors: Annotated[list[LabelSelector], Field(max_length=8), ATOMIC]
    """A namespace whose labels match one of these may refer to the object; with none, no other
    namespace may."""


class ReferableSpec(Schema):
    """What the specs of all kinds have that others may refer to."""

    access_from: AccessFrom | None = None
    """Other namespaces from which the object may be referred to. Left out, its own only,
    unless it is in one of the shared namespaces."""
