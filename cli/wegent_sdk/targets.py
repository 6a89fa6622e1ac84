"""The two servers with Wegent's kinds: their paths and parameters.

`Rest` is the REST API, `Kubernetes` the Kubernetes API itself. Both answer with the same objects
and the same errors.
"""

from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import quote

from wegent_crds.registry import GROUP, VERSION, Kind
from wegent_sdk.errors import ConfigurationError, NeedsLogin

EVERYWHERE: Final = "*"
"""Namespace that stands for all namespaces, in lists."""
FIELD_MANAGER: Final = "wegent-sdk"
TRASH: Final = "tombstones"


def step(name: str) -> str:
    """Return a name as one step of a path.

    Raises:
        ConfigurationError: it is empty, or would be another path.
    """
    if not name or name in {".", ".."}:
        raise ConfigurationError(f"{name!r} is not a name of an object")
    return quote(name, safe="")


class Target(Protocol):
    """A server with Wegent's kinds."""

    default_namespace: str | None
    """Namespace of requests that name none; None if the server decides."""

    def path(self, kind: Kind, namespace: str | None, name: str | None = None) -> str:
        """Return the path of an object or of a list."""

    def params(self, namespace: str | None) -> dict[str, str]:
        """Return the parameters that select a namespace."""

    def writing(self, *, validate_refs: bool, dry_run: bool) -> dict[str, str]:
        """Return the parameters of a write."""

    def need_login(self, what: str) -> None:
        """Refuse what only the REST API has.

        Raises:
            NeedsLogin: this is the Kubernetes API.
        """


class Rest:
    """The REST API."""

    is_rest: Final = True

    def __init__(self, default_namespace: str | None) -> None:
        self.default_namespace = default_namespace

    def path(self, kind: Kind, namespace: str | None, name: str | None = None) -> str:
        """As in `Target`. The namespace is a parameter."""
        del namespace
        if kind.plural == TRASH:
            root = "/api/v1/trash"
        elif kind.user_facing:
            root = f"/api/v1/kinds/{kind.plural}"
        else:
            raise ConfigurationError(
                f"the REST API has no {kind.plural}; use a kubeconfig, or client.raw.request with"
                " /api/v1/auth/admin/accounts"
            )
        return root if name is None else f"{root}/{step(name)}"

    def params(self, namespace: str | None) -> dict[str, str]:
        """As in `Target`."""
        namespace = namespace or self.default_namespace
        return {"namespace": namespace} if namespace else {}

    def writing(self, *, validate_refs: bool, dry_run: bool) -> dict[str, str]:
        """As in `Target`."""
        return {
            **({} if validate_refs else {"validateRefs": "false"}),
            **({"dryRun": "All"} if dry_run else {}),
        }

    def need_login(self, what: str) -> None:
        """As in `Target`."""


class Kubernetes:
    """The Kubernetes API.

    Args:
        default_namespace: that of the kubeconfig's context.
    """

    is_rest: Final = False

    def __init__(self, default_namespace: str) -> None:
        self.default_namespace: str | None = default_namespace

    def path(self, kind: Kind, namespace: str | None, name: str | None = None) -> str:
        """As in `Target`."""
        root = f"/apis/{GROUP}/{VERSION}"
        namespace = namespace or self.default_namespace
        if namespace != EVERYWHERE:
            root = f"{root}/namespaces/{step(str(namespace))}"
        elif name is not None:
            raise ConfigurationError("an object is in one namespace: name it, in place of *")
        return f"{root}/{kind.plural}" + ("" if name is None else f"/{step(name)}")

    def params(self, namespace: str | None) -> dict[str, str]:
        """As in `Target`. The namespace is in the path."""
        del namespace
        return {}

    def writing(self, *, validate_refs: bool, dry_run: bool) -> dict[str, str]:
        """As in `Target`. Only the REST API checks referents."""
        del validate_refs
        return {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            **({"dryRun": "All"} if dry_run else {}),
        }

    def need_login(self, what: str) -> None:
        """As in `Target`."""
        raise NeedsLogin(
            f"{what} need Wegent's REST API, and this client has a kubeconfig alone: make one with"
            " Client(url, token=...)"
        )


def selecting(label_selector: str | None, field_selector: str | None) -> Mapping[str, str]:
    """Return the parameters of selectors."""
    return {
        **({"labelSelector": label_selector} if label_selector else {}),
        **({"fieldSelector": field_selector} if field_selector else {}),
    }
