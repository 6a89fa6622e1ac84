"""The operator's settings, from ``WEGENT_OPERATOR_*`` environment variables."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wegent_crds.members import RBAC_GROUP
from wegent_crds.registry import GROUP

ACCOUNT_QUOTA: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{f"count/{plural}.{GROUP}": 50 for plural in ("ghosts", "models", "shells", "skills")},
        **{f"count/{plural}.{GROUP}": 100 for plural in ("bots", "teams")},
        **{f"count/{plural}.{GROUP}": 200 for plural in ("tasks", "tombstones")},
        f"count/rolebindings.{RBAC_GROUP}": 100,
    }
)
"""Objects that a user's own namespace may hold: all that the role admin lets them write there."""


class Settings(BaseSettings):
    """What can be set. docs/operator.md lists the same, and a test compares them."""

    model_config = SettingsConfigDict(
        env_prefix="WEGENT_OPERATOR_", frozen=True, use_attribute_docstrings=True
    )

    accounts_namespace: str = "wegent-accounts"
    """Where Accounts give access; nothing but users' accounts lives there."""
    shared_namespaces: Annotated[frozenset[str], NoDecode] = frozenset({"default"})
    """Comma-separated. Any namespace may refer into these; `shared_role` says what users are."""
    shared_role: Literal["viewer", "editor", "none"] = "viewer"
    """Role of every user in the shared namespaces. With `none`, users are let in one by one."""
    account_quota: Annotated[dict[str, PositiveInt], NoDecode] = dict(ACCOUNT_QUOTA)
    """How many objects a user's own namespace may hold: `RESOURCE=COUNT,...`, as
    `kubectl create quota --hard` takes it. Empty: no ResourceQuota."""
    trash_retention_s: int = Field(default=30 * 24 * 3600, ge=1)
    """How long a Tombstone is kept, from the object's deletion on."""
    leader_election: bool = False
    """Whether several of these may run: then the one that holds the Lease leads."""
    lease_namespace: str = "wegent-system"
    """Where the Lease ``wegent-operator`` is."""
    writers: int = Field(default=8, ge=1, le=64)
    """Keys worked on at once; the API server takes no more status writes from more than 8."""
    watch_timeout_s: int = Field(default=60, ge=1, le=3600)
    """How long one watch request lasts. /healthz fails when a watch is not renewed in time."""
    resync_interval_s: float = Field(default=300.0, gt=0)
    """How often the cache is compared with a metadata-only list."""
    listen_host: str = Field(default="127.0.0.1", min_length=1)
    """Address on which /healthz, /readyz and /metrics are served."""
    listen_port: int = Field(default=8081, ge=0, le=65535)
    """Their port; 0 takes a free one."""

    @field_validator("account_quota", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
        if broken := [name for name, equals, _ in pairs if not (name and equals)]:
            raise ValueError(f"{broken[0]!r} has no count; write RESOURCE=COUNT,...")
        return {name.strip(): count.strip() for name, _, count in pairs}

    @field_validator("shared_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(name.strip() for name in value.split(",") if name.strip())
        return value
