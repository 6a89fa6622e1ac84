"""Valid, nearly valid and invalid bodies, made by hypothesis from the schemas.

The bounds of single values are read from the schema. Rules over several values are mostly met by a
later repair (``REPAIRS``), so that enough bodies pass. A nearly valid body is a valid one with a
few values changed for the worse.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.crds.edges import ASTRAL
from tests.crds.schemas import Schema, root_schema
from tests.support.tasks import ENDED, STARTED, claim, question, running, waiting
from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_crds.schema.fields import DNS_SUBDOMAIN, LABEL_KEY

CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
"""All of Unicode but lone surrogates, on which ``wegent_crds.schema.base`` differs."""
ANYTHING: Final = st.none() | st.integers(-9, 9) | st.text(CHARACTERS, max_size=5)
FILLERS: Final = ("a", "é", "<", "\0", ASTRAL)
TASKS_OWN: Final = (
    *("claim", "attempts", "releases", "startTime", "waitingFor", "waitingSince"),
    *("completionTime", "result"),
)
"""Fields of a Task's status that rules require or forbid, depending on the phase."""
A_FEW: Final = 3
"""The number of items of a list or a map that isn't filled up; enough for differences."""


def _metadata(plural: str) -> Schema:
    """Return a schema for metadata, as the API server publishes none of its own."""
    name = {"type": "string", "maxLength": 63, "pattern": rf"^{DNS_SUBDOMAIN}$"}
    if plural in ("accounts", "groups"):
        name |= {"maxLength": 50, "pattern": "^[a-z0-9]+(-[a-z0-9]+)?$"}
    keys = [{"rule": f"key.matches(r'{LABEL_KEY}')"}]
    labels = {"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]+([-_.][A-Za-z0-9]+)?)?$"}
    texts = {"type": "string", "maxLength": 200}
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": name,
            "generateName": {"type": "string", "maxLength": 40, "pattern": "^[a-z]+-?$"},
            "labels": _map_of(labels, keys),
            "annotations": _map_of(texts, keys),
        },
    }


def _map_of(schema: Schema, keys: list[dict[str, str]]) -> Schema:
    return {
        "type": "object",
        "maxProperties": 4,
        "additionalProperties": schema,
        "x-kubernetes-validations": keys,
    }


def new_object_schema(plural: str) -> Schema:
    """Return the schema of a new object as a whole; its status is ignored."""
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "enum": [API_VERSION]},
            "kind": {"type": "string", "enum": [BY_PLURAL[plural].kind]},
            "metadata": _metadata(plural),
            "spec": root_schema(plural)["properties"]["spec"],
        },
    }


def right(schema: Schema, name: str = "") -> SearchStrategy[Any]:
    """Return a strategy for values that the schema allows; ``name`` is that of the field."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "additionalProperties" in schema:
        return _maps(schema, name)
    made = _MAKERS[schema["type"]](schema)
    return _repaired(made, REPAIRS[name]) if name in REPAIRS else made


def _strings(schema: Schema) -> SearchStrategy[str]:
    longest, least = schema["maxLength"], schema.get("minLength", 0)
    if "pattern" in schema:
        pattern = schema["pattern"].removeprefix("^").removesuffix("$")
        if least > 1 and pattern.endswith("*"):  # such as a hash, whose length is fixed
            pattern = f"{pattern[:-1]}{{{least},{longest}}}"
        matching = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
        return matching.filter(lambda text: len(text) <= longest)
    shortest = schema.get("minLength", 0)
    short = st.text(CHARACTERS, min_size=shortest, max_size=min(longest, 12))
    full = st.builds(
        lambda filler, size: filler * size,
        st.sampled_from(FILLERS),
        st.sampled_from([max(shortest, 1), longest - 1, longest]),
    )
    return _mostly(short, full, 16)


def _integers(schema: Schema) -> SearchStrategy[float]:
    least, most = schema["minimum"], schema.get("maximum", 2**63 - 1)
    anywhere = st.integers(least, most) | st.sampled_from([least, most])
    return _mostly(anywhere, anywhere.map(float), 8)


def _numbers(schema: Schema) -> SearchStrategy[float]:
    least, most = schema["minimum"], schema["maximum"]
    return st.floats(least, most) | st.integers(least, most)


def _lists(schema: Schema) -> SearchStrategy[list[Any]]:
    kind, keys = schema["x-kubernetes-list-type"], schema.get("x-kubernetes-list-map-keys")
    identity: Callable[[Any], Any] = lambda item: item  # noqa: E731 - a key as sorted() takes it
    if keys:
        identity = lambda item: tuple(item.get(key, "") for key in keys)  # noqa: E731
    return st.lists(
        right(schema["items"], "[]"),
        min_size=schema.get("minItems", 0),
        max_size=min(A_FEW, schema["maxItems"]),
        unique_by=None if kind == "atomic" else identity,
    )


def _maps(schema: Schema, name: str) -> SearchStrategy[dict[str, Any]]:
    found = re.search(r"matches\(r'\^(.*)\$'\)", schema["x-kubernetes-validations"][0]["rule"])
    assert found
    keys = st.from_regex(re.compile(found[1], re.ASCII), fullmatch=True)
    values = right(schema["additionalProperties"], f"{name}.*")
    return st.dictionaries(keys, values, max_size=A_FEW)


def _objects(schema: Schema) -> SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        return st.dictionaries(st.text(CHARACTERS, max_size=5), ANYTHING, max_size=A_FEW)
    required = set(schema.get("required", ()))
    fields = {name: right(field, name) for name, field in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: made for name, made in fields.items() if name in required},
        optional={name: made for name, made in fields.items() if name not in required},
    )


_MAKERS: Final[Mapping[str, Callable[[Schema], SearchStrategy[Any]]]] = {
    "string": _strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": lambda _: st.booleans(),
    "array": _lists,
    "object": _objects,
}


def _mostly(
    usual: SearchStrategy[Any], rare: SearchStrategy[Any], one_in: int
) -> SearchStrategy[Any]:
    return st.integers(1, one_in).flatmap(lambda number: rare if number == one_in else usual)


@st.composite
def _repaired(draw: DrawFn, made: SearchStrategy[Any], repair: Callable[[Any], Any]) -> Any:
    value = draw(made)
    return repair(value) if draw(st.integers(1, 8)) < 8 else value


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in names}


def _server(server: dict[str, Any]) -> dict[str, Any]:
    if server.get("type") == "stdio" or ("type" not in server and "command" in server):
        return {"command": "run", **_without(server, "url", "headers", "headersFrom")}
    return {"url": "http://localhost/mcp", **_without(server, "command", "args", "env")}


def _requirements(requirements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**item, "values": item.get("values") or ["a"]}
        if item["operator"] in ("In", "NotIn")
        else _without(item, "values")
        for item in requirements
    ]


def _bots(bots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    led = bots[:1] + [_without(bot, "role") for bot in bots[1:]]
    return [
        bot if bot.get("contextPassing") != "none" else {**bot, "prompt": bot.get("prompt") or "p"}
        for bot in led
    ]


def _spec(spec: dict[str, Any]) -> dict[str, Any]:
    if spec.get("baseUrl", "").startswith("http:"):
        return {**spec, "allowInsecureBaseUrl": True}
    if any({"contextPassing", "requireConfirmation"} & bot.keys() for bot in spec.get("bots", ())):
        return {**spec, "collaborationMode": "pipeline"}
    if "botRef" in spec:
        return _without(spec, "teamRef")
    if "prompt" in spec:
        return {"teamRef": {"name": "team"}, **spec}
    return spec


def _status(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status that a Pending Task may get, or a Running one with the status ``running``."""
    rest, phase = _without(status, *TASKS_OWN), status.get("phase", "Pending")
    begun = "attempts" in status
    if phase == "Pending":
        return {**rest, "attempts": 1} if begun else rest
    if phase == "Running":
        held = claim() | _without(status.get("claim", {}), "holder")
        return {**rest, **running(claim=held)}
    if phase == "Waiting":
        asked = status.get("waitingFor", [question()])
        return {**rest, **waiting(waitingFor=asked, waitingSince=ENDED)}
    result = {"result": status["result"]} if "result" in status and phase != "Cancelled" else {}
    started = {"startTime": STARTED} if begun else {}
    end = status.get("completionTime", ENDED)
    return {**rest, **result, **started, "completionTime": end, "attempts": int(begun)}


REPAIRS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "mcpServers.*": _server,
    "matchExpressions": _requirements,
    "bots": _bots,
    "spec": _spec,
    "status": _status,
}
"""The repair of a value for the rules over several fields, by the field's name."""
