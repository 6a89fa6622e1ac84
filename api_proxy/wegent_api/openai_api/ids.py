"""Ids of models, responses and chat completions. Each names one object of the cluster.

A model is ``namespace/team``, or ``team`` in the default namespace. A response is
``resp_<namespace>_<task>``: neither part can have an underscore. So any replica of the proxy finds
the Task by the id alone, and each Task is a response.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final, Self

from wegent_api.http.default_namespace import default_namespace
from wegent_api.names import is_dns_label, is_dns_subdomain
from wegent_crds.references import ObjectKey
from wegent_crds.registry import TEAM

RESPONSE: Final = "resp"
COMPLETION: Final = "chatcmpl"
SUFFIX_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class TaskId:
    """The Task of a response or a chat completion."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, value: str) -> Self | None:
        """Return the Task with the id of a response, or None for any other text."""
        prefix, _, rest = value.partition("_")
        namespace, _, name = rest.partition("_")
        if prefix != RESPONSE or not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        return cls(namespace, name)

    @classmethod
    def of(cls, task: dict[str, Any]) -> Self:
        """Return the id of a Task."""
        return cls(task["metadata"]["namespace"], task["metadata"]["name"])

    def response(self) -> str:
        """Return the id as a response."""
        return f"{RESPONSE}_{self.namespace}_{self.name}"

    def completion(self) -> str:
        """Return the id as a chat completion."""
        return f"{COMPLETION}_{self.namespace}_{self.name}"


def new_task_name(prefix: str) -> str:
    """Return a name for a new Task. Two calls never return the same."""
    return f"{prefix}-{secrets.token_hex(SUFFIX_BYTES)}"


def team_of(model: str) -> ObjectKey | None:
    """Return the Team of a model's id, or None if no Team can have it."""
    namespace, slash, name = model.partition("/")
    if not slash:
        namespace, name = default_namespace(), model
    if not (is_dns_label(namespace) and is_dns_subdomain(name)):
        return None
    return ObjectKey(TEAM.plural, namespace, name)


def model_of(task: dict[str, Any]) -> str:
    """Return the model's id of a Task: its Team, or its Bot if it has no Team."""
    spec = task["spec"]
    reference = spec.get("teamRef") or spec["botRef"]
    return f"{reference.get('namespace') or task['metadata']['namespace']}/{reference['name']}"
