"""Addresses of servers."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return True for an address of this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
