"""Reconciles namespaces: all accounts get the shared role in each shared namespace."""

from wegent_crds.references import ObjectKey
from wegent_kube.resources import ROLE_BINDINGS
from wegent_operator.accounts.manifests import shared_binding
from wegent_operator.accounts.provisioned import managed_subset, serves_everybody
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.accounts.writer import ProvisionWriter
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState


class SharedNamespaceController:
    """The controller of namespaces. It removes the binding if a namespace isn't shared."""

    def __init__(
        self,
        cache: Cache,
        provisions: Provisions,
        writer: ProvisionWriter,
        visibility: Visibility,
        accounts_namespace: str,
        shared_role: str,
    ) -> None:
        self._cache = cache
        self._provisions = provisions
        self._writer = writer
        self._visibility = visibility
        self._accounts_namespace = accounts_namespace
        self._shared_role = shared_role

    def unlisted(self, _: ObjectKey, __: ObjectState | None) -> str | None:
        """Return ``rolebindings`` until RoleBindings are listed."""
        return self._visibility.first_unlisted([ROLE_BINDINGS])

    async def reconcile(self, key: ObjectKey, _: ObjectState | None) -> bool:
        """Apply the binding of the shared role in a namespace, or remove it.

        Raises:
            KubeError: a request failed; try again.
        """
        await self._share(key.name)
        return True

    async def _share(self, namespace: str) -> None:
        key, manifest = shared_binding(namespace, self._accounts_namespace, self._shared_role)
        there = self._provisions.of_account("").get(key)
        if not self._cache.has_namespace(namespace):
            return
        if namespace not in self._cache.shared_namespaces or self._shared_role == "none":
            if there is not None and serves_everybody(there, self._accounts_namespace):
                await self._writer.delete(key)
            return
        if there == managed_subset(manifest):
            return
        if there is not None and there["roleRef"] != managed_subset(manifest)["roleRef"]:
            await self._writer.delete(key)  # the role of a binding can't be changed
        await self._writer.apply(key, manifest)
