"""The id of the request that created a Task, noted on the Task for its runner."""

from collections.abc import Mapping
from typing import Any

from wegent_api.server.logs import request_id
from wegent_crds.well_known import REQUEST_ID


def with_request_id(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a new Task with the id of the current request, unless its author has given one.

    A body whose metadata has another shape than an object's is returned as it is: the API server
    refuses it.
    """
    metadata = task.get("metadata") or {}
    given = metadata.get("annotations") or {} if isinstance(metadata, Mapping) else None
    current = request_id.get()
    if not isinstance(given, Mapping) or current is None:
        return task
    return {**task, "metadata": {**metadata, "annotations": {REQUEST_ID: current, **given}}}
