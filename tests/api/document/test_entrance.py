"""``/``, and paths that are nearly right."""

import aiohttp
import pytest

from tests.api.objects import BASE, ghost
from tests.api.users import unique
from tests.support.proxy import Client


@pytest.mark.parametrize(
    "accept", ["*/*", "", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"]
)
async def test_the_root_leads_to_the_documentation(anonymous: Client, accept: str) -> None:
    for method in ("GET", "HEAD"):
        answer = await anonymous.send(method, "/", headers={"Accept": accept})
        assert (answer.status, answer.headers["Location"]) == (307, "/docs"), method
        assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["application/json", "text/html;q=0.1, Application/JSON;q=0.5"])
async def test_the_root_lists_all_paths_to_those_who_ask_for_json(
    anonymous: Client, accept: str
) -> None:
    listed = (await anonymous.send("GET", "/", headers={"Accept": accept})).expect(200)["paths"]
    document = (await anonymous.get("/openapi.json")).expect(200)
    assert listed == sorted([*document["paths"], "/docs", "/openapi.json"])


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/docs/", "/docs"),
        ("/redoc", "/docs"),
        ("/redoc/", "/redoc"),
        ("/openapi.json/", "/openapi.json"),
        ("/healthz/", "/healthz"),
        (f"{BASE}/ghosts/", f"{BASE}/ghosts"),
        (f"{BASE}/ghosts/?namespace=x&limit=1", f"{BASE}/ghosts?namespace=x&limit=1"),
        (f"{BASE}/ghosts/a%20b/", f"{BASE}/ghosts/a%20b"),
        (f"{BASE}/ghosts/a%0d%0aSet-Cookie:x=1/", f"{BASE}/ghosts/a%0d%0aSet-Cookie:x=1"),
        ("/api/v1/apply/", "/api/v1/apply"),
    ],
)
async def test_a_slash_too_many_leads_to_the_path_without_it(
    anonymous: Client, path: str, location: str
) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        if path != "/redoc" or method in {"GET", "HEAD"}:
            answer = await anonymous.send(method, path, headers={"Host": "elsewhere.example"})
            assert (answer.status, answer.headers["Location"]) == (307, location), method
            assert not answer.content


@pytest.mark.parametrize(
    "path",
    [
        "//elsewhere.example/",
        "//elsewhere.example//",
        "//docs/",
        "/%2felsewhere.example/",
        "/docs//",
        "/\\elsewhere.example/",
        "/.//docs/",
        "/apis/",
    ],
)
async def test_no_redirect_leads_elsewhere(anonymous: Client, path: str) -> None:
    answer = await anonymous.get(path)
    assert answer.status in {400, 404}
    assert "Location" not in answer.headers


async def test_a_write_follows_the_redirect(client: Client) -> None:
    name, headers = unique("slash"), {"Authorization": f"Bearer {client.token}"}
    async with aiohttp.ClientSession(client.base, headers=headers) as session:
        async with session.post(f"{BASE}/ghosts/", json=ghost(name)) as made:
            assert made.status == 201
        async with session.get(f"{BASE}/ghosts/{name}/") as got:
            assert (await got.json())["metadata"]["name"] == name


async def test_a_path_that_is_none_says_where_the_others_are(anonymous: Client) -> None:
    message = (await anonymous.get("/ghosts")).refused(404, "NotFound")
    assert "/docs" in message
