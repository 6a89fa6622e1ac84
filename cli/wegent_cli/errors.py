"""Errors as a person or a script reads them: a message, a remedy and an exit status.

``CliError`` is the one error that commands raise. ``described`` turns those of the SDK into it.
"""

import re
import sys
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final


class ExitCode(IntEnum):
    """Exit statuses. Scripts can rely on them; MEANINGS explains each."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LOGIN = 3
    NOT_FOUND = 4
    FORBIDDEN = 5
    CONFLICT = 6
    UNREACHABLE = 7
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "The command did its work.",
    ExitCode.FAILED: "A request failed, or the Task failed or was cancelled.",
    ExitCode.USAGE: "The command line or the configuration is wrong.",
    ExitCode.LOGIN: "A login is needed, or has expired.",
    ExitCode.NOT_FOUND: "The object, the namespace or the context does not exist.",
    ExitCode.FORBIDDEN: "The user has no right to do this.",
    ExitCode.CONFLICT: "The name is taken, or another user or program has changed the object.",
    ExitCode.UNREACHABLE: "The server can't be reached, or gives no answer.",
    ExitCode.INTERRUPTED: "The user pressed Ctrl-C.",
}


@dataclass(eq=False)  # not frozen: Python sets the traceback of an exception
class CliError(Exception):
    """A command can't go on.

    Attributes:
        message: the fault, in one line.
        remedy: the next step for the user; may be empty.
        code: the exit status.
        details: further facts for programs, such as the reason of a ``Status``.
    """

    message: str
    remedy: str = ""
    code: ExitCode = ExitCode.FAILED
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, Any]:
        """Return the error for ``-o json``."""
        facts = {"message": self.message, "remedy": self.remedy, "exitCode": int(self.code)}
        return {"error": {key: value for key, value in facts.items() if value} | self.details}


def usage(message: str, remedy: str = "") -> CliError:
    """Return an error of the command line or the configuration."""
    return CliError(message, remedy, ExitCode.USAGE)


FORBIDDEN: Final = re.compile(
    r"\S+(?: \S+)? is forbidden: User \"(?:system:serviceaccount:[^:\"]+:)?([^\"]+)\" cannot (\w+)"
    r" resource \"([^\"]+)\" in API group \"[^\"]*\""
    r"(?: in the namespace \"([^\"]+)\"| at the cluster scope)"
)
"""Beginning of a refusal by RBAC."""
DENIED: Final = re.compile(
    r".* is forbidden: \w+AdmissionPolicy '[^']*' with binding '[^']*' denied request: "
)
"""Beginning of a refusal by an admission policy, before the policy's own words."""
LOG_IN: Final = "log in with `wegent login`"


def described(error: Exception) -> CliError | None:
    """Return an error of the SDK as ``CliError``; None for an error of another kind."""
    if isinstance(error, CliError):
        return error
    sdk: Any = sys.modules.get("wegent_sdk")
    if sdk is None or not isinstance(error, sdk.WegentError):
        return None
    return _of_sdk(error, sdk)


def _of_sdk(error: Any, sdk: Any) -> CliError:
    # From the special to the general: the first row that fits is the outcome.
    outcomes: tuple[tuple[type[Exception], ExitCode, str], ...] = (
        (sdk.LoginExpired, ExitCode.LOGIN, LOG_IN),
        (sdk.NeedsLogin, ExitCode.LOGIN, "use a context with a login: `wegent login URL`"),
        (sdk.NotFound, ExitCode.NOT_FOUND, "check the name and the namespace"),
        (
            sdk.Forbidden,
            ExitCode.FORBIDDEN,
            "`wegent whoami` shows your rights; an admin of the namespace gives others",
        ),
        (sdk.AlreadyExists, ExitCode.CONFLICT, "choose another name, or change the object"),
        (sdk.Conflict, ExitCode.CONFLICT, "read the object again, and repeat the change"),
        (sdk.ConnectionFailed, ExitCode.UNREACHABLE, "check the address, and that Wegent runs"),
        (sdk.NotWegent, ExitCode.UNREACHABLE, "check the address: `wegent config list`"),
        (sdk.Unavailable, ExitCode.UNREACHABLE, "try again in a moment"),
        (sdk.TooManyRequests, ExitCode.FAILED, "try again in a moment"),
        (sdk.Malformed, ExitCode.USAGE, "correct the object"),
        (sdk.ConfigurationError, ExitCode.USAGE, "check the context: `wegent config list`"),
        (sdk.Unreadable, ExitCode.FAILED, "install a newer version of wegent"),
    )
    code, remedy = ExitCode.FAILED, ""
    for type_, its_code, its_remedy in outcomes:
        if isinstance(error, type_):
            code, remedy = its_code, its_remedy
            break
    message = _in_words_of_the_command_line(error.message)
    if isinstance(error, sdk.ConnectionFailed | sdk.NotWegent):
        # The SDK's message has the remedy behind the fault, and knows it better.
        message, _, its_remedy = message.partition("; ")
        remedy = its_remedy or remedy
    elif isinstance(error, sdk.Conflict) and "; " in message:
        remedy = ""  # the message has its own
    details = {
        "status": error.status,
        "reason": error.reason,
        "causes": [asdict(cause) for cause in error.causes],
        "requestId": error.request_id,
    }
    present = {key: value for key, value in details.items() if value}
    return CliError(message, remedy, code, present)


def _in_words_of_the_command_line(message: str) -> str:
    """Return a message of the API in words that a user knows.

    A refusal of the API server names the ServiceAccount of the user, and API groups.
    """
    if message == "Unauthorized":
        return "the server does not accept the login: it has expired, or was ended"
    if refused := FORBIDDEN.match(message):
        user, verb, resource, namespace = refused.groups()
        what = "members" if resource == "rolebindings" else resource
        where = f" in the namespace {namespace}" if namespace else ""
        return f"{user} has no right to {verb} {what}{where}{message[refused.end() :]}"
    return DENIED.sub("", message).replace("?validateRefs=false", "--no-validate-refs")
