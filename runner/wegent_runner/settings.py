"""The runner's settings, from ``WEGENT_RUNNER_*`` environment variables."""

import math
import socket
import uuid
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wegent_crds.kinds.task_status import LEASE_MAX_S, LEASE_MIN_S

MAX_REQUESTS_PER_MINUTE: Final = 1_000_000
MAX_TOKENS_PER_DAY: Final = 10**12


def _own_name() -> str:
    """Return a name that no other runner has, and that shows the Pod."""
    return f"wegent-runner-{socket.gethostname().lower()[:200]}-{uuid.uuid4().hex[:8]}"


class Settings(BaseSettings):
    """The runner's settings."""

    model_config = SettingsConfigDict(
        env_prefix="WEGENT_RUNNER_", frozen=True, use_attribute_docstrings=True
    )

    kubeconfig: str | None = None
    """Path of a kubeconfig. Unset: `KUBECONFIG`, or the ServiceAccount of the Pod."""
    name: str = Field(
        default_factory=_own_name, pattern=r"^wegent-runner-[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
    )
    """Name of this runner, unique among runners: the holder of its claims and its Lease's name."""
    lease_namespace: str = "wegent-system"
    """Namespace of the runners' Leases."""
    proxy_user: str = "system:serviceaccount:wegent-system:wegent-api"
    """User that may read streams and transcripts, and try Models: the API proxy."""
    slots: int = Field(default=50, ge=1, le=1000)
    """Tasks that run at once."""
    lease_s: int = Field(default=30, ge=LEASE_MIN_S, le=LEASE_MAX_S)
    """Seconds of a claim. A dead runner's Tasks wait for at most this time."""
    store_url: SecretStr = SecretStr("sqlite:///wegent-runner.db")
    """Database of the transcripts: `sqlite:////path` or `postgresql://user:password@host/name`."""
    egress_allow: Annotated[frozenset[str], NoDecode] = frozenset()
    """Comma-separated networks, such as `10.1.0.0/16`, that Models and MCP servers may be in
    besides the public internet."""
    stdio_permitted: bool = False
    """True to start MCP servers of type stdio. Users name their commands, which have the rights of
    the runner, so it is only for a machine of one's own."""
    shared_namespaces: Annotated[frozenset[str], NoDecode] = frozenset({"default"})
    """Comma-separated namespaces whose objects all namespaces may reference: the operator's."""
    provider_silence_s: float = Field(default=120.0, gt=0)
    """Seconds without a byte after which a call of an LLM counts as failed."""
    call_s: float = Field(default=3600.0, gt=0)
    """Seconds after which a call of an LLM counts as failed, even if its answer still grows."""
    namespace_requests_per_minute: int = Field(default=0, ge=0, le=MAX_REQUESTS_PER_MINUTE)
    """Requests to Models that the Tasks of one namespace may make in a minute; others wait. 0: no
    limit. The annotation `agent.wecode.io/requests-per-minute` of a Namespace precedes it."""
    namespace_tokens_per_day: int = Field(default=0, ge=0, le=MAX_TOKENS_PER_DAY)
    """Tokens that the Tasks of one namespace may use in a day of UTC; then they fail. 0: no limit.
    The annotation `agent.wecode.io/tokens-per-day` of a Namespace precedes it."""
    shared_slots_share: float = Field(default=0.9, gt=0, le=1)
    """Part of the slots that all Tasks may use, rounded up. The rest is for namespaces of which no
    Task runs here."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severity that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    drain_s: float = Field(default=20.0, ge=0)
    """Seconds for which running Tasks may go on when the runner is stopped."""
    listen_host: str = Field(default="127.0.0.1", min_length=1)
    """Address on which streams, /healthz, /readyz and /metrics are served."""
    listen_port: int = Field(default=8082, ge=0, le=65535)
    """Port of these endpoints; 0 takes a free port."""
    advertise_host: str = ""
    """Host at which the API proxy reaches this runner. Empty: `listen_host`."""

    @property
    def shared_slots(self) -> int:
        """Number of slots that all Tasks may use."""
        return math.ceil(self.slots * self.shared_slots_share)

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        networks = [network.strip() for network in value.split(",") if network.strip()]
        for network in networks:
            ip_network(network)
        return frozenset(networks)

    @field_validator("shared_namespaces", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(name.strip() for name in value.split(",") if name.strip())
        return value
