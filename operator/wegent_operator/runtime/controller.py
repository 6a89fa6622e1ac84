"""The interface of controllers. Each kind has one; `app` has the table."""

from typing import Protocol, TypeVar

from wegent_crds.references import ObjectKey
from wegent_operator.state.objects import ObjectState

S_contra = TypeVar("S_contra", bound=ObjectState, contravariant=True)


class Controller(Protocol[S_contra]):
    """Reconciles the objects of one kind."""

    def unlisted(self, key: ObjectKey, state: S_contra | None) -> str | None:
        """Return the plural of a resource that must be listed before `reconcile` may run.

        None where `reconcile` may run at once.
        """

    async def reconcile(self, key: ObjectKey, state: S_contra | None) -> bool:
        """Bring one object in line; return False where it is to be tried again after a while.

        Args:
            key: of the object.
            state: the object as it is known; None where there is no such object.

        Raises:
            Hindered: a step was refused, or waits for somebody; to be told on the object.
            KubeError: a request failed; try again.
        """
