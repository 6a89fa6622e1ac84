"""The interactive documentation, opened in a real browser."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.api.objects import BASE
from tests.api.users import PASSWORD, User

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium; Debian has it as the package chromium"
)
OFFLINE = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
SLOW_MS = 30_000


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*OFFLINE, "--no-sandbox"]
        )
        page = await browser.new_page()
        page.set_default_timeout(SLOW_MS)
        yield page
        await browser.close()


@pytest.mark.parametrize("how", ["token", "password"])
async def test_authorize_with_a_login_and_try_a_request(user: User, page: Page, how: str) -> None:
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    await page.goto(f"{user.client.base}/docs")
    await page.get_by_role("button", name="Authorize").first.click()
    if how == "token":
        assert user.client.token
        form = page.locator(".auth-container:has-text('bearer')").first
        await form.locator("input").first.fill(user.client.token)
    else:
        form = page.locator(".auth-container:has-text('OAuth2, password')").first
        await form.locator("#oauth_username").fill(user.name)
        await form.locator("#oauth_password").fill(PASSWORD)
    await form.locator(".authorize").click()
    await expect(form.get_by_text("Logout")).to_be_visible(timeout=SLOW_MS)
    await page.locator(".btn-done").first.click()

    me = page.locator(".opblock-get:has([data-path='/api/v1/auth/me'])")
    await me.locator(".opblock-summary-control").click()
    await me.get_by_role("button", name="Execute").click()
    answer = me.locator(".live-responses-table .response").first
    await expect(answer.locator(".response-col_status")).to_contain_text("200", timeout=SLOW_MS)
    await expect(answer).to_contain_text(user.name)

    # The page obeys its Content-Security-Policy and stores no token that outlasts it.
    assert not failed
    assert await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    assert all(url.startswith((user.client.base, "data:", "blob:")) for url in asked), asked


async def test_the_example_of_each_kind_is_shown(user: User, page: Page) -> None:
    await page.goto(f"{user.client.base}/docs")
    for plural in ("ghosts", "bots", "tasks"):
        create = page.locator(f".opblock-post:has([data-path='{BASE}/{plural}'])")
        await create.locator(".opblock-summary-control").click()
        body = create.locator("textarea.body-param__text, pre.body-param__example").first
        await expect(body).to_contain_text('"spec"', timeout=SLOW_MS)
