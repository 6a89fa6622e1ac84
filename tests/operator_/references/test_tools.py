"""The condition ``ToolsServed`` follows servers, Skills and the operator's setting."""

from pathlib import Path
from typing import Any

from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually

STDIO = {"command": "npx"}
REMOTE = {"url": "https://mcp.example.com"}


async def told(api: Api, plural: str, namespace: str, name: str, status: str | None) -> str:
    """Wait for the condition's status, None if it is absent; return reason and message."""

    async def probe() -> str:
        body = await api.get(plural, namespace, name)
        assert body is not None
        assert body["status"].get("observedGeneration") == body["metadata"]["generation"]
        types = {it["type"] for it in body["status"]["conditions"]}
        if status is None:
            assert "ToolsServed" not in types
            return "absent"
        found = condition(body, "ToolsServed")
        assert found["status"] == status, found
        assert condition(body, "Ready")["status"] == "True"
        return f"{found['reason']}: {found['message']}"

    what = f"ToolsServed of {plural}/{name}: {status}"
    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


async def test_the_condition_follows_each_change(
    api: Api, operator: OperatorProcess, namespace: str, kubectl: Kubectl
) -> None:
    del operator

    async def change(plural: str, name: str, **spec: Any) -> None:
        await api.merge(plural, namespace, name, {"spec": spec})

    await api.create("skills", namespace, "s", {"description": "Reviews"})
    ghost = {"systemPrompt": "You help.", "skillRefs": [{"name": "s"}]}
    await api.create("ghosts", namespace, "g", ghost)
    await api.settled("ghosts", namespace, "g")
    await told(api, "ghosts", namespace, "g", None)

    await change("skills", "s", mcpServers={"files": STDIO})
    assert "spec.mcpServers[files]" in await told(api, "skills", namespace, "s", "False")
    said = await told(api, "ghosts", namespace, "g", "False")
    assert said.startswith("StdioNotPermitted: stdio is not permitted")
    assert said.endswith(f"of Skill {namespace}/s, through spec.skillRefs[0])")

    await change("ghosts", "g", mcpServers={"files": REMOTE})  # it replaces the Skill's
    assert await told(api, "ghosts", namespace, "g", "True") == "ToolsServed: "
    shown = kubectl.run("get", "ghost", "g", "-n", namespace, "-o", "wide").ok().stdout
    assert "TOOLS" in shown.splitlines()[0]
    assert "ToolsServed" in shown.splitlines()[1]

    await change("ghosts", "g", mcpServers={"local": STDIO})
    said = await told(api, "ghosts", namespace, "g", "False")
    assert "spec.mcpServers[local]" in said
    await change("ghosts", "g", mcpServers=None)
    await api.delete("skills", namespace, "s")
    await change("ghosts", "g", skillRefs=None)
    await told(api, "ghosts", namespace, "g", None)


async def test_the_setting_permits_stdio(
    api: Api, operator: OperatorProcess, namespace: str, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    ghost = {"systemPrompt": "You help.", "mcpServers": {"files": STDIO}}
    await api.create("ghosts", namespace, "g", ghost)
    await told(api, "ghosts", namespace, "g", "False")
    assert operator.stop() == 0
    permitting = OperatorProcess(operator_kubeconfig, tmp_path / "log", stdio_permitted="true")
    with permitting:
        await told(api, "ghosts", namespace, "g", "True")
    operator.start()
    await told(api, "ghosts", namespace, "g", "False")
