"""Namespaces of groups at a terminal: an admin creates one, and a member sees it."""

from tests.api.users import ACCOUNTS, unique
from tests.cli.conftest import NewUser
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.cli import Cli
from tests.support.waiting import eventually


async def test_an_admin_creates_one_and_a_member_works_in_it(new_user: NewUser, api: Api) -> None:
    admin, bob = await new_user(), await new_user()
    name, member = unique("group"), bob.variables["TEST_USER"]
    create = ("namespace", "create", name, "--member", f"{member}=editor")
    refused = await bob.run(*create)
    assert refused.exit_code == 5, refused.stderr
    assert "remedy: admins of Wegent create namespaces for groups" in refused.stderr
    role = {"spec": {"role": "admin"}}
    await api.merge("accounts", ACCOUNTS, admin.variables["TEST_USER"], role)

    async def created() -> bool:
        done = await admin.run(*create)
        assert done.exit_code == 0, done.stderr
        assert done.stderr == f"The namespace {name} is created.\n"
        return True

    await eventually(created, within_s=VERDICT_WITHIN_S, what="the rights of an admin")
    assert (await admin.run(*create)).exit_code == 6, "the name is taken"

    async def listed() -> bool:
        items = (await bob.run("namespace", "list", "-o", "json")).ok().json["items"]
        assert {"name": name, "role": "editor", "sources": ["group"]} in items
        access = (await bob.run("whoami", "-o", "json")).ok().json["access"]
        assert {"namespace": name, "role": "editor"} in access
        assert len({it["namespace"] for it in access}) == len(access)
        return True

    await eventually(listed, within_s=VERDICT_WITHIN_S, what="the group in the member's list")
    assert (await bob.run("get", "bots", "-n", name)).exit_code == 0

    left = await bob.run("namespace", "leave", name)
    assert (left.exit_code, left.stderr) == (0, f"You are no longer a member of {name}.\n")
    again = await bob.run("namespace", "leave", name)
    assert again.exit_code == 4, again.stderr
    assert f"is not a member of the namespace {name}" in again.stderr


async def test_a_namespace_that_all_users_share_is_not_left(user: Cli) -> None:
    left = await user.run("namespace", "leave", "default")
    told = "error: default can't be left: it is shared by all users\n"
    assert (left.exit_code, left.stderr) == (1, told)


async def test_the_last_admin_of_a_group_leaves_and_is_told(new_user: NewUser, api: Api) -> None:
    ann = await new_user()
    name = unique("group")
    members = [{"username": ann.variables["TEST_USER"], "role": "admin"}]
    await api.create("groups", ACCOUNTS, name, {"members": members})

    async def entered() -> bool:
        return (await ann.run("members", "list", "-n", name)).exit_code == 0

    await eventually(entered, within_s=VERDICT_WITHIN_S, what="the rights of a group's admin")
    left = await ann.run("namespace", "leave", name)
    assert left.exit_code == 0, left.stderr
    assert left.stderr.splitlines() == [
        f"You are no longer a member of {name}.",
        f"{name} has no admin now. Admins of Wegent manage it.",
    ]


async def test_an_existing_namespace_is_not_taken_and_the_command_says_so(
    new_user: NewUser, api: Api
) -> None:
    admin = await new_user()
    role = {"spec": {"role": "admin"}}
    await api.merge("accounts", ACCOUNTS, admin.variables["TEST_USER"], role)
    name = unique("taken")
    await api.create_namespace(name)

    async def created() -> bool:
        done = await admin.run("namespace", "create", name)
        assert done.exit_code == 0, done.stderr
        assert done.stderr.startswith(f"The group {name} is created, not ready: NamespaceTaken: ")
        return True

    await eventually(created, within_s=VERDICT_WITHIN_S, what="the rights of an admin")
