"""Questions of a Task to people, and their answers.

A question stands in ``status.waitingFor``, which only programs write. Its answer stands in
``spec.answers``, which only users write, so that RBAC and admission apply to it. The bounds keep a
Task with the longest prompt and all questions and answers below etcd's limit, also in a Tombstone.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import Rule, map_by
from wegent_crds.schema.fields import DNS_LABEL, DNS_SUBDOMAIN, NamespaceName

QUESTIONS_MAX: Final = 64
"""Of one wait."""
ANSWERS_MAX: Final = 64
"""Of a Task, in all its waits together. A Task that would need more fails."""
QUESTION_MAX_CHARACTERS: Final = 1024
ARGUMENTS_MAX_CHARACTERS: Final = 4096
QUESTION_TEXTS_MAX_CHARACTERS: Final = 49152
"""Of the messages and arguments of all questions together. A Task with questions has no result,
which may be longer."""
ANSWER_MAX_CHARACTERS: Final = 4096
ANSWER_FRAME_CHARACTERS: Final = 32
"""Room of an answer besides its text and its user: that of its id and its field names, by their
size in etcd, where one of the other characters can take six bytes."""
USER_MAX_CHARACTERS: Final = 384
"""Of a user's name. That of a ServiceAccount has at most 339 characters."""

QuestionId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.:/]*$",
        examples=["mcpr_1_2"],
    ),
]


class TaskQuestion(Schema):
    """TaskQuestion is one question of a Waiting Task to people."""

    id: QuestionId
    """Id of the question, at most 128 characters, unique among all questions of the Task. The
    answer names it."""
    kind: Literal["approval", "confirmation", "repeat"]
    """Kind of the question. An approval is asked before a tool is called, a confirmation before the
    next stage of a pipeline, and a repeat before a tool is called again whose first call may have
    had its effect, because the runner died meanwhile."""
    bot: Annotated[str, Field(max_length=317, pattern=rf"^{DNS_LABEL}/{DNS_SUBDOMAIN}$")]
    """Namespace and name of the Bot that waits, separated by a slash, at most 317 characters."""
    message: Annotated[str, Field(min_length=1, max_length=QUESTION_MAX_CHARACTERS)]
    """Human-readable question, 1 to 1,024 characters."""
    tool: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Name of the tool that is to be called, at most 128 characters. Unset for a confirmation."""
    arguments: Annotated[str, Field(max_length=ARGUMENTS_MAX_CHARACTERS)] | None = None
    """Beginning of the arguments of the call as JSON, at most 4,096 characters. The transcript has
    all of them. Unset for a confirmation."""
    approver_namespace: NamespaceName | None = None
    """Namespace whose editors alone can approve, at most 63 characters: that of the Ghost or Skill
    whose credentials the call carries. Unset if each editor of the Task's namespace can."""


class TaskDecision(Schema):
    """TaskDecision is an answer as a person writes it."""

    id: QuestionId
    """Id of the question in status.waitingFor, at most 128 characters."""
    decision: Literal["approve", "deny", "reply"]
    """Decision: approve permits the call or the next stage, and deny refuses it. A reply gives the
    Bot a text instead of the call's result, or gives it to the next stage of a pipeline; after the
    last stage, that stage's Bot works again with it."""
    text: Annotated[str, Field(min_length=1, max_length=ANSWER_MAX_CHARACTERS)] | None = None
    """Text for the Bot, 1 to 4,096 characters: the reason of a denial, or the reply. Required for a
    reply."""
    rules = (
        Rule(
            cel="self.decision != 'reply' || has(self.text)",
            message="text is required for the decision reply",
            check=lambda self: self.decision != "reply" or self.text is not None,
            field_path=".text",
        ),
    )


class TaskAnswer(TaskDecision):
    """TaskAnswer is the answer of one person to one question."""

    by: Annotated[str, Field(min_length=1, max_length=USER_MAX_CHARACTERS)] | None = None
    """Name of the user who answered, at most 384 characters. The API server sets it; leave it
    out."""


Questions = Annotated[
    list[TaskQuestion],
    Field(min_length=1, max_length=QUESTIONS_MAX),
    map_by("id"),
    Rule(
        cel="self.map(question, size(question.message) + size(question.?arguments.orValue('')))"
        f".sum() <= {QUESTION_TEXTS_MAX_CHARACTERS}",
        message="the messages and arguments of all questions together may have at most"
        f" {QUESTION_TEXTS_MAX_CHARACTERS} characters",
        check=lambda questions: (
            sum(len(it.message) + len(it.arguments or "") for it in questions)
            <= QUESTION_TEXTS_MAX_CHARACTERS
        ),
    ),
]
Answers = Annotated[list[TaskAnswer], Field(max_length=ANSWERS_MAX), map_by("id")]
