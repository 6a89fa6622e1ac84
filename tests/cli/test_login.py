"""Logging in, and all that can go wrong with it."""

import asyncio
import json
import stat
import sys

import pytest
from aiohttp import web

from tests.api.users import PASSWORD
from tests.cli.conftest import NewUser, Register
from tests.support.cli import Cli
from tests.support.proxy import ProxyProcess
from tests.support.relay import Link
from tests.support.terminal import CTRL_C


async def test_a_login_at_a_terminal(
    stranger: Cli, proxy: ProxyProcess, register: Register
) -> None:
    name = await register()
    async with stranger.terminal("login", proxy.url) as terminal:
        await terminal.expect("Username: ")
        terminal.type(f"{name}\n")
        await terminal.expect("Password: ")
        await asyncio.sleep(0.2)
        terminal.type(f"{PASSWORD}\n")
        await terminal.expect(f"as {name}")
        assert await terminal.end() == 0
        assert PASSWORD not in terminal.raw
    assert stranger.context["username"] == name
    assert stat.S_IMODE(stranger.config_file.stat().st_mode) == 0o600
    who = (await stranger.run("whoami", "-o", "json")).ok().json
    assert who["username"] == name
    assert who["namespace"] == "default"
    shown = (await stranger.run("whoami")).ok().stdout
    assert f"User:       {name}" in shown
    assert "Namespace:  default" in shown
    assert stranger.context["token"] not in shown
    # Again, to the same address: an empty line is the same user.
    async with stranger.terminal("login") as terminal:
        await terminal.expect(f"Username ({name}): ")
        terminal.type("\n")
        await terminal.expect("Password: ")
        await asyncio.sleep(0.2)
        terminal.type(f"{PASSWORD}\n")
        await terminal.expect(f"as {name}")
        assert await terminal.end() == 0


async def test_ctrl_c_within_a_login(stranger: Cli, proxy: ProxyProcess) -> None:
    for prompt in ("Username: ", "Password: "):
        async with stranger.terminal("login", proxy.url) as terminal:
            await terminal.expect("Username: ")
            if prompt == "Password: ":
                terminal.type("someone\n")
                await terminal.expect(prompt)
                await asyncio.sleep(0.2)
            terminal.type(CTRL_C)
            assert await terminal.end() == 130
            assert "Traceback" not in terminal.text
    assert not stranger.config_file.exists()


async def test_a_wrong_password(stranger: Cli, proxy: ProxyProcess, register: Register) -> None:
    name = await register()
    arguments = ("login", proxy.url, "-u", name, "--password-stdin")
    result = await stranger.run(*arguments, stdin="not the password\n")
    assert result.exit_code == 3
    error, remedy = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert remedy == "remedy: check the name and the password"
    assert not stranger.config_file.exists()


async def test_an_address_with_a_path_that_is_not_the_apis(
    stranger: Cli, proxy: ProxyProcess
) -> None:
    url = f"{proxy.url}/nowhere"
    result = await stranger.run("login", url, "-u", "x", "--password-stdin", stdin="x")
    assert result.exit_code == 7
    assert result.stderr.splitlines() == [
        f"error: there is no Wegent API at {url}",
        "remedy: leave out the path, or give that of your ingress",
    ]


async def test_no_login(stranger: Cli) -> None:
    result = await stranger.run("get", "bots")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: there is no login\nremedy: log in with `wegent login URL`, or set KUBECONFIG\n"
    )


async def test_an_expired_login(user: Cli) -> None:
    user.edit(expiresAt="2020-01-01T00:00:00+00:00")
    for command in (("whoami",), ("get", "bots"), ("chat", "x"), ("credential",)):
        result = await user.run(*command)
        assert result.exit_code == 3, command
        assert result.stderr.splitlines() == [
            "error: the login has expired",
            "remedy: log in with `wegent login`",
        ]


async def test_a_withdrawn_login(user: Cli) -> None:
    """The token is not known to have expired; the server says so."""
    token = user.context["token"]
    user.edit(token=token[:-8] + "AAAAAAAA")
    result = await user.run("get", "bots")
    assert result.exit_code == 3
    assert "remedy: log in with `wegent login`" in result.stderr
    assert token[:40] not in result.stderr


async def test_a_login_is_renewed_and_stored(user: Cli) -> None:
    """A token that is older than some minutes is replaced by use."""
    before = user.context
    # As if five minutes had passed: the client renews by the age of the token.
    code = "import wegent_cli.clients as c, datetime as d; c.KEPT = d.timedelta(0);"
    code += "from wegent_cli.__main__ import main; import sys; sys.argv = ['wegent', 'whoami'];"
    code += "sys.exit(main())"
    await asyncio.sleep(1.1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=user.env, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    after = user.context
    assert after["token"] != before["token"]
    assert after["expiresAt"] >= before["expiresAt"]
    (await user.run("get", "bots")).ok()


async def test_two_users_on_one_machine(new_user: NewUser, proxy: ProxyProcess) -> None:
    """Each has a context, and neither reads the other's namespace."""
    ada, bob = await new_user(), await new_user()
    name = bob.variables["TEST_USER"]
    arguments = ("login", proxy.url, "--name", "bob", "-u", name, "--password-stdin")
    (await ada.run(*arguments, stdin=PASSWORD)).ok()
    assert (await ada.run("whoami", "-o", "json")).json["username"] == name
    first = (await ada.run("config", "list", "-o", "json")).json["items"][0]["name"]
    ada_name = ada.variables["TEST_USER"]
    who = await ada.run("whoami", "--context", first, "-o", "json")
    assert who.json["username"] == ada_name
    mine = await ada.run("get", "bots", "-n", f"wegent-{ada_name}", "--context", first)
    assert mine.exit_code == 0
    theirs = await ada.run("get", "bots", "-n", f"wegent-{name}", "--context", first)
    assert theirs.exit_code == 5
    told = f"error: {ada_name} has no right to list bots in the namespace wegent-{name}\n"
    assert theirs.stderr.startswith(told)
    (await ada.run("use-context", first)).ok()
    assert (await ada.run("whoami", "-o", "name")).stdout == f"{ada_name}\n"
    (await ada.run("logout")).ok()
    assert (await ada.run("whoami")).exit_code == 3
    assert (await ada.run("whoami", "--context", "bob")).exit_code == 0


async def test_a_wrong_address(stranger: Cli) -> None:
    """Nothing listens; no such host; a web site; each before a password is asked for."""
    refused = await stranger.run("login", "http://127.0.0.1:1", "-u", "x", "--password-stdin")
    assert refused.exit_code == 7
    assert "http://127.0.0.1:1" in refused.stderr
    unknown = await stranger.run(
        "login", "https://wegent.invalid", "-u", "x", "--password-stdin", stdin="x"
    )
    assert unknown.exit_code == 7

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    site = web.AppRunner(app)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{site.addresses[0][1]}"
        async with stranger.terminal("login", url) as terminal:
            assert await terminal.end() == 7
            assert "Password" not in terminal.text
            assert "error: " in terminal.text
            assert url in terminal.text
    finally:
        await site.cleanup()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://wegent.example.com", "has no TLS"),
        ("ftp://x", "is not the address of an API"),
        ("https://name:secret@host", "must not hold a name"),
    ],
)
async def test_addresses_that_are_refused(stranger: Cli, url: str, words: str) -> None:
    result = await stranger.run("login", url, "-u", "x", "--password-stdin", stdin="x")
    assert result.exit_code == 2
    assert words in result.stderr


async def test_a_lost_network(user: Cli, proxy_link: Link) -> None:
    url = f"http://127.0.0.1:{proxy_link.port}"
    cli = user.with_(WEGENT_URL=url, WEGENT_TOKEN=user.context["token"])
    (await cli.run("get", "bots")).ok()
    await proxy_link.close()
    result = await cli.run("get", "bots")
    assert result.exit_code == 7
    assert url in result.stderr


async def test_a_token_of_the_environment_is_sent_to_its_own_address_alone(user: Cli) -> None:
    """The stored login is not given to another address."""
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    site = web.AppRunner(app)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    try:
        other = user.with_(WEGENT_URL=f"http://127.0.0.1:{site.addresses[0][1]}")
        assert (await other.run("get", "bots")).exit_code == 3
        assert seen == []
    finally:
        await site.cleanup()


async def test_an_api_token_is_used_as_it_is(user: Cli, stranger: Cli, proxy: ProxyProcess) -> None:
    made = (await user.run("token", "create", "ci", "--expires", "1h")).ok().stdout
    login = await stranger.run("login", proxy.url, "--token-stdin", stdin=made)
    login.ok()
    who = await stranger.run("whoami", "-o", "name")
    assert who.stdout.strip() == user.variables["TEST_USER"]
    listed = (await user.run("token", "list", "-o", "json")).json["items"]
    assert [it["name"] for it in listed] == ["ci"]
    assert "token" not in listed[0]
    (await user.run("token", "revoke", "ci")).ok()
    assert (await user.run("token", "revoke", "ci")).exit_code == 4


async def test_the_error_as_json(stranger: Cli) -> None:
    result = await stranger.run("get", "bots", "-o", "json")
    assert json.loads(result.stderr)["error"]["exitCode"] == 3
    assert result.stdout == ""
