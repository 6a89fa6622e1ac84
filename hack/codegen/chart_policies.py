"""The chart's copies of the admission policies: the same text, with the names of a release."""

import re
from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, str]] = {
    "wegent-system:wegent-operator": (
        '{{ .Release.Namespace }}:{{ include "wegent.operator.serviceAccountName" . }}'
    ),
    "wegent-system:wegent-api": (
        '{{ .Release.Namespace }}:{{ include "wegent.api.serviceAccountName" . }}'
    ),
    "wegent-system:wegent-runner": (
        '{{ .Release.Namespace }}:{{ include "wegent.runner.serviceAccountName" . }}'
    ),
    "wegent-system": "{{ .Release.Namespace }}",
    "wegent-accounts": "{{ .Values.accounts.namespace }}",
}
"""Names of ServiceAccounts and namespaces in a policy, and Helm's expression for each."""
NAME: Final = re.compile(rf"(?<![nN]ame: )(?:{'|'.join(NAMES)})")
"""One of these names, except where it is the name of a policy."""
RESERVED: Final = re.compile(r"(  - name: reserved\n    expression: >-\n)( +)\[[^]]*\]")
"""The list of names that no Group may have, which is a value of the chart."""
HELM: Final = "{{"
MUTATING: Final = "kind: MutatingAdmissionPolicy\n"
LABELS: Final = "    app.kubernetes.io/part-of: wegent\n"
TEMPLATED_LABELS: Final = '    {{- include "wegent.labels" . | nindent 4 }}\n'


def template(policies: str) -> str:
    """Return the Helm template of a file of policies.

    A cluster without mutating policies gets none of a file that has one.
    """
    # CEL that looks like Helm's syntax must reach the API server unchanged.
    text = policies.replace(HELM, '{{ "{{" }}')
    text = NAME.sub(lambda found: NAMES[found[0]], text).replace(LABELS, TEMPLATED_LABELS)
    value = ".Values.policies.enabled"
    condition = f'and {value} (include "wegent.mutating" .)' if MUTATING in policies else value
    text = RESERVED.sub(r"""\1\2['{{ join "', '" .Values.reservedNamespaces }}']""", text)
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"
