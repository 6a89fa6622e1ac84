"""Recognizes the form that the original Wegent gives its objects.

Many users come with its files. Each field below exists there and in no kind here, except for
``spec.members`` of a Group, so it proves the form of a body. A refusal of such a body names the
importer, because the fields one by one would not help.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from wegent_api.http.errors import Problem, UpstreamStatus
from wegent_crds.reading import mapping
from wegent_crds.registry import GROUP_KIND

MEMBERS: Final = "spec.members"
FIELDS: Final = (
    *(MEMBERS, "spec.collaborationModel", "spec.modelConfig", "spec.shellType"),
    *("spec.runtime", "spec.supportModel", "status.state"),
)
CODES: Final = frozenset({400, 404, 422})
"""Codes of refusals that are about a body."""
HINT: Final = (
    "the object has the form of the original Wegent ({fields}); convert it: wegent import FILE"
)


def fields_of(body: object) -> Iterator[str]:
    """Yield the fields of a body that only the original Wegent has."""
    is_group = mapping(body).get("kind") == GROUP_KIND.kind
    for field in FIELDS:
        part, name = field.split(".")
        if is_group and field == MEMBERS:
            continue
        if name in mapping(mapping(body).get(part)):
            yield field


def with_hint(status: Mapping[str, Any], fields: Iterable[str]) -> Mapping[str, Any]:
    """Return the ``Status`` of a refusal, whose message names the importer if that helps.

    ``fields`` are those of the refused body that only the original Wegent has.
    """
    found = ", ".join(fields)
    # A refusal that is about the caller or the server has another remedy.
    if not found or status.get("code") not in CODES:
        return status
    message = str(status.get("message") or "").rstrip(".")
    return {**status, "message": f"{message}; {HINT.format(fields=found)}"}


def hinted(problem: Problem, body: object) -> Problem:
    """Return a refusal whose message names the importer if the body has that form."""
    fields = tuple(fields_of(body))
    if not fields or problem.code not in CODES:
        return problem
    return UpstreamStatus(with_hint(problem.status, fields), problem.code, problem.headers)
