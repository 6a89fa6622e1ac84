"""No object exceeds etcd's limit of 1.5 MiB, nor does the Tombstone around it."""

import pytest

from tests.crds.largest import largest_body, stored_size
from tests.crds.samples import MINIMAL, body
from tests.crds.validation import LARGE_BODIES, ApiServer
from wegent_crds.registry import BY_PLURAL, KINDS, TOMBSTONE
from wegent_kube.resources import resource_of

pytestmark = pytest.mark.filterwarnings(LARGE_BODIES)

ETCD_MAX_BYTES = 1536 * 1024
SPARE_BYTES = 128 * 1024
"""Room for later additions to an object: status, managed fields, and the Tombstone around it."""
LARGE = [kind.plural for kind in KINDS if kind != TOMBSTONE]


@pytest.mark.parametrize("plural", LARGE)
async def test_the_largest_object_can_be_stored_and_kept_in_the_trash(
    plural: str, api_server: ApiServer
) -> None:
    made = await api_server.create(plural, largest_body(plural), dry_run=False)
    assert made.accepted, made.said
    assert stored_size(made.result) < ETCD_MAX_BYTES - SPARE_BYTES

    kept = MINIMAL["tombstones"] | {"object": made.result}
    tombstone = await api_server.create("tombstones", body("tombstones", kept), dry_run=False)
    assert tombstone.accepted, tombstone.said

    for path in (
        resource_of(BY_PLURAL[plural]).path(api_server.namespace, "largest"),
        resource_of(TOMBSTONE).path(api_server.namespace, "sample"),
    ):
        await api_server.client.request("DELETE", path)


@pytest.mark.parametrize("plural", ["ghosts", "skills"])
async def test_the_most_headers_stay_within_the_cost_of_rules(
    plural: str, api_server: ApiServer
) -> None:
    """The API server also bounds the cost of rules as they run, here those that compare names."""
    server = {
        "url": "https://mcp.example.com",
        "headers": {f"h-{number:0112}": "" for number in range(23)},
        "headersFrom": {
            f"s-{number:0126}": {"secretKeyRef": {"name": "s", "key": "k"}} for number in range(8)
        },
    }
    spec = MINIMAL[plural] | {"mcpServers": {f"s{number}": server for number in range(16)}}
    made = await api_server.create(plural, body(plural, spec))
    assert made.accepted, made.said
