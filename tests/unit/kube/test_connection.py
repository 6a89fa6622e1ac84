"""A token that can't be read, and invalid answers."""

import pytest

from tests.support.stub_api import connection_to, stub_api
from wegent_kube import KubeClient, Unreachable
from wegent_kube.client import MAX_RETRY_AFTER_S, api_error
from wegent_kube.connection import TokenSource


async def test_a_token_file_that_is_away_for_a_moment_or_empty_is_no_loss() -> None:
    """This happens while the token is rotated."""
    texts: list[str | None] = ["first", None, "", "second"]

    def read() -> str:
        text = texts.pop(0)
        if text is None:
            raise FileNotFoundError
        return text

    source = TokenSource(read)
    found = []
    for _ in range(4):
        found.append(await source.current())
        source.refused()
    assert found == ["first", "first", "first", "second"]


async def test_a_token_that_was_never_there_is_an_error_of_the_client() -> None:
    def read() -> str:
        raise FileNotFoundError

    async with stub_api() as stub:
        client = KubeClient(connection_to(stub, read))
        with pytest.raises(Unreachable, match="token"):
            await client.request("GET", "/api")
        with pytest.raises(Unreachable, match="token"):
            await anext(client.watch("/api"))
        assert not stub.asked
        await client.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("31536000", MAX_RETRY_AFTER_S),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("nan", None),
        ("inf", None),
        ("-1", None),
        ("Wed, 25 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_how_long_to_wait_is_bounded_whatever_a_webhook_asks(
    header: str, seconds: float | None
) -> None:
    assert api_error(429, b"{}", {"Retry-After": header}).retry_after == seconds
