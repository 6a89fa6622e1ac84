"""The writes that one Task costs the API server, counted in its audit log."""

from collections import Counter
from collections.abc import Mapping

from tests.benchmarks.runner_stack import Place, RunnerStack
from tests.benchmarks.token_provider import Course
from wegent_crds.phases import FINAL

WITHIN_S = 60.0


async def writes_of(stack: RunnerStack, place: Place, course: Course) -> Mapping[str, int]:
    """Run one Task, and return its writes by writer and resource."""
    audit = stack.audit()
    await place.create([course])
    await place.until(FINAL, [course.key], WITHIN_S)
    return Counter(
        f"{write.user.rpartition(':')[2].removeprefix('wegent-')} {write.verb}"
        f" {'/'.join(filter(None, (write.resource, write.subresource)))}"
        for write in audit.writes(namespace=place.namespace)
    )
