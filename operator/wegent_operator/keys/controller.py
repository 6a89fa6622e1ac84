"""Reconciles the runner's right to read API keys, namespace by namespace.

The runner has no right on Secrets of its own. In each namespace, one Role allows it to read exactly
the Secrets of keys to which the objects there refer. The operator itself reads no Secret.
"""

from wegent_crds.api_keys import KINDS_WITH_KEYS
from wegent_crds.references import ObjectKey
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.keys.manifests import RESOURCES
from wegent_operator.keys.plan import plan
from wegent_operator.keys.writer import KeyGrantWriter
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState


class KeyRoleController:
    """The controller of the Roles of API keys. A key stands for both objects of a namespace."""

    def __init__(
        self,
        cache: Cache,
        grants: KeyGrants,
        writer: KeyGrantWriter,
        visibility: Visibility,
        runner: str,
    ) -> None:
        self._cache = cache
        self._grants = grants
        self._writer = writer
        self._sight = visibility
        self._runner = runner

    def unlisted(self, _: ObjectKey, __: ObjectState | None) -> str | None:
        """Return the first resource that must be listed before rights are given or removed."""
        # An object that isn't in the cache counts as deleted, and its key would lose its right.
        for kind in KINDS_WITH_KEYS:
            if self._sight.is_hidden(kind.plural):
                return kind.plural
        return self._sight.first_unlisted(RESOURCES)

    async def reconcile(self, key: ObjectKey, _: ObjectState | None) -> bool:
        """Apply the Role and its RoleBinding in a namespace, or remove them.

        Raises:
            KubeError: a request failed; try again.
        """
        namespace = key.namespace
        if not self._cache.has_namespace(namespace) or self._cache.is_terminating(namespace):
            return True
        todo = plan(
            namespace,
            self._cache.key_secrets(namespace),
            self._runner,
            self._grants.of_namespace(namespace),
        )
        for stale in todo.delete:
            await self._writer.delete(stale)
        for wanted, manifest in todo.apply.items():
            await self._writer.apply(wanted, manifest)
        return True
