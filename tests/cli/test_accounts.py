"""Registering, and changing the password."""

import asyncio
import stat

from tests.api.users import PASSWORD, unique
from tests.cli.conftest import NewUser, Register
from tests.support.cli import Cli
from tests.support.operator import OperatorProcess
from tests.support.proxy import ProxyProcess

NEW = "another long password 7"


async def test_registering_at_a_terminal(
    stranger: Cli, proxy: ProxyProcess, operator: OperatorProcess
) -> None:
    assert operator.running()
    name = unique("user")
    async with stranger.terminal("register", proxy.url) as terminal:
        for prompt, typed in (
            ("Username: ", name),
            ("E-mail: ", f"{name}@example.com"),
            ("New password: ", PASSWORD),
            ("The same again: ", PASSWORD),
        ):
            await terminal.expect(prompt)
            await asyncio.sleep(0.2)
            terminal.type(f"{typed}\n")
        await terminal.expect(f"The user {name} is registered.")
        await terminal.expect(f"as {name}")
        assert await terminal.end() == 0
        assert PASSWORD not in terminal.raw
    assert stat.S_IMODE(stranger.config_file.stat().st_mode) == 0o600
    who = (await stranger.run("whoami", "-o", "json")).ok().json
    assert (who["username"], who["email"]) == (name, f"{name}@example.com")


async def test_passwords_that_differ(stranger: Cli, proxy: ProxyProcess) -> None:
    name = unique("user")
    arguments = ("register", proxy.url, "-u", name, "--email", f"{name}@example.com")
    async with stranger.terminal(*arguments) as terminal:
        await terminal.expect("New password: ")
        await asyncio.sleep(0.2)
        terminal.type(f"{PASSWORD}\n")
        await terminal.expect("The same again: ")
        await asyncio.sleep(0.2)
        terminal.type(f"{NEW}\n")
        await terminal.expect("the two passwords differ")
        assert await terminal.end() == 2
    # Nothing was registered.
    result = await stranger.run("login", proxy.url, "-u", name, "--password-stdin", stdin=PASSWORD)
    assert result.exit_code == 3


async def test_a_registration_that_is_refused(
    stranger: Cli, proxy: ProxyProcess, register: Register
) -> None:
    """The field is named, and nobody is logged in."""
    taken = await register()
    for name, email, password, exit_code, told in (
        (taken, "a@example.com", PASSWORD, 6, taken),
        (unique("user"), "a@example.com", "short", 1, "password"),
        (unique("user"), "nowhere", PASSWORD, 1, "email"),
        ("Ada Lovelace", "a@example.com", PASSWORD, 1, "username"),
    ):
        arguments = ("register", proxy.url, "-u", name, "--email", email, "--password-stdin")
        result = await stranger.run(*arguments, stdin=f"{password}\n")
        assert result.exit_code == exit_code, result.stderr
        assert told in result.stderr
    assert not stranger.config_file.exists()
    result = await stranger.run("register", proxy.url, "--password-stdin", stdin=PASSWORD)
    assert result.exit_code == 2
    assert "--password-stdin needs --username and --email" in result.stderr


async def test_changing_the_password(new_user: NewUser, proxy: ProxyProcess) -> None:
    user = await new_user()
    name, before = user.variables["TEST_USER"], user.context["token"]
    wrong = await user.run("password", "--stdin", stdin=f"not the password\n{NEW}\n")
    assert wrong.exit_code == 1
    assert "oldPassword" in wrong.stderr
    async with user.terminal("password") as terminal:
        for prompt, typed in (
            ("Current password: ", PASSWORD),
            ("New password: ", NEW),
            ("The same again: ", NEW),
        ):
            await terminal.expect(prompt)
            await asyncio.sleep(0.2)
            terminal.type(f"{typed}\n")
        await terminal.expect("The password is changed.")
        assert await terminal.end() == 0
        assert NEW not in terminal.raw
    # The login goes on with a new token, and the old password is none.
    assert user.context["token"] != before
    (await user.run("whoami")).ok()
    arguments = ("login", proxy.url, "-u", name, "--password-stdin")
    assert (await user.run(*arguments, stdin=PASSWORD)).exit_code == 3
    (await user.run(*arguments, stdin=NEW)).ok()
    (await user.run("password", "--stdin", stdin=f"{NEW}\n{PASSWORD}\n")).ok()
    (await user.run("whoami")).ok()


async def test_the_version(stranger: Cli) -> None:
    assert (await stranger.run("--version")).ok().stdout == (
        await stranger.run("version")
    ).ok().stdout
