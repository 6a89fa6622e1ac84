"""A runner for Shells of the type Dify. docs/write-a-runner.md explains it.

It runs one Task at a time. The answer is the prompt, after a second for each word.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError  # no answer

GROUP, SHELL_TYPE = ("agent.wecode.io", "v1"), "Dify"
LEASE_S = int(os.environ.get("LEASE_S", "30"))
ME = f"echo-runner-{uuid4().hex[:8]}"  # another name after each start


class Claim:
    def __init__(self, task):
        self.task, self.attempt = task, task["status"]["attempts"] + 1
        self.until = time.monotonic() + LEASE_S
        self.write("Running", startTime=now(), attempts=self.attempt, claim=lease(), message=None)

    def write(self, phase, **status):
        while (sent := time.monotonic()) < self.until:
            place = self.task["metadata"]
            guard = {"resourceVersion": place["resourceVersion"]}
            body = {"metadata": guard, "status": {"phase": phase, **status}}
            try:
                self.task = API.patch_namespaced_custom_object_status(
                    *GROUP, place["namespace"], "tasks", place["name"], body, _request_timeout=5
                )
                self.until = sent + LEASE_S
                return
            except (client.ApiException, HTTPError) as error:
                self.task = get("tasks", self.task, place)  # changed, or no answer: look again
                holder = self.task["status"].get("claim", {}).get("holder")
                mine = (holder, self.task["status"]["attempts"]) == (ME, self.attempt)
                refused = getattr(error, "status", 409) != 409
                if refused or not mine or "deletionTimestamp" in self.task["metadata"]:
                    raise
        raise TimeoutError("the lease is over")


def run(task):
    claim, phase, words = Claim(task), "Completed", []
    try:
        for word in task["spec"]["prompt"].split():
            time.sleep(1)  # the work
            words.append(word)
            if time.monotonic() > claim.until - LEASE_S * 2 / 3:
                claim.write("Running", claim=lease())
            if claim.task["spec"]["cancel"]:
                phase = "Cancelled"
                break
        end = {"completionTime": now(), "observedGeneration": claim.task["metadata"]["generation"]}
        result = " ".join(words)[:65536] if phase == "Completed" else None
        claim.write(phase, claim=None, result=result, **end)
    except SystemExit:
        releases = claim.task["status"]["releases"] + 1
        with suppress(client.ApiException, HTTPError, TimeoutError):
            claim.write("Pending", claim=None, startTime=None, releases=releases)
        raise


def serves(task):
    chain, spec = [task], task["spec"]
    if "teamRef" in spec:
        chain.append(get("teams", task, spec["teamRef"]))
        spec = {"botRef": chain[-1]["spec"]["bots"][0]}
    chain.append(get("bots", chain[-1], spec["botRef"]))
    chain.append(get("shells", chain[-1], chain[-1]["spec"]["shellRef"]))
    stopped = task["spec"]["cancel"] or "deletionTimestamp" in task["metadata"]
    return chain[-1]["spec"]["type"] == SHELL_TYPE and all(map(is_settled, chain)) and not stopped


def get(plural, referrer, ref):
    namespace = ref.get("namespace") or referrer["metadata"]["namespace"]
    return API.get_namespaced_custom_object(*GROUP, namespace, plural, ref["name"])


def is_settled(body):
    ready = ("Ready", "True", body["metadata"]["generation"])
    conditions = body["status"]["conditions"]
    return ready in [(it["type"], it["status"], it.get("observedGeneration")) for it in conditions]


def lease():
    return {"holder": ME, "leaseSeconds": LEASE_S, "renewedAt": now()}


def now():
    return datetime.now(UTC).isoformat()


config.load_config()
API = client.CustomObjectsApi()
WAITING = {"field_selector": "status.phase=Pending,status.ready=True", "timeout_seconds": 60}
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
while True:
    try:
        for it in watch.Watch().stream(API.list_cluster_custom_object, *GROUP, "tasks", **WAITING):
            if it["type"] != "DELETED" and serves(it["object"]):
                run(it["object"])
    except (client.ApiException, HTTPError, TimeoutError) as error:
        print(f"not run, or not to its end: {error}", file=sys.stderr, flush=True)
        time.sleep(1)
