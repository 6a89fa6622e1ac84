"""``/{name}/references`` and ``/{name}/referrers``: the two ends of references.

Everything is read with the caller's token. Whether a reference is permitted depends on
labels of namespaces and on the operator's settings, which callers need not see: that
is the operator's to say, and its word is in the object.
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
from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_crds.registry import BY_PLURAL, Kind
from wegent_kube.resources import resource_of

TRUE: Final = "True"


class Relations:
    """The routes of one kind that tell how its objects hang together with others."""

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
        """List what one object refers to, and whether that is there and may be referred to."""
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
        """List what refers to an object, whether that is there or not.

        The API server can't be asked for that: what might refer to it is read through, a part
        at a time. Go on with `continue` for as long as there is one.
        """
        target = ObjectKey(self.kind.plural, parameters.namespace, name)
        search = Search(user_api, bindings, caller, target)
        items, rest = await search.run(parameters.continue_)
        return ReferrerList(items=items, continue_=rest)


def resolved_refs(body: Mapping[str, Any]) -> ResolvedRefs | None:
    """Return what the operator has said of the references of an object; None: nothing yet."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition["type"] == ConditionType.RESOLVED_REFS and "observedGeneration" in condition:
            return ResolvedRefs(
                status=condition["status"],
                reason=condition["reason"],
                message=condition["message"],
                current=condition["observedGeneration"] == body["metadata"]["generation"],
            )
    return None


def permitted(
    reference: Reference, namespace: str, beside: Sequence[Reference], resolved: ResolvedRefs | None
) -> bool | None:
    """Return whether an object may refer so, None where nothing that the caller sees says it.

    The same namespace is always permitted. For others, the operator's word is about all
    references together: a good one is good for each, a bad one names the only other one.
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
