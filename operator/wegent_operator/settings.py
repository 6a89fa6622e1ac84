"""The operator's settings, from ``WEGENT_OPERATOR_*`` environment variables."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set. docs/operator.md lists the same, and a test compares them."""

    model_config = SettingsConfigDict(
        env_prefix="WEGENT_OPERATOR_", frozen=True, use_attribute_docstrings=True
    )

    accounts_namespace: str = "wegent-accounts"
    """Where Accounts give access; nothing but users' accounts lives there."""
    shared_namespaces: Annotated[frozenset[str], NoDecode] = frozenset({"default"})
    """Comma-separated. Any namespace may refer into these, and every user is an editor there."""
    trash_retention_s: int = Field(default=30 * 24 * 3600, ge=1)
    """How long a Tombstone is kept, from the object's deletion on."""
    leader_election: bool = False
    """Whether several of these may run: then the one that holds the Lease judges."""
    lease_namespace: str = "wegent-system"
    """Where the Lease ``wegent-operator`` is."""
    writers: int = Field(default=8, ge=1, le=64)
    """Keys worked on at once; the API server takes no more status writes from more than 8."""
    watch_timeout_s: int = Field(default=60, ge=1, le=3600)
    """How long one watch request lasts. /healthz fails when a watch is not renewed in time."""
    sweep_interval_s: float = Field(default=300.0, gt=0)
    """How often the store is compared with a metadata-only list."""
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8081, ge=0, le=65535)
    """Where /healthz, /readyz and /metrics are served; 0 takes a free port."""

    @field_validator("shared_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(name.strip() for name in value.split(",") if name.strip())
        return value
