"""The examples of docs/python.md that need a server."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

import wegent_sdk
from tests.api.users import ACCOUNTS, PASSWORD, User
from tests.support.api import Api
from tests.support.bots import create_bot
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider
from tests.unit.pages import FENCED, Page, rows

PAGE = Page.read("docs/python.md")
BLOCKS = FENCED.findall(PAGE.text)
EXAMPLES = [
    (code, BLOCKS[at + 1][1])
    for at, (language, code) in enumerate(BLOCKS)
    if language == "python" and "wegent_sdk" in code
]
NAMESPACE = "sdk-example"


async def run(code: str, directory: Path, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", code),
        cwd=directory,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, error.decode()
    return out.decode()


@pytest.mark.usefixtures("operator", "runner")
async def test_each_example_prints_the_shown_output(
    api: Api, kubectl: Kubectl, user: User, provider: Provider, proxy_url: str, tmp_path: Path
) -> None:
    await api.create_namespace(NAMESPACE)
    await create_bot(api, NAMESPACE, baseUrl=provider.url, allowInsecureBaseUrl=True)
    await api.create("teams", NAMESPACE, "helpers", {"bots": [{"name": "b"}]})
    await api.settled("teams", NAMESPACE, "helpers")
    kubectl.run(
        *("create", "rolebinding", "editor", f"--namespace={NAMESPACE}"),
        *("--clusterrole=wegent-editor", f"--serviceaccount={ACCOUNTS}:{user.name}"),
    ).ok()
    environment = {
        "WEGENT_URL": proxy_url,
        "WEGENT_TOKEN": str(user.client.token),
        "LOGIN_NAME": user.name,
        "LOGIN_PASSWORD": PASSWORD,
    }
    assert len(EXAMPLES) == 4
    for code, printed in EXAMPLES:
        assert await run(code, tmp_path, **environment) == printed


def test_the_page_lists_the_public_names() -> None:
    listed = [
        name
        for first, _ in rows(PAGE.section("Public names of the SDK"))
        for name in re.findall(r"`(\w+)`", first)
    ]
    assert sorted(listed) == sorted(wegent_sdk.__all__)


def test_the_page_lists_the_methods() -> None:
    text = PAGE.section("Read and write objects")
    client = wegent_sdk.Client("http://x")
    groups = {"": client, "members(namespace)": client.members("n")}
    groups |= {name: getattr(client, name) for name in ("raw", "tasks", "trash", "tokens", "keys")}
    for prefix, group in groups.items():
        for name, method in vars(type(group)).items():
            if name.startswith("_") or not callable(method) or name in {"members", "close"}:
                continue
            shown = f"`{prefix}.{name}" if prefix else f"`{name}"
            assert shown in text or f"`.{name}`" in text, f"{prefix}.{name}"
    client.close()
