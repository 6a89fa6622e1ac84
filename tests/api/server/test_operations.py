"""Metrics, and the pages of documentation."""

import json
import re

from tests.api.objects import BASE
from tests.api.users import PASSWORD, User, provision, unique
from tests.support.api import Api
from tests.support.proxy import Client
from wegent_api.accounts.password_grant import FORM
from wegent_api.http import examples
from wegent_kube.content_types import JSON_PATCH


def sample(exposition: str, name: str, **labels: str) -> float:
    """Return one value of Prometheus' text format; 0 if it isn't there yet."""
    for line in exposition.splitlines():
        found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) == labels:
            return float(found[2])
    return 0.0


async def test_requests_are_counted_by_route_and_not_by_path(client: Client) -> None:
    async def metrics() -> str:
        answer = await client.as_(None).get("/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.content.decode()

    route = f"{BASE}/ghosts/{{name}}"
    counted = {"route": route, "method": "GET", "status": "404"}
    unmatched = {"route": "unmatched", "method": "GET", "status": "404"}
    upstream = {"method": "GET", "resource": "ghosts", "status": "404"}
    before = await metrics()
    for index in range(3):
        (await client.get(f"{BASE}/ghosts/{unique('absent')}")).expect(404)
        (await client.get(f"/no-such-path-{index}")).expect(404)
    after = await metrics()

    def more(name: str, labels: dict[str, str]) -> float:
        return sample(after, name, **labels) - sample(before, name, **labels)

    assert more("wegent_api_requests_total", counted) == 3
    assert more("wegent_api_requests_total", unmatched) == 3
    assert more("wegent_api_upstream_duration_seconds_count", upstream) == 3
    latency = {"route": route, "method": "GET"}
    assert more("wegent_api_request_duration_seconds_count", latency) == 3
    assert "absent-" not in after
    assert "no-such-path" not in after
    assert sample(after, "wegent_api_requests_in_flight") >= 1  # this request


async def test_logins_are_counted_by_outcome(user: User) -> None:
    async def count(outcome: str) -> float:
        exposition = (await user.client.get("/metrics")).content.decode()
        return sample(exposition, "wegent_api_logins_total", outcome=outcome)

    before = await count("success"), await count("wrong")
    for password in (PASSWORD, "wrong-password-123"):
        body = {"username": user.name, "password": password}
        await user.client.post("/api/v1/auth/login", body)
    assert (await count("success"), await count("wrong")) == (before[0] + 1, before[1] + 1)


async def test_unknown_methods_are_no_labels(client: Client) -> None:
    (await client.send("PROPFIND", f"{BASE}/ghosts")).refused(405, "MethodNotAllowed")
    exposition = (await client.get("/metrics")).content.decode()
    assert "PROPFIND" not in exposition


async def test_the_documentation_needs_no_other_host(anonymous: Client) -> None:
    page = await anonymous.get("/docs")
    assert page.status == 200
    text = page.content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    for asset in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert (await anonymous.get(asset)).status == 200
    assert '"persistAuthorization": false' in text  # a stored token would outlast the page


async def test_every_documented_operation_has_its_statuses(anonymous: Client) -> None:
    document = (await anonymous.get("/openapi.json")).expect(200)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    names = set(document["components"]["schemas"])
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')))
    assert referred <= names
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            protected = bool(operation.get("security"))
            assert ("401" in operation["responses"]) >= protected, (method, path)
            assert operation["summary"]
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                assert content["example"]
                # A second schema for these media types makes generated clients fail on the first
                # too.
                assert ("schema" in content) == (media not in {JSON_PATCH, FORM}), (method, path)
            assert (method in {"put", "patch"}) <= ("requestBody" in operation)


async def test_the_documented_examples_work_as_they_stand(
    anonymous: Client, admin_client: Client, api: Api
) -> None:
    """Names and namespace are the test's own, as other tests may have used the examples."""
    document = (await anonymous.get("/openapi.json")).expect(200)

    def example_of(path: str) -> dict[str, object]:
        post = document["paths"][path]["post"]
        found: dict[str, object] = post["requestBody"]["content"]["application/json"]["example"]
        return found

    name = unique("developer")
    auth = "/api/v1/auth"
    (
        await anonymous.post(
            f"{auth}/register", example_of(f"{auth}/register") | {"username": name}
        )
    ).expect(201)
    await provision(api, name)
    login = await anonymous.post(f"{auth}/login", example_of(f"{auth}/login") | {"username": name})
    client = anonymous.as_(login.expect(200)["accessToken"])
    other = {"username": unique("reviewer")}
    made = await admin_client.post(
        f"{auth}/admin/register", example_of(f"{auth}/admin/register") | other
    )
    made.expect(201)
    query = f"?namespace=wegent-{name}"
    for plural in examples.KINDS:
        text = json.dumps(example_of(f"{BASE}/{plural}"))
        raw = text.replace('"namespace": "default"', f'"namespace": "wegent-{name}"').encode()
        (await client.post(f"{BASE}/{plural}{query}", raw=raw)).expect(201)
