"""Two policies that show when all earlier ones are enforced.

The API server reads policies through a watch and compiles them once a second. One
written last is therefore enforced last. The mutating sentinel labels one ConfigMap,
by name, and the validating one refuses that ConfigMap with the label on it: trying to
create it, for no real, is refused exactly when both are in force.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

NAME: Final = "wegent-install-sentinel"
REFUSAL: Final = f"{NAME} is in force"
LABEL: Final = "agent.wecode.io/install-sentinel"
MUTATING: Final = "MutatingAdmissionPolicy"
VALIDATING: Final = "ValidatingAdmissionPolicy"
_API: Final = "admissionregistration.k8s.io/v1"
_MATCH: Final = {
    "matchConstraints": {
        "resourceRules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
            }
        ]
    },
    "matchConditions": [{"name": "sentinel", "expression": f"object.metadata.name == '{NAME}'"}],
    "failurePolicy": "Fail",
}


def policies(*, mutating: bool) -> Sequence[Mapping[str, Any]]:
    """Return the sentinels; without ``mutating`` only the validating one."""
    validating = [
        _policy(
            VALIDATING,
            validations=[
                {
                    "expression": "!has(object.metadata.labels)"
                    f" || !('{LABEL}' in object.metadata.labels)",
                    "message": REFUSAL,
                }
            ],
        ),
        _binding(VALIDATING, validationActions=["Deny"]),
    ]
    if not mutating:
        return validating
    label = f"Object{{metadata: Object.metadata{{labels: {{'{LABEL}': 'true'}}}}}}"
    return [
        *validating,
        _policy(
            MUTATING,
            reinvocationPolicy="Never",
            mutations=[
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": label}}
            ],
        ),
        _binding(MUTATING),
    ]


def probe(*, mutating: bool) -> Mapping[str, Any]:
    """Return the ConfigMap that is refused once the sentinels are in force."""
    labels = {} if mutating else {LABEL: "true"}
    metadata = {"name": NAME, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _policy(kind: str, **spec: Any) -> Mapping[str, Any]:
    return _object(kind, {**_MATCH, **spec})


def _binding(kind: str, **spec: Any) -> Mapping[str, Any]:
    return _object(f"{kind}Binding", {"policyName": NAME, **spec})


def _object(kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": NAME}, "spec": spec}
