"""Reads the objects that a Task refers to, and makes its plan.

The runner may read the objects of all namespaces; the author of a Task may not. The operator
decides on the objects that a Task may use, and writes its verdict on the Task. But a Bot may change
after the verdict and before the claim. So each reference to another namespace is checked here
again, by the operator's rule, on the objects that the plan is made of.
"""

import asyncio
import logging
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from wegent_crds.access import access_from, is_let_in, is_open
from wegent_crds.registry import BY_PLURAL
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import NAMESPACES, resource_of
from wegent_runner.plan.models import bound_model
from wegent_runner.plan.plan import (
    MemberPlan,
    NotServed,
    NotSettled,
    Plan,
    bot_plan,
    check_served,
    check_settled,
    history_of,
    leader_of,
    member_plan,
    members_of,
    mode_of,
    request_id_of,
)
from wegent_runner.plan.tools import mcp_servers_of, skills_of
from wegent_runner.runs.used import used_object, used_objects

logger = logging.getLogger(__name__)

Body = Mapping[str, Any]
BOTS_AT_ONCE: Final = 8
"""Bots that are read at once, of all Tasks together."""


class PlanLoader:
    """Makes plans from the objects in the API server.

    Args:
        client: the API server, with the runner's own rights.
        shared_namespaces: the namespaces whose objects any namespace may refer to.
    """

    def __init__(self, client: KubeClient, shared_namespaces: AbstractSet[str]) -> None:
        self._client = client
        self._shared = shared_namespaces
        self._at_once = asyncio.Semaphore(BOTS_AT_ONCE)

    async def plan(self, task: Body) -> Plan | None:
        """Return the plan of a Task, or None if this runner doesn't serve it.

        The objects are read anew for each Task, so that a Task that is created after a change of
        its Bot runs with the change. The operator's verdict on each object must be about the
        object as it was read: it says that the object may refer to others.

        Raises:
            KubeError: an object couldn't be read.
            NotSettled: an object isn't Ready, or has changed since the operator's verdict.
        """
        check_settled(task)
        spec, home = task["spec"], task["metadata"]["namespace"]
        try:
            if "teamRef" in spec:
                referrer = await self._get("teams", home, spec["teamRef"])
                mode, members = mode_of(referrer), members_of(referrer)
                leads = [] if mode == "pipeline" else [leader_of(referrer)]
                used_team = used_object("teams", referrer)
            else:
                used_team = None
                mode, members, leads, referrer = "solo", [], [spec["botRef"]], task
            loaded = await asyncio.gather(
                *(self._member(task, referrer, it) for it in (*leads, *members))
            )
            return Plan(
                prompt=spec["prompt"],
                request_id=request_id_of(task),
                bot=loaded[0].bot,
                mode=mode,
                members=tuple(loaded[len(leads) :]),
                team=used_team,
                previous=(spec.get("previousTaskRef") or {}).get("name"),
                history=history_of(spec),
                output_schema=spec.get("outputSchema"),
            )
        except NotServed as verdict:
            logger.debug("%s/%s: not run here: %s", home, task["metadata"]["name"], verdict)
            return None
        except ApiError as error:
            if error.is_not_found:  # the operator will say so on the Task
                raise NotSettled(str(error)) from error
            raise

    async def _member(self, task: Body, referrer: Body, member: Body) -> MemberPlan:
        """Return the plan of one Bot.

        Args:
            task: The Task.
            referrer: The object that refers to the Bot: the Team, or the Task itself.
            member: The reference: an entry of a Team's list, or a Task's ``botRef``.

        Raises:
            KubeError, NotServed, NotSettled: as ``_get``.
        """
        async with self._at_once:
            bot = await self._get("bots", referrer["metadata"]["namespace"], member)
            namespace, parts = bot["metadata"]["namespace"], bot["spec"]
            # First, since no other part matters if another kind of runner serves the Task.
            shell = await self._get("shells", namespace, parts["shellRef"])
            check_served(shell)
            naming = (task, task["spec"]), (referrer, member), (bot, parts)
            model_home, model_ref = bound_model(naming)
            ghost, model = await asyncio.gather(
                self._get("ghosts", namespace, parts["ghostRef"]),
                self._get("models", model_home, model_ref),
            )
            skills, fallbacks = await asyncio.gather(
                self._listed("skills", ghost, "skillRefs"),
                self._listed("models", model, "fallbackRefs"),
            )
        plan = bot_plan(
            bot,
            ghost,
            (model, *fallbacks),
            member.get("prompt") if member.get("contextPassing") != "none" else None,
            task["spec"].get("instructions"),
            mcp_servers=mcp_servers_of(ghost, skills),
            skills=skills_of(skills),
            used=used_objects(
                ("bots", bot),
                ("ghosts", ghost),
                ("models", model),
                ("shells", shell),
                *(("skills", it) for it in skills),
            ),
        )
        return member_plan(member, bot, plan)

    async def _listed(self, plural: str, referrer: Body, field: str) -> list[Body]:
        """Return the referents in a list of an object's spec, in its order.

        Raises:
            KubeError, NotServed, NotSettled: as ``_get``.
        """
        home = referrer["metadata"]["namespace"]
        references = referrer["spec"].get(field) or ()
        return await asyncio.gather(*(self._get(plural, home, it) for it in references))

    async def _get(self, plural: str, home: str, reference: Mapping[str, Any]) -> Body:
        """Return the referent of an object in the namespace ``home``.

        Raises:
            KubeError: it couldn't be read.
            NotServed: it doesn't let in that namespace.
            NotSettled: the operator has not found it Ready as it is now.
        """
        kind = BY_PLURAL[plural]
        namespace, name = reference.get("namespace") or home, reference["name"]
        body: Body = await self._client.request("GET", resource_of(kind).path(namespace, name))
        if not is_open(namespace, home, self._shared):
            place: Body = await self._client.request("GET", NAMESPACES.path(name=home))
            if not is_let_in(place["metadata"].get("labels") or {}, access_from(body["spec"])):
                told = f"{kind.kind} {namespace}/{name} does not allow references from {home}"
                raise NotServed(told)
        check_settled(body)
        return body
