"""A node's addresses: one link to this machine, and what is behind it.

The host sends what is for pods and Services over the link; the node has them. Nothing
on the host is configured but the link and two routes, which go when the link goes.
"""

import contextlib
import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from devcluster.errors import NodeUnavailable
from devcluster.shell import output_of

BLOCK: Final = IPv4Network("198.18.0.0/15")
"""For tests of networks (RFC 2544): no site and no cluster has them."""
PREFIX: Final = 21
"""Of one node; the block has 64 of them, so that several may run at once."""
UPLINK: Final = "uplink"
"""The link's end in the node."""
MAX_ALIAS: Final = 255
"""Bytes that the kernel keeps."""
ALREADY_THERE: Final = "File exists"
"""The kernel's message about a name that is taken."""


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """The addresses of the node with number ``slot``."""

    slot: int

    @property
    def interface(self) -> str:
        """The link's end on the host."""
        return f"wegent{self.slot}"

    @property
    def block(self) -> IPv4Network:
        """All that is this node's."""
        return list(BLOCK.subnets(new_prefix=PREFIX))[self.slot]

    @property
    def host(self) -> IPv4Address:
        """This machine, as the node and its pods see it; the API server listens there."""
        return self.block[1]

    @property
    def node(self) -> IPv4Address:
        """The node."""
        return self.block[2]

    @property
    def pods(self) -> IPv4Network:
        """254 addresses."""
        return list(self.block.subnets(new_prefix=24))[1]

    @property
    def services(self) -> IPv4Network:
        """A quarter of a thousand Services would do; this is half of the block."""
        return list(self.block.subnets(new_prefix=PREFIX + 1))[1]

    @property
    def dns(self) -> IPv4Address:
        """The Service of the cluster's DNS, the tenth address, as with kubeadm."""
        return self.services[10]


def claim(pid: int, alias: str) -> NodeNetwork:
    """Lay the host's end of a link into the network namespace of ``pid``.

    Args:
        pid: of a process in the node's network namespace.
        alias: the owner of the link, shown in a list of links.

    Raises:
        NodeUnavailable: all numbers are taken, or the kernel refuses.
    """
    taken = _routes()
    for slot in range(1 << (PREFIX - BLOCK.prefixlen)):
        network = NodeNetwork(slot)
        if any(network.block.overlaps(route) for route in taken):
            continue
        peer = ("peer", "name", UPLINK, "netns", str(pid))
        try:
            _ip("link", "add", network.interface, "type", "veth", *peer)
        except NodeUnavailable as error:
            if ALREADY_THERE in str(error):
                continue  # another node, which has no routes yet
            raise
        try:
            _lay(network, alias[-MAX_ALIAS:])
        except BaseException:
            release(network)
            raise
        return network
    raise NodeUnavailable(f"every part of {BLOCK} is routed somewhere: end another node first")


def release(network: NodeNetwork) -> None:
    """Remove the link, and with it the routes; fine if it is gone."""
    with contextlib.suppress(NodeUnavailable):
        _ip("link", "delete", network.interface)


def _lay(network: NodeNetwork, alias: str) -> None:
    device, via = ("dev", network.interface), ("via", str(network.node))
    _ip("address", "add", f"{network.host}/30", *device)
    _ip("link", "set", network.interface, "alias", alias, "up")
    _ip("route", "add", str(network.pods), *via)
    _ip("route", "add", str(network.services), *via)


def _routes() -> list[IPv4Network]:
    """Return where packets are sent already, but for the default route."""
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    return [IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]


def _ip(*arguments: str) -> str:
    return output_of(["ip", *arguments], f"ip {' '.join(arguments)}", error=NodeUnavailable)
