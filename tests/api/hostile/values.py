"""Odd values of JSON, and odd bytes."""

import random
from typing import Any, Final

TEXTS: Final = (
    "",
    " ",
    "\0",
    "\x7f",
    "\x1b[31m",
    "a\r\nX-Injected: 1",
    "\u202e\u2066",
    "\ufeff",
    "\u0000x",
    "\N{GRINNING FACE}" * 30,
    "e\u0301" * 40,
    "\U0010ffff",
    "\uffff",
    "Ünïcödé",
    "字" * 100,
    "x" * 3000,
    "../../etc/passwd",
    "%00",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>",
    "' OR 1=1 --",
    "-",
    "a" * 254,
    "A",
    "kube-system",
    "2026-02-30T00:00:00Z",
    "9" * 400,
    "NaN",
    "null",
    "__proto__",
    "a.b.c",
)
_DEEP: Final = 200


def _deep(length: int) -> Any:
    value: Any = 0
    for _ in range(length):
        value = [value]
    return value


VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1 << 31,
    1 << 63,
    1 << 64,
    -(1 << 70),
    10**300,
    0.5,
    -0.0,
    1e308,
    5e-324,
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"a": {"b": {}}},
    [1] * 500,
    {f"k{it}": it for it in range(300)},
    _deep(_DEEP),
    "\ud800",
    "\udfff\ud800",
    *TEXTS,
)
"""Values that may stand in the place of any other."""

BYTES: Final = (
    b"",
    b"\0",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"{",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"null",
    b"0",
    b'"',
    b"{}{}",
    b"[]",
    b"{} trailing",
    b'{"a":1,"a":2}',
    b'{"a":NaN}',
    b'{"a":1e999}',
    b"nul",
    b'{"a":-}',
    b'{"a":01}',
    b"\x1f\x8b\x08\x00" + b"\0" * 40,
    b"a=b&c=d",
    b"a=%ff&a=%zz",
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--",
    b"<?xml version='1.0'?><a/>",
    b"a: &a [*a]",
    b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    b"!!python/object:os.system {}",
    b"? [a]\n: b",
    b"a: !!binary x",
    b"- " * 500,
    b"a: 2026-13-45",
    b"<<: {a: b}\n<<: *x",
    b"%YAML 9.9\n---\n",
    b"--- {}\n--- {}\n",
    b"a: 0o17\nb: 0x1g\nc: .inf\nd: 1_000",
    b"\xff\xfe{\0}\0",
    b"a: !<tag:x> b",
    b"a: !!int x",
    b"a: !!float x",
    b"a: !!timestamp x",
    b"a: !!set {b, c}",
    b"a: !!omap [x]",
)


def mutated(value: Any, chance: random.Random) -> Any:
    """Return a copy in which one value or key, at any depth, is an odd one."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        copy = dict(value)
        trick = chance.random()
        if trick < 0.06:
            del copy[key]
        elif trick < 0.12:
            copy[chance.choice(TEXTS)] = copy.pop(key)
        elif trick < 0.16:
            copy[chance.choice(TEXTS)] = chance.choice(VALUES)
        else:
            copy[key] = mutated(value[key], chance)
        return copy
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        trick = chance.random()
        if trick < 0.1:
            return value * chance.choice((2, 100))
        return [*value[:place], mutated(value[place], chance), *value[place + 1 :]]
    return chance.choice(VALUES)
