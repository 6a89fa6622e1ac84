"""``helm install`` on a cluster that runs Pods, and a user's next steps."""

import json
import os
import subprocess
from typing import Any

import pytest

from devcluster.checkout import CHECKOUT
from tests.e2e.clusters import PodCluster
from tests.e2e.release import Release
from tests.support.api import is_ready
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)
EXAMPLES = CHECKOUT / "examples"
WALKTHROUGH = "WEGENT_E2E_WALKTHROUGH"
"""The variable that names a script to run too, with the API's base URL as its argument."""


def test_all_pods_are_ready_and_restricted(release: Release) -> None:
    for component in (release.api, release.operator, release.runner):
        pods = component.all()
        assert pods
        assert len(component.ready()) == len(pods), component.states()
        for pod in pods:
            assert all(it["restartCount"] == 0 for it in pod["status"]["containerStatuses"])


@pytest.mark.parametrize(
    ("component", "foreign"), [("operator", "fastapi"), ("api", "kopf"), ("runner", "kopf")]
)
def test_image_holds_what_its_program_runs_and_no_more(
    release: Release, component: str, foreign: str
) -> None:
    pods = getattr(release, component)
    pod = pods.ready()[0]
    look = (
        "import importlib.util as u, json, os, shutil;"
        f"print(json.dumps([bool(u.find_spec({foreign!r})), bool(u.find_spec('kubernetes')),"
        " shutil.which('cc'), shutil.which('pip'), shutil.which('kubectl'), os.getuid() == 0,"
        " os.access('/opt/wegent', os.W_OK)]))"
    )
    assert json.loads(pods.run(pod, "python3", "-c", look)) == [
        *(False, False, None, None, None, False, False)
    ]
    bill = json.loads(pods.run(pod, "cat", "/opt/wegent/sbom.cdx.json"))
    assert bill["metadata"]["component"]["name"] == f"wegent-{component}"
    purls = {it["purl"].partition("@")[0] for it in bill["components"]}
    assert {"pkg:pypi/wegent", "pkg:pypi/pydantic"} <= purls


def test_nobody_gets_in_without_a_token(release: Release) -> None:
    rest = release.rest()
    rest.call("GET", "/readyz").expect(200)
    rest.call("GET", "kinds/ghosts").expect(401)
    rest.call("GET", "auth/me").expect(401)


def test_first_admin_can_log_in(release: Release) -> None:
    me = release.admin().call("GET", "auth/me").expect(200).json
    assert me["role"] == "admin"


async def test_a_user_composes_a_team_over_rest(release: Release) -> None:
    anybody = release.rest()
    user = anybody.register("composer", "securepassword123")
    again = {"username": "composer", "email": "c@example.com", "password": "securepassword123"}
    anybody.call("POST", "auth/register", again).expect(409)
    wrong = {"username": "composer", "password": "wrong-password-123"}
    anybody.call("POST", "auth/login", wrong).expect(401)
    me = user.call("GET", "auth/me").expect(200).json
    assert (me["username"], me["role"]) == ("composer", "user")
    other = {"username": "other", "email": "o@example.com", "password": "securepassword123"}
    user.call("POST", "auth/admin/register", other).expect(403)
    here = {"metadata": {"name": "theirs"}, "spec": {"systemPrompt": "Only admins write here."}}
    user.call("POST", "kinds/ghosts", here).expect(403)

    home = "namespace=wegent-composer"
    bot_refs = {f"{kind}Ref": {"name": f"e2e-{kind}"} for kind in ("ghost", "model", "shell")}
    specs: dict[str, dict[str, Any]] = {
        "ghost": {"systemPrompt": "You are a helpful coding assistant."},
        "model": {"provider": "openai", "model": "gpt-4", "temperature": 0.7, "maxTokens": 2000},
        "shell": {"type": "Chat"},
        "bot": bot_refs,
        "skill": {"description": "Reviews a diff"},
        "team": {"bots": [{"name": "e2e-bot"}]},
    }
    for kind, spec in specs.items():
        body = {"metadata": {"name": f"e2e-{kind}", "namespace": "wegent-composer"}, "spec": spec}
        made = user.call("POST", f"kinds/{kind}s", body).expect(201).json
        assert made["metadata"]["namespace"] == "wegent-composer"
        user.call("POST", f"kinds/{kind}s", body).expect(409)
        listed = user.call("GET", f"kinds/{kind}s?{home}").expect(200).json
        assert f"e2e-{kind}" in [it["metadata"]["name"] for it in listed["items"]]

    dangling = {"metadata": {"name": "dangling"}, "spec": bot_refs | {"ghostRef": {"name": "no"}}}
    user.call("POST", f"kinds/bots?{home}", dangling).expect(422)
    hot = {"provider": "openai", "model": "gpt-4", "temperature": 9}
    user.call("POST", f"kinds/models?{home}", {"metadata": {"name": "hot"}, "spec": hot}).expect(
        422
    )
    user.call("GET", f"kinds/ghosts/no?{home}").expect(404)

    def verdicts() -> bool:
        for kind in specs:
            found = user.call("GET", f"kinds/{kind}s/e2e-{kind}?{home}").expect(200).json
            assert is_ready(found), found["status"]
        return True

    await eventually(verdicts, within_s=30, what="every kind Ready")
    for kind in reversed(specs):
        user.call("DELETE", f"kinds/{kind}s/e2e-{kind}?{home}").expect(204)
        user.call("GET", f"kinds/{kind}s/e2e-{kind}?{home}").expect(404)


def test_examples_are_applied_in_any_order(release: Release) -> None:
    kubectl = release.kubectl
    kubectl.run("apply", "--recursive", "-f", EXAMPLES).ok()
    # The folders hold Secrets, and a Task that waits for another one.
    top = ("wait", "-f", EXAMPLES, "--recursive=false")
    kubectl.run(*top, "--for=condition=Ready", "--timeout=50s").ok()


def test_a_pod_sees_the_api_by_its_name(release: Release) -> None:
    said = release.test().stdout
    assert "Phase:          Succeeded" in said


async def test_logs_are_json_with_what_was_asked(release: Release) -> None:
    asked = release.rest().call("GET", "kinds/ghosts?limit=7").expect(401).request_id

    def logged() -> Any:
        pods = release.api.ready()
        lines = [json.loads(line) for pod in pods for line in release.api.logs(pod).splitlines()]
        return [line for line in lines if line.get("requestId") == asked and "status" in line]

    [line] = await eventually(logged, within_s=30, what="the request in the log")
    assert line["message"] == "GET /api/v1/kinds/ghosts 401"


def test_services_and_names_reach_from_pod_to_pod(pods: PodCluster, release: Release) -> None:
    ask = "import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))"
    asked: Kubectl = pods.kubectl
    service = ("get", "service", "kubernetes", "-n", "default", "-o=jsonpath={.spec.clusterIP}")
    pod = release.api.ready()[0]
    assert release.api.run(pod, "python3", "-c", ask).strip() == asked.run(*service).ok().stdout


@pytest.mark.skipif(WALKTHROUGH not in os.environ, reason=f"${WALKTHROUGH} names no script")
def test_walkthrough_of_ones_own(release: Release) -> None:
    command = ["bash", os.environ[WALKTHROUGH], release.rest().base]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
