"""The messages of the WebSocket: JSON objects with a ``type``.

Messages of clients are closed models, so that a misspelt field is refused. Those of the proxy are
written here and nowhere else.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wegent_api.http.bodies import validated
from wegent_api.http.default_namespace import default_namespace
from wegent_api.http.errors import BadRequest, Cause, Invalid, Problem
from wegent_api.names import dns_label, dns_subdomain
from wegent_api.runs.blocks import RawEvent
from wegent_api.runs.routes import EVENT_ID
from wegent_crds.kinds.task_questions import TaskDecision
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS
from wegent_kube.encoding import encode_json

ID_MAX: Final = 64
ID_PATTERN: Final = r"^[ -~]+$"
ESCAPED_BYTES: Final = 12
"""Bytes of the longest escape of one character in JSON, such as of an emoji."""
MAX_MESSAGE_BYTES: Final = ESCAPED_BYTES * PROMPT_MAX_CHARACTERS + 64 * 1024
"""Limit for a message of a client: a Task with the longest texts, and all else beside them."""
MAX_REASON_BYTES: Final = 123
"""Limit for the reason in a close frame (RFC 6455, section 5.5)."""

Id = Annotated[str, Field(min_length=1, max_length=ID_MAX, pattern=ID_PATTERN)]
Namespace = Annotated[str, AfterValidator(dns_label)]
Name = Annotated[str, AfterValidator(dns_subdomain)]


class Message(BaseModel):
    """Base of the messages of clients."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Auth(Message):
    """The first message of a connection."""

    type: Literal["auth"]
    token: Annotated[str, Field(min_length=1, repr=False)]
    """A token of the API server, as for the header Authorization."""


class Subscribe(Message):
    """Follows the run of a Task."""

    type: Literal["subscribe"]
    id: Id
    """Id that the client chooses for the subscription."""
    namespace: Namespace = Field(default_factory=default_namespace)
    task: Name
    """Name of the Task."""
    after: Annotated[str, Field(pattern=EVENT_ID)] | None = None
    """Id of the last event that was read. Defaults to the beginning."""


class Unsubscribe(Message):
    """Ends a subscription. The run goes on."""

    type: Literal["unsubscribe"]
    id: Id
    """Id of the subscription."""


class Create(Message):
    """Creates a Task and follows its run."""

    type: Literal["create"]
    id: Id
    """Id that the client chooses for the subscription to the Task."""
    namespace: Namespace | None = None
    """Namespace of the Task. Must equal the object's, if both are given."""
    validate_refs: Annotated[bool, Field(alias="validateRefs")] = True
    """Refuse the Task if an object that it refers to doesn't exist."""
    object: dict[str, Any]
    """The Task, as the body of a POST."""


class Cancel(Message):
    """Cancels a Task."""

    type: Literal["cancel"]
    id: Id
    """Id that the client chooses for the request."""
    namespace: Namespace = Field(default_factory=default_namespace)
    task: Name
    """Name of the Task."""


class Answer(Message):
    """Answers a question of a Task."""

    type: Literal["answer"]
    id: Id
    """Id that the client chooses for the request."""
    namespace: Namespace = Field(default_factory=default_namespace)
    task: Name
    """Name of the Task."""
    answer: TaskDecision
    """The answer."""


Request = Auth | Subscribe | Unsubscribe | Create | Cancel | Answer


class Requests:
    """The messages of clients by type."""

    MODELS: ClassVar[Mapping[str, type[Request]]] = {
        "auth": Auth,
        "subscribe": Subscribe,
        "unsubscribe": Unsubscribe,
        "create": Create,
        "cancel": Cancel,
        "answer": Answer,
    }

    @classmethod
    def of(cls, value: Any) -> Request:
        """Return a decoded message.

        Raises:
            BadRequest: the value is no object.
            Invalid: the message doesn't fit its model. There is a cause for each field.
        """
        if not isinstance(value, dict):
            raise BadRequest("the message must be a JSON object")
        type_ = type_of(value)
        if type_ is None:
            message = f"must be one of {', '.join(cls.MODELS)}"
            raise Invalid.of([Cause("FieldValueNotSupported", "type", message)], what="the message")
        return validated(cls.MODELS[type_], value)


def type_of(value: Any) -> str | None:
    """Return the type of a decoded message; None if there is no such type."""
    type_ = value.get("type") if isinstance(value, dict) else None
    return type_ if isinstance(type_, str) and type_ in Requests.MODELS else None


def id_of(value: Any) -> str | None:
    """Return the id of a decoded message that may be invalid otherwise; None if it has none."""
    id_ = value.get("id") if isinstance(value, dict) else None
    return id_ if isinstance(id_, str) and 0 < len(id_) <= ID_MAX else None


def ready(user: str, request_id: str | None) -> bytes:
    """Return the answer to ``auth``."""
    return encode_json({"type": "ready", "user": user, "requestId": request_id})


def subscribed(id_: str, namespace: str, name: str) -> bytes:
    """Return the answer to ``subscribe``."""
    return encode_json({"type": "subscribed", "id": id_, "namespace": namespace, "task": name})


def unsubscribed(id_: str) -> bytes:
    """Return the answer to ``unsubscribe``."""
    return encode_json({"type": "unsubscribed", "id": id_})


def created(id_: str, task: Mapping[str, Any]) -> bytes:
    """Return the answer to ``create``."""
    metadata = task["metadata"]
    names = {"namespace": metadata["namespace"], "task": metadata["name"], "uid": metadata["uid"]}
    return encode_json({"type": "created", "id": id_, **names})


def cancelling(id_: str, namespace: str, name: str) -> bytes:
    """Return the answer to ``cancel``."""
    return encode_json({"type": "cancelling", "id": id_, "namespace": namespace, "task": name})


def answered(id_: str, namespace: str, name: str) -> bytes:
    """Return the answer to ``answer``."""
    return encode_json({"type": "answered", "id": id_, "namespace": namespace, "task": name})


def event(id_: bytes, found: RawEvent) -> bytes:
    """Return an event of a run. Its data are those of the event stream, unchanged.

    Args:
        id_: id of the subscription, as JSON.
        found: the event.
    """
    event_id = f',"eventId":"{found.id}"'.encode() if found.id else b""
    return b'{"type":"event","id":%b%b,"event":%b}' % (id_, event_id, found.data)


def error(problem: Problem, id_: str | None = None) -> bytes:
    """Return the refusal of a message, or the end of a subscription or of the connection."""
    about = {} if id_ is None else {"id": id_}
    return encode_json({"type": "error", **about, "status": problem.status})


def reason_of(text: str) -> str:
    """Return the beginning of a text that fits into a close frame."""
    return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
