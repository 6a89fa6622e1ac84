import socket
from pathlib import Path

from devcluster.ports import LOWEST, free_ports, is_free


def test_ports_are_distinct_free_and_not_for_outgoing_connections() -> None:
    ports = free_ports(4)
    start = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    assert len(set(ports)) == 4
    assert all(LOWEST <= port < start and is_free(port) for port in ports)


def test_port_of_a_server_is_not_free_and_of_a_finished_one_is() -> None:
    with socket.create_server(("127.0.0.1", free_ports(1)[0])) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # ours is the end in TIME_WAIT
        client.close()
    assert is_free(port)
