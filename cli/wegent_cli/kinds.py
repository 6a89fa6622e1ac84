"""Names of kinds as a user writes them: ``bot``, ``bots``, ``bo``, ``Bot``, ``bot/reviewer``."""

from difflib import get_close_matches

from wegent_cli.errors import usage
from wegent_crds.registry import BY_KIND, GROUP, KINDS, Kind

ALL = "wegent"
"""The category of all kinds, as in ``kubectl get wegent``."""
USER_FACING = tuple(kind for kind in KINDS if kind.user_facing)
_BY_NAME = {
    name: kind
    for kind in KINDS
    for name in (kind.singular, kind.plural, kind.crd_name, *kind.short_names)
}


def kind_named(name: str) -> Kind:
    """Return a kind by any of its names.

    Raises:
        CliError: no kind has the name.
    """
    found = _BY_NAME.get(name.lower())
    if found is not None:
        return found
    near = get_close_matches(name.lower(), _BY_NAME, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    known = ", ".join(kind.plural for kind in USER_FACING)
    raise usage(f"there is no kind `{name}`{hint}", f"use one of: {known}")


def kind_of(body: dict[str, object]) -> Kind | None:
    """Return the kind of an object; None if it is none of Wegent's."""
    if str(body.get("apiVersion", "")).partition("/")[0] != GROUP:
        return None
    return BY_KIND.get(str(body.get("kind")))


def kind_and_names(words: list[str]) -> tuple[str, list[str]]:
    """Return the kind and the names in ``KIND NAME...`` or ``KIND/NAME...``.

    Raises:
        CliError: the words have neither form, or name several kinds.
    """
    if not words:
        raise usage("a kind is missing", "name it, such as `bots`, `task/hello` or `wegent`")
    if "/" not in words[0]:
        return words[0], words[1:]
    pairs = [word.split("/", 1) for word in words]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise usage("every object needs the form KIND/NAME", "for example: bot/reviewer team/a")
    kinds = {kind_named(pair[0]).plural for pair in pairs}
    if len(kinds) > 1:
        raise usage("the objects are of several kinds", "use one command for each kind")
    return pairs[0][0], [pair[1] for pair in pairs]


def kind_and_name(words: list[str]) -> tuple[Kind, str]:
    """Return the kind and the name in ``KIND NAME`` or ``KIND/NAME``.

    Raises:
        CliError: the words name no object, or several.
    """
    kind, names = kind_and_names(words)
    if len(names) != 1:
        raise usage("exactly one object is needed", "for example: bot/reviewer")
    return kind_named(kind), names[0]
