"""A control plane with one node: what ``helm install`` and its pods need."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Final, Self

from devcluster.addresses import Addresses
from devcluster.binaries import Binaries, Programs, cache_root, find_binaries
from devcluster.controlplane import ControlPlane
from devcluster.errors import NodeUnavailable
from devcluster.kubeconfig import write_kubeconfig
from devcluster.locks import locked
from devcluster.node import requirements
from devcluster.node.cgroups import Cgroups
from devcluster.node.namespaces import INSIDE, Namespaces
from devcluster.node.network import UPLINK, NodeNetwork, claim, release
from devcluster.node.pause import write_pause_image
from devcluster.pki import KeyPair
from devcluster.processes import Daemon, wait_ready
from devcluster.shell import output_of

PROGRAMS: Final = (
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "coredns",
    "pause",
)
TEMPLATES: Final = Path(__file__).parent / "templates"
"""The programs' configuration: options that differ from upstream's defaults.

Each pod has a routed link and no bridge: what one pod sends another through a Service comes
back the way it went only if the node routes it, or if the kernel filters bridged packets,
which is a module more.
"""
NAME: Final = "node"
"""Of the Node object."""
PAUSE_IMAGE: Final = "wegent.invalid/pause:1"
SOCKET: Final = INSIDE / "containerd.sock"
READY_WITHIN_S: Final = 90.0
"""For each program; two seconds are usual, a loaded machine takes more."""
STOP_WITHIN_S: Final = 5.0
"""For what the kernel has ended already."""
DAEMONS: Final = ("containerd", "kube-scheduler", "kubelet", "kube-proxy", "coredns")


class NodeCluster:
    """A control plane and a node, in one directory; a context manager that starts and stops them.

    Nothing outlives this program, however it ends; the directory is deleted by nobody here.

    Args:
        directory: everything it writes.
        programs: of this machine, if left out.
    """

    def __init__(self, directory: Path, programs: Programs | None = None) -> None:
        self.directory = directory.absolute()
        self._programs = programs or Programs.of_this_machine()
        self._node = self.directory / "node"
        self._daemons = {
            name: Daemon(name, self.directory, die_with_parent=True) for name in DAEMONS
        }
        self._holder = Daemon("holder", self.directory, die_with_parent=True)
        self.cgroups = Cgroups(hashlib.sha256(bytes(self.directory)).hexdigest()[:8])
        """The node's, there while it runs."""
        self._paths: Mapping[str, Path] = {}
        self._namespaces: Namespaces | None = None
        self._network: NodeNetwork | None = None
        self._control_plane: ControlPlane | None = None

    @property
    def control_plane(self) -> ControlPlane:
        """The control plane of a cluster that was started."""
        if self._control_plane is None:
            raise NodeUnavailable("the cluster does not run")
        return self._control_plane

    @property
    def kubeconfig(self) -> Path:
        """With the rights of a cluster administrator."""
        return self.control_plane.kubeconfig

    @property
    def kubectl(self) -> Path:
        """The program."""
        return self.control_plane.binaries.kubectl

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and return when the node is ready for pods.

        Raises:
            NodeUnavailable: this machine has not what a node needs; nothing is left.
            ClusterError: a program can't be had or did not get ready; nothing is left.
        """
        missing = requirements.missing(self.directory)
        if missing:
            lines = "".join(f"\n  {line}" for line in missing)
            raise NodeUnavailable(f"no node can be run here; missing requirements:{lines}")
        binaries = find_binaries(self._programs)
        self._paths = self._programs.ensure(PROGRAMS)
        try:
            self._start(binaries)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; fine if nothing runs.

        Raises:
            ClusterError: something could not be ended; the rest is.
        """
        with contextlib.ExitStack() as steps:  # the last one first, each whatever the others do
            for daemon in self._daemons.values():
                steps.callback(daemon.stop, STOP_WITHIN_S)
            if self._control_plane is not None:
                steps.callback(self._control_plane.stop)
                # At once: it would wait for watches of clients that are gone already.
                steps.callback(self._control_plane.stop_apiserver)
            if self._network is not None:
                steps.callback(release, self._network)
            if self._namespaces is not None:
                steps.callback(self._namespaces.stop)
        self._namespaces = self._network = None

    def load(self, archive: Path) -> None:
        """Give the node an image, from an OCI or Docker archive.

        Raises:
            NodeUnavailable: containerd refuses it.
        """
        self._control("images", "import", "-", stdin=archive)

    def kill(self, container: str) -> None:
        """End a container's program with SIGKILL, as a lack of memory would.

        Raises:
            NodeUnavailable: it does not run.
        """
        self._control("tasks", "kill", "--signal=SIGKILL", container)

    def _control(self, *command: str, stdin: Path = Path("/dev/null")) -> None:
        control = ("--address", str(SOCKET), "--namespace", "k8s.io")
        self._inside().run(str(self._paths["ctr"]), *control, *command, stdin=stdin)

    def _start(self, binaries: Binaries) -> None:
        shutil.rmtree(self._node, ignore_errors=True)  # addresses are new with every start
        self._node.mkdir(parents=True)
        self._namespaces = Namespaces(self._node, self._holder, self._paths["pause"], self.cgroups)
        # Leftovers of killed runs are removed first: not while another one is in the making.
        with locked(cache_root() / "node.lock", "it starts a node"):
            self._namespaces.start()
        self._network = network = claim(self._namespaces.pid, str(self.directory))
        self._configure_link(network)
        self._write_configs(network)
        self._run("containerd", f"--config={INSIDE}/containerd.toml")
        directory = self.directory / "control-plane"
        shutil.rmtree(directory, ignore_errors=True)  # its keys and data are for other addresses
        self._control_plane = ControlPlane(
            binaries,
            directory,
            fsync=False,
            audit=True,
            name="wegent-node",
            addresses=Addresses(str(network.host), network.services, nodes=True),
        )
        self._control_plane.start()
        self._write_identities(network)
        self._kubectl("apply", "--server-side", f"--filename={self._node}/dns.yaml")
        self._run(
            "kube-scheduler",
            f"--kubeconfig={INSIDE}/kube-scheduler.kubeconfig",
            "--leader-elect=false",
        )
        self._run("kube-proxy", f"--config={INSIDE}/kube-proxy.yaml")
        self._run("coredns", "-conf", f"{INSIDE}/Corefile")
        self._wait("containerd", self._probe_containerd)
        pause = self._node / "pause.tar"
        write_pause_image(self._paths["pause"], pause, PAUSE_IMAGE)
        self.load(pause)
        self._run(
            "kubelet",
            f"--config={INSIDE}/kubelet.yaml",
            f"--kubeconfig={INSIDE}/kubelet.kubeconfig",
            f"--hostname-override={NAME}",
            f"--node-ip={network.node}",
            f"--root-dir={INSIDE}/kubelet",
        )
        self._wait("kubelet", self._probe_node)
        self._wait("coredns", self._probe_coredns)

    def _configure_link(self, network: NodeNetwork) -> None:
        for command in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{network.node}/30", "dev", UPLINK),
            ("ip", "link", "set", UPLINK, "up"),
            ("ip", "route", "add", "default", "via", str(network.host)),
            ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
        ):
            self._inside().run(*command)

    def _write_configs(self, network: NodeNetwork) -> None:
        """Fill in the templates: all paths in them are as seen from inside the node."""
        values = {
            "name": NAME,
            "inside": INSIDE,
            "node": network.node,
            "pods": network.pods,
            "dns": network.dns,
            "runc": self._paths["runc"],
            "pause_image": PAUSE_IMAGE,
            "plugins": json.dumps(list(map(str, requirements.plugin_directories()))),
        }
        for template in filter(Path.is_file, TEMPLATES.rglob("*")):
            target = self._node / template.relative_to(TEMPLATES)
            target.parent.mkdir(exist_ok=True)
            text = Template(template.read_text(encoding="utf-8")).substitute(values)
            target.write_text(text, encoding="utf-8")

    def _write_identities(self, network: NodeNetwork) -> None:
        """Give each program a certificate and a kubeconfig; the kubelet one to serve with too."""
        control_plane = self.control_plane
        sign, keys = control_plane.credentials.sign, self._node / "pki"
        for name, user, group in (
            ("kubelet", f"system:node:{NAME}", "system:nodes"),
            ("kube-scheduler", "system:kube-scheduler", None),
            ("kube-proxy", "system:kube-proxy", None),
            ("coredns", "system:coredns", None),
        ):
            pair = KeyPair.in_directory(keys, name)
            sign(pair, user, group=group)
            write_kubeconfig(
                self._node / f"{name}.kubeconfig",
                name=name,
                server=control_plane.server,
                ca_file=control_plane.ca_file,
                credentials=pair,
            )
        serving = KeyPair.in_directory(keys, "kubelet-serving")
        sign(serving, f"system:node:{NAME}", hosts=(str(network.node),))
        shutil.copy(control_plane.ca_file, keys / "ca.crt")

    def _inside(self) -> Namespaces:
        if self._namespaces is None:
            raise NodeUnavailable("the node does not run")
        return self._namespaces

    def _run(self, name: str, *arguments: str) -> None:
        self._daemons[name].start(self._inside().enter(str(self._paths[name]), *arguments))

    def _wait(self, name: str, probe: Callable[[], str | None]) -> None:
        started = [daemon for daemon in self._daemons.values() if daemon.log.exists()]
        wait_ready(self._daemons[name], probe, within_s=READY_WITHIN_S, needs=started)

    def _probe_containerd(self) -> str | None:
        return self._try(str(self._paths["ctr"]), "--address", str(SOCKET), "version")

    def _probe_coredns(self) -> str | None:
        assert self._network is not None  # noqa: S101
        address = f"/dev/tcp/{self._network.node}/8181"
        ask = f'exec 3<>{address} && printf "GET /ready HTTP/1.0\\r\\n\\r\\n" >&3'
        ask += ' && grep -q "200 OK" <&3'
        return self._try("bash", "-c", ask)

    def _probe_node(self) -> str | None:
        ready = '{.status.conditions[?(@.type=="Ready")]}'
        try:
            said = self._kubectl("get", "node", NAME, f"-o=jsonpath={ready}")
        except NodeUnavailable as error:
            return str(error)
        condition = json.loads(said or "{}")
        return None if condition.get("status") == "True" else f"Ready: {condition.get('message')}"

    def _try(self, *command: str) -> str | None:
        try:
            self._inside().run(*command)
        except NodeUnavailable as error:
            return str(error)
        return None

    def _kubectl(self, *arguments: str) -> str:
        command = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", *arguments]
        return output_of(command, f"kubectl {arguments[0]}", error=NodeUnavailable)
