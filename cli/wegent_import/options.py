"""Options of an import."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from wegent_import.names import namespace_name, object_name

TasksMode = Literal["none", "pending"]


class OptionError(ValueError):
    """The value of an option has a wrong form."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the conversion of documents."""

    namespaces: Mapping[str, str] = field(default_factory=dict)
    """Namespace for each of Wegent's that gets another name."""
    default_model: tuple[str, str] | None = None
    """Namespace and name of the Model of Bots that name none."""
    create_namespaces: bool = False
    """True to write a Namespace object for each namespace of the result."""
    tasks: TasksMode = "none"
    """``pending`` imports Tasks that have not begun; no other Task is ever imported."""
    expand_templates: bool = False
    """True to write the Ghost, Bot and Team of each Template."""
    accounts_namespace: str = "wegent-accounts"
    """Namespace of Accounts."""
    decrypt: Callable[[str], str | None] | None = None
    """Decrypts a key of Wegent's database, or returns None; None if no key for it is known."""


def namespace_map(pairs: list[str]) -> dict[str, str]:
    """Return the namespaces of ``A=B`` options.

    Raises:
        OptionError: a pair has no ``=``, or ``B`` is not the name of a namespace.
    """
    found = {}
    for pair in pairs:
        source, equals, target = pair.partition("=")
        if not equals or not source or namespace_name(target) != target:
            raise OptionError(f"--map-namespace {pair}: use A=B, where B is a Kubernetes namespace")
        found[source] = target
    return found


def model_key(text: str) -> tuple[str, str]:
    """Return the namespace and the name of ``[NAMESPACE/]NAME``.

    Raises:
        OptionError: the text is not the name of a Model.
    """
    namespace, slash, name = text.rpartition("/")
    namespace = namespace if slash else "default"
    if namespace_name(namespace) != namespace or object_name(name, "Model") != name:
        raise OptionError(f"--default-model {text}: use [NAMESPACE/]NAME of a Model")
    return namespace, name
