"""Names, tested with usual attacks on paths and headers."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_api.names import dns_label, dns_subdomain, new_user_name, user_name
from wegent_api.server.access_log import ambiguous_path
from wegent_kube.resources import Resource

RESOURCE = Resource("agent.wecode.io", "v1", "ghosts")


def passes(check: Callable[[str], str], value: str) -> bool:
    try:
        return check(value) == value
    except ValueError:
        return False


@pytest.mark.parametrize("value", ["a", "a-b", "0", "a" * 63])
def test_labels(value: str) -> None:
    assert passes(dns_label, value)
    assert passes(dns_subdomain, value)


@pytest.mark.parametrize("value", ["a.b", "a-b.c", "a" * 63 + "." + "b" * 63])
def test_subdomains(value: str) -> None:
    assert passes(dns_subdomain, value)
    assert not passes(dns_label, value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-",
        ".",
        "..",
        "a..b",
        "a.",
        ".a",
        "-a",
        "a-",
        "A",
        "ä",
        "a_b",
        "a/b",
        "a\n",
        "a%2f",
        "\u0663",
    ],
)
def test_neither(value: str) -> None:
    assert not passes(dns_label, value)
    assert not passes(dns_subdomain, value)


def test_lengths() -> None:
    assert not passes(dns_label, "a" * 64)
    assert passes(dns_subdomain, "a" * 253)
    assert not passes(dns_subdomain, "a" * 254)
    assert passes(user_name, "a" * 50)
    assert not passes(user_name, "a" * 51)


@given(st.text(min_size=1, max_size=80))
def test_what_passes_stays_one_step_of_a_path(value: str) -> None:
    if passes(dns_label, value) and passes(dns_subdomain, value):
        assert RESOURCE.path(value, value) == (
            f"/apis/agent.wecode.io/v1/namespaces/{value}/ghosts/{value}"
        )
        assert value.isascii()
        assert value == value.lower().strip()
        assert not set(value) & set("/\\%?#:@;&= ")


@pytest.mark.parametrize("value", ["accounts", "system", "default"])
def test_reserved_names(value: str) -> None:
    assert passes(user_name, value)
    with pytest.raises(ValueError, match="reserved"):
        new_user_name(value)


@pytest.mark.parametrize(
    ("raw", "ambiguous"),
    [
        (b"/api/v1/kinds/ghosts/a.b", False),
        (b"/api/v1/kinds/ghosts/a%2eb", False),
        (b"/a%20b", False),
        (b"/..a/...", False),
        (b"/%252e%252e/%252f", False),
        (b"/a/../b", True),
        (b"/a/.", True),
        (b"/a/%2e%2e/b", True),
        (b"/a/.%2E", True),
        (b"/a%2fb", True),
        (b"/a%5Cb", True),
        (b"/a%00", True),
        (b"/..", True),
        (b"/\xff/..", True),
    ],
)
def test_paths_on_which_hops_could_disagree(raw: bytes, *, ambiguous: bool) -> None:
    assert ambiguous_path({"raw_path": raw, "path": ""}) is ambiguous
