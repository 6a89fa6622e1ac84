"""The condition ``KeyUsable`` of Models.

The operator doesn't read Secrets. The runner finds out that an API key can't be used when it needs
the key. It tells the owner of the Task by the Task's message, and the owner of the Model by this
condition and an Event (docs/adr/0037).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.conditions import ConditionType, Reason, StoredCondition
from wegent_crds.moments import moment
from wegent_crds.registry import API_VERSION, MODEL
from wegent_kube import ApiError, KubeClient, KubeError, get_or_none
from wegent_kube.content_types import APPLY_PATCH, METADATA_OBJECT
from wegent_kube.event_recorder import EventRecorder
from wegent_kube.event_series import Story, Subject
from wegent_kube.resources import resource_of
from wegent_runner.plan.plan import ModelPlan, ModelVersion, SecretKey, model_version
from wegent_runner.telemetry.observer import COMPONENT

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
"""A Task doesn't wait longer for the write."""
TRIES: Final = 2
STEADY_S: Final = 60.0
"""Seconds after a repair for which a new failure isn't written, so that a provider that refuses
every other call costs two writes a minute, and not one for each Task."""
FIELD: Final = "spec.apiKeySecretRef"


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """A verdict on the API key of a Model. The message names the fault and the remedy."""

    reason: Reason
    message: str = ""

    @property
    def usable(self) -> bool:
        """True if a call with the key has succeeded."""
        return self.reason is Reason.KEY_USABLE


USABLE: Final = KeyVerdict(Reason.KEY_USABLE)


def not_usable(fault: str) -> KeyVerdict:
    """Return the verdict on a key that the runner can't use."""
    return KeyVerdict(Reason.KEY_NOT_USABLE, f"{FIELD}: {fault}")


def refused(key: SecretKey | None) -> KeyVerdict:
    """Return the verdict on a key that the provider refuses.

    The provider's words are left out: some contain parts of the key, or differ in each answer.
    """
    if key is None:
        fault = "the provider requires an API key (HTTP 401 or 403); add a reference to it"
    else:
        fault = (
            f"the provider refused the API key in Secret {key.name} (HTTP 401 or 403);"
            " replace the key, or have the provider give it access to the model"
        )
    return KeyVerdict(Reason.KEY_REFUSED, f"{FIELD}: {fault}")


class KeyConditions:
    """Writes verdicts on API keys into Models, and posts an Event for each change."""

    def __init__(
        self,
        client: KubeClient,
        recorder: EventRecorder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock

    async def report(self, plan: ModelPlan, verdict: KeyVerdict, note: str) -> None:
        """Write a verdict if it is a new one. A failure is logged, and nothing else.

        Args:
            plan: the Model as it was read.
            verdict: the verdict on its key.
            note: the message of the Event.
        """
        if plan.read is None:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                written = await self._write(plan.name, plan.read, verdict)
        except (KubeError, TimeoutError) as error:
            logger.warning("%s: the condition KeyUsable is not written: %s", plan.name, error)
            return
        if written:
            namespace, _, name = plan.name.partition("/")
            subject = Subject(
                API_VERSION, MODEL.kind, namespace, name, plan.read.uid, plan.read.version
            )
            story = Story("UseKey", verdict.reason, note, verdict.usable)
            self._recorder.record(subject, story, self._clock())

    async def _write(self, full_name: str, read: ModelVersion, verdict: KeyVerdict) -> bool:
        """Write a verdict, and return True if it is written.

        The version guards the write. It is dropped if the Model has another spec than the call was
        made with, or a verdict of another runner.
        """
        namespace, _, name = full_name.partition("/")
        models = resource_of(MODEL)
        for _ in range(TRIES):
            condition = changed_condition(read, verdict, self._clock())
            if condition is None:
                return False
            try:
                await self._client.request(
                    "PATCH",
                    models.path(namespace, name, "status"),
                    body=_applied(namespace, name, read.version, condition),
                    params={"fieldManager": COMPONENT, "force": "true"},
                    content_type=APPLY_PATCH,
                    accept=METADATA_OBJECT,
                )
            except ApiError as error:
                if error.is_not_found:
                    return False
                if not error.is_conflict:
                    raise
            else:
                return True
            there = await get_or_none(self._client.request("GET", models.path(namespace, name)))
            current = None if there is None else model_version(there)
            if current is None or replace(current, version=read.version) != read:
                return False
            read = current
        return False


def changed_condition(
    read: ModelVersion, verdict: KeyVerdict, now: datetime
) -> StoredCondition | None:
    """Return the condition to write for a verdict, or None if there is nothing to write.

    A key that works is no news on a Model without the condition.
    """
    known = read.key_condition
    if verdict.usable:
        if known is None or (known.is_true and known.observed_generation == read.generation):
            return None
    elif known is not None and known.is_true:
        since = moment(known.last_transition_time)
        if since is not None and 0 <= (now - since).total_seconds() < STEADY_S:
            return None
    status = "True" if verdict.usable else "False"
    condition = StoredCondition(
        type=ConditionType.KEY_USABLE.value,
        status=status,
        reason=verdict.reason.value,
        message=verdict.message,
        observed_generation=read.generation,
        last_transition_time=(
            known.last_transition_time
            if known is not None and known.status == status
            else now.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
    )
    return None if condition == known else condition


def _applied(namespace: str, name: str, version: str, condition: StoredCondition) -> dict[str, Any]:
    """Return the server-side apply of one condition, which leaves all others to their managers."""
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL.kind,
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": version},
        "status": {"conditions": [condition.to_json()]},
    }
