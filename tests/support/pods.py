"""A stand-in for a node: it runs the programs of Jobs' Pods here, as their ServiceAccounts.

The control plane of the tests has no node, so that Pods stay Pending. The Job controller is the
real one. The stand-in runs each Pod's program with the Pod's arguments, environment, Secrets and
token, and reports to the controller if it succeeded.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl

POLL_S = 1.0
RUNS_WITHIN_S = 150.0


class JobPods:
    """A context manager that runs the Pods of all Jobs, one after another."""

    def __init__(self, cluster: ControlPlane, directory: Path) -> None:
        self.logs: dict[str, str] = {}
        """The output of each Pod's program, by the Pod's name."""
        self._cluster = cluster
        self._kubectl = Kubectl(cluster.binaries.kubectl, cluster.kubeconfig)
        self._directory = directory
        self._stopping = threading.Event()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Run no Pods while the block runs, like a cluster without nodes."""
        self._resting.set()
        try:
            yield
        finally:
            self._resting.clear()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(POLL_S):
                if self._resting.is_set():
                    continue
                found = self._kubectl.run(
                    "get", "pods", "-A", "-l", "batch.kubernetes.io/job-name", "-o", "json"
                )
                for pod in found.ok().json["items"]:
                    if pod["status"]["phase"] == "Pending" and not self._stopping.is_set():
                        self._run_pod(pod)
        except BaseException as error:  # noqa: BLE001 - raised where the thread is joined
            self._error = error

    def _run_pod(self, pod: dict[str, Any]) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        account = pod["spec"]["serviceAccountName"]
        if self._kubectl.run("get", "serviceaccount", account, f"-n={namespace}").exit_code:
            return  # Helm is about to create both again; a kubelet would retry too
        directory = self._directory / name
        identity = kubectl_as(self._cluster, self._kubectl, namespace, account, directory)
        [container] = pod["spec"]["containers"]
        mounts = self._mount(pod, container, directory)
        command: list[str] = [*container["command"], *container.get("args", [])]
        assert command[0] == "python"
        for path, here in mounts.items():
            command = [argument.replace(path, str(here)) for argument in command]
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={
                **os.environ,
                **{it["name"]: it["value"] for it in container.get("env", [])},
                "KUBECONFIG": str(identity.kubeconfig),
            },
            capture_output=True,
            encoding="utf-8",
            timeout=RUNS_WITHIN_S,
            check=False,
        )
        self.logs[name] = done.stdout + done.stderr
        phase = "Failed" if done.returncode else "Succeeded"
        status = json.dumps({"status": {"phase": phase}})
        self._kubectl.run(
            "patch", "pod", name, f"-n={namespace}", "--subresource=status", f"-p={status}"
        )

    def _mount(
        self, pod: dict[str, Any], container: dict[str, Any], directory: Path
    ) -> dict[str, Path]:
        """Write the Secrets that the container mounts; return their places by its own paths."""
        secrets = {it["name"]: it["secret"] for it in pod["spec"]["volumes"] if "secret" in it}
        mounts = {}
        for mount in container.get("volumeMounts", []):
            if (secret := secrets.get(mount["name"])) is None:
                continue
            here = directory / mount["name"]
            here.mkdir(parents=True, exist_ok=True)
            found = self._kubectl.run(
                *("get", "secret", secret["secretName"]),
                *(f"-n={pod['metadata']['namespace']}", "-o", "json"),
            )
            mounts[mount["mountPath"]] = here
            if secret.get("optional") and "NotFound" in found.stderr:
                continue
            data = found.ok().json["data"]
            for item in secret["items"]:
                (here / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
        return mounts
