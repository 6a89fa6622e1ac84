"""The operator's settings, from ``WEGENT_OPERATOR_*`` environment variables."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wegent_crds.kinds.shell import ShellType
from wegent_crds.kinds.team import CollaborationMode
from wegent_crds.members import CLUSTER_NAMESPACES, NAME_PATTERN, RBAC_GROUP
from wegent_crds.registry import GROUP

ACCOUNT_QUOTA: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{f"count/{plural}.{GROUP}": 50 for plural in ("ghosts", "models", "shells", "skills")},
        **{f"count/{plural}.{GROUP}": 100 for plural in ("bots", "teams")},
        **{f"count/{plural}.{GROUP}": 200 for plural in ("tasks", "tombstones")},
        f"count/rolebindings.{RBAC_GROUP}": 100,
        "count/secrets": 50,
    }
)
"""Quota of a user's own namespace. It covers all kinds that the role admin lets users write."""

NamePattern = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name of namespaces, in which ``*`` stands for any text."""


class Settings(BaseSettings):
    """The operator's settings. docs/operator.md lists them too; a test compares the two lists."""

    model_config = SettingsConfigDict(
        env_prefix="WEGENT_OPERATOR_", frozen=True, use_attribute_docstrings=True
    )

    accounts_namespace: str = "wegent-accounts"
    """Namespace in which Accounts give access. It contains users' accounts and nothing else."""
    shared_namespaces: Annotated[frozenset[str], NoDecode] = frozenset({"default"})
    """Comma-separated namespaces whose objects all namespaces may reference. See `shared_role`."""
    shared_role: Literal["viewer", "editor", "none"] = "viewer"
    """Role of every user in the shared namespaces. With `none`, access is given user by user."""
    reserved_namespaces: Annotated[frozenset[NamePattern], NoDecode] = frozenset(CLUSTER_NAMESPACES)
    """Comma-separated names that the cluster may need; `*` stands for any text. A Group with such a
    name gets no namespace. A namespace that a Group has already is the Group's still."""
    served_shells: Annotated[frozenset[ShellType], NoDecode] = frozenset({"Chat"})
    """Comma-separated types of Shells that the runners of this cluster serve. Bots with other
    Shells, their Teams and Tasks get the condition `Served` with the status False."""
    served_modes: Annotated[frozenset[CollaborationMode], NoDecode] = frozenset(
        get_args(CollaborationMode)
    )
    """Comma-separated modes of collaboration that the runners of this cluster serve. Teams with
    other modes, and their Tasks, get the condition `Served` with the status False."""
    stdio_permitted: bool = False
    """Set to `true` if the runners of this cluster start the commands of MCP servers. Otherwise,
    Ghosts and Skills with such servers get the condition `ToolsServed` with the status False."""
    account_quota: Annotated[dict[str, PositiveInt], NoDecode] = dict(ACCOUNT_QUOTA)
    """Limits on the objects in a user's own namespace: `RESOURCE=COUNT,...`, as in
    `kubectl create quota --hard`. Empty: no ResourceQuota."""
    trash_retention_s: int = Field(default=30 * 24 * 3600, ge=1)
    """Seconds for which a Tombstone is kept, counted from the object's deletion."""
    leader_election: bool = False
    """Set to `true` to run several replicas. The holder of the Lease leads, the others wait."""
    lease_namespace: str = "wegent-system"
    """Namespace of the Lease ``wegent-operator``."""
    runner_service_account: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9.-]+$")] = (
        "wegent-system/wegent-runner"
    )
    """ServiceAccount of the runner, as `NAMESPACE/NAME`. It may read the API keys of Models and
    of MCP servers."""
    writers: int = Field(default=8, ge=1, le=64)
    """Keys that are reconciled at once. More than 8 don't make status writes faster."""
    watch_timeout_s: int = Field(default=60, ge=1, le=3600)
    """Seconds that one watch request lasts. /healthz fails if a watch is not renewed in time."""
    resync_interval_s: float = Field(default=300.0, gt=0)
    """Seconds between two comparisons of the cache with a metadata-only list."""
    listen_host: str = Field(default="127.0.0.1", min_length=1)
    """Address on which /healthz, /readyz and /metrics are served."""
    listen_port: int = Field(default=8081, ge=0, le=65535)
    """Port of these endpoints; 0 takes a free port."""

    @field_validator("account_quota", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
        if broken := [name for name, equals, _ in pairs if not (name and equals)]:
            raise ValueError(f"{broken[0]!r} has no count; write RESOURCE=COUNT,...")
        return {name.strip(): count.strip() for name, _, count in pairs}

    @field_validator(
        "shared_namespaces", "reserved_namespaces", "served_shells", "served_modes", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(name.strip() for name in value.split(",") if name.strip())
        return value
