"""Errors of the SDK in the words of the command line."""

import pytest

import wegent_sdk
from wegent_cli.errors import ExitCode, described

USER = "system:serviceaccount:wegent-accounts:bob"


def forbidden(verb: str, resource: str, group: str, where: str, rest: str = "") -> Exception:
    return wegent_sdk.Forbidden(
        f'{resource}.{group} is forbidden: User "{USER}" cannot {verb} resource "{resource}" in'
        f' API group "{group}" {where}{rest}',
        status=403,
        reason="Forbidden",
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            forbidden("list", "bots", "agent.wecode.io", 'in the namespace "wegent-ann"'),
            "bob has no right to list bots in the namespace wegent-ann",
        ),
        (
            forbidden("list", "teams", "agent.wecode.io", "at the cluster scope", ": more"),
            "bob has no right to list teams: more",
        ),
        (
            forbidden(
                "list", "rolebindings", "rbac.authorization.k8s.io", 'in the namespace "default"'
            ),
            "bob has no right to list members in the namespace default",
        ),
        (
            wegent_sdk.Forbidden(
                f'ghosts.agent.wecode.io "g" is forbidden: User "{USER}" cannot delete resource'
                ' "ghosts" in API group "agent.wecode.io" in the namespace "default"',
                status=403,
                reason="Forbidden",
            ),
            "bob has no right to delete ghosts in the namespace default",
        ),
        (
            wegent_sdk.Forbidden("the policy says no", status=403, reason="Forbidden"),
            "the policy says no",
        ),
    ],
)
def test_a_missing_right_is_named_by_user_verb_and_namespace(error: Exception, told: str) -> None:
    known = described(error)
    assert known is not None
    assert (known.message, known.code) == (told, ExitCode.FORBIDDEN)
    assert "`wegent whoami`" in known.remedy


def test_a_lost_network_is_told_once_with_the_remedy_of_its_cause() -> None:
    known = described(
        wegent_sdk.ConnectionFailed(
            "http://localhost:1 refuses connections; check the address and its port, and that"
            " Wegent is running",
            url="http://localhost:1",
        )
    )
    assert known is not None
    assert known.message == "http://localhost:1 refuses connections"
    assert known.remedy == "check the address and its port, and that Wegent is running"


def test_a_connection_error_without_a_remedy_gets_the_general_one() -> None:
    known = described(wegent_sdk.ConnectionFailed("no connection", url="http://localhost:1"))
    assert known is not None
    assert (known.message, bool(known.remedy)) == ("no connection", True)


def test_a_missing_object_has_a_remedy() -> None:
    error = wegent_sdk.NotFound('teams.agent.wecode.io "x" not found', status=404, reason="")
    known = described(error)
    assert known is not None
    assert known.remedy == "check the name and the namespace"


def test_a_login_that_was_ended_is_told_in_words() -> None:
    known = described(wegent_sdk.LoginExpired("Unauthorized", status=401, reason="Unauthorized"))
    assert known is not None
    assert known.message == "the server does not accept the login: it has expired, or was ended"
    assert (known.remedy, known.code) == ("log in with `wegent login`", ExitCode.LOGIN)


def test_a_refusal_by_a_policy_is_told_in_the_words_of_the_policy() -> None:
    known = described(
        wegent_sdk.Invalid(
            'groups.agent.wecode.io "monitoring" is forbidden: ValidatingAdmissionPolicy'
            " 'wegent-group-names' with binding 'wegent-group-names' denied request:"
            " metadata.name: the name is reserved",
            status=422,
            reason="Invalid",
        )
    )
    assert known is not None
    assert known.message == "metadata.name: the name is reserved"


@pytest.mark.parametrize(
    ("message", "has_general_remedy"),
    [("the object was modified", True), ("the Account gives the role; ask an admin", False)],
)
def test_a_conflict_that_names_a_remedy_gets_no_other(
    message: str, *, has_general_remedy: bool
) -> None:
    known = described(wegent_sdk.Conflict(message, status=409, reason="Conflict"))
    assert known is not None
    assert bool(known.remedy) is has_general_remedy
