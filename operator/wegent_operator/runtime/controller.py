"""The interface of controllers. Each kind has one; `app` has the table."""

from typing import Protocol, TypeVar

from wegent_crds.references import ObjectKey
from wegent_operator.state.objects import ObjectState

S_contra = TypeVar("S_contra", bound=ObjectState, contravariant=True)


class Controller(Protocol[S_contra]):
    """Reconciles the objects of one kind."""

    def unlisted(self, key: ObjectKey, state: S_contra | None) -> str | None:
        """Return the plural of a resource that must be listed before `reconcile` may run.

        The result is None if `reconcile` may run at once.
        """

    async def reconcile(self, key: ObjectKey, state: S_contra | None) -> bool:
        """Reconcile one object; return False if it has to be tried again after a while.

        Args:
            key: key of the object.
            state: the cached object; None if it does not exist.

        Raises:
            Blocked: a step was refused or has to wait; report it on the object.
            KubeError: a request failed; try again.
        """
