"""``/{name}/references`` and ``/{name}/referrers``: both directions of references.

Everything is read with the caller's token. A reference is permitted or not according to labels of
namespaces and to the operator's settings. Callers may not be able to read those, so the answer
comes from the operator's condition on the object.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Query

from wegent_api.http.bearer import CallerDep
from wegent_api.http.query import Name, OneParameters, ReferrersParameters
from wegent_api.kinds.models import FoundReference, ReferenceList, ReferrerList, ResolvedRefs
from wegent_api.kinds.reference_check import look_up, targets_of
from wegent_api.kinds.referrers import Search
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.role_bindings import BindingsDep
from wegent_crds.conditions import ConditionType, Reason, conditions_of, find_condition
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_crds.registry import BY_PLURAL, Kind
from wegent_kube.resources import resource_of

TRUE: Final = "True"


class Relations:
    """The routes of one kind for the references from and to its objects."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def references(
        self,
        user_api: UserApiDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[OneParameters, Query()],
    ) -> ReferenceList:
        """List the references of one object, and for each whether it exists and is permitted."""
        namespace = parameters.namespace
        path = self.resource.path(namespace, name)
        body = await user_api.request_json(caller, "GET", path)
        found = list(references_of(self.kind, namespace, body))
        seen = await look_up(user_api, caller, targets_of(found))
        resolved = resolved_refs(body)
        items = [
            FoundReference(
                field=reference.field,
                kind=BY_PLURAL[reference.target.plural].kind,
                namespace=reference.target.namespace,
                name=reference.target.name,
                found=seen.get(reference.target),
                permitted=permitted(reference, namespace, found, resolved),
            )
            for reference in found
        ]
        return ReferenceList(items=items, resolved_refs=resolved)

    async def referrers(
        self,
        user_api: UserApiDep,
        bindings: BindingsDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[ReferrersParameters, Query()],
    ) -> ReferrerList:
        """List the objects that refer to an object, whether or not that object exists.

        The API server has no index for this, so the proxy searches all possible referrers, a part
        in each request. Continue with `continue` for as long as the answer has one.
        """
        target = ObjectKey(self.kind.plural, parameters.namespace, name)
        search = Search(user_api, bindings, caller, target)
        items, rest = await search.run(parameters.continue_)
        return ReferrerList(items=items, continue_=rest)


def resolved_refs(body: Mapping[str, Any]) -> ResolvedRefs | None:
    """Return the operator's verdict on the references of an object, or None before the first."""
    resolved = find_condition(conditions_of(body), ConditionType.RESOLVED_REFS)
    if resolved is None or resolved.observed_generation is None:
        return None
    return ResolvedRefs(
        status=resolved.status,
        reason=resolved.reason,
        message=resolved.message,
        current=resolved.observed_generation == body["metadata"]["generation"],
    )


def permitted(
    reference: Reference, namespace: str, beside: Sequence[Reference], resolved: ResolvedRefs | None
) -> bool | None:
    """Return whether the reference is permitted, or None if the caller sees no verdict on it.

    References within a namespace are always permitted. For others, the operator's verdict covers
    all references of the object. A positive verdict holds for each. A negative verdict names the
    one reference if the object has only one to another namespace.
    """
    if reference.target.namespace == namespace:
        return True
    if resolved is None or not resolved.current:
        return None
    if resolved.status == TRUE:
        return True
    elsewhere = [it for it in beside if it.target.namespace != namespace]
    if resolved.reason == Reason.REF_NOT_PERMITTED and len(elsewhere) == 1:
        return False
    return None
