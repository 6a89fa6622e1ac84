"""Kubeconfigs whose user is the plugin ``wegent credential``, merged into a file of the user.

Cluster, user and context have one name, ``wegent-<context>``. Entries of that name are replaced,
and all others stay as they are.
"""

from collections.abc import Mapping
from typing import Any, Final

from wegent_cli.errors import usage

PLUGIN_API: Final = "client.authentication.k8s.io/v1"
LISTS: Final = ("clusters", "users", "contexts")


def entry_name(context: str) -> str:
    """Return the name of the entries for a context of the CLI."""
    return f"wegent-{context}"


def plugin(command: str, context: str, config: str = "") -> dict[str, Any]:
    """Return the ``exec`` of a user.

    Args:
        command: path or name of the CLI.
        context: context of the CLI.
        config: path of the CLI's configuration, if it is not the usual one.
    """
    environment = [{"name": "WEGENT_CONFIG", "value": config}] if config else None
    return {
        "apiVersion": PLUGIN_API,
        "command": command,
        "args": ["credential", "--context", context],
        "env": environment,
        "installHint": "The command wegent is missing: pipx install 'wegent[cli]'",
        "interactiveMode": "Never",
        "provideClusterInfo": False,
    }


def entries(
    name: str, cluster: Mapping[str, Any], exec_: Mapping[str, Any], namespace: str
) -> dict[str, dict[str, Any]]:
    """Return the three entries, by the list that they belong to."""
    context = {"cluster": name, "user": name, **({"namespace": namespace} if namespace else {})}
    return {
        "clusters": {"name": name, "cluster": dict(cluster)},
        "users": {"name": name, "user": {"exec": dict(exec_)}},
        "contexts": {"name": name, "context": context},
    }


def cluster_of(kubeconfig: Any) -> tuple[dict[str, Any], str]:
    """Return the cluster and the namespace of the kubeconfig that the REST API answers.

    Raises:
        CliError: the document has another form.
    """
    try:
        cluster = dict(kubeconfig["clusters"][0]["cluster"])
        namespace = str(kubeconfig["contexts"][0]["context"].get("namespace", ""))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise usage("the server's kubeconfig has no cluster", "ask the server's admin") from error
    return cluster, namespace


def merged(
    existing: Any, new: Mapping[str, Mapping[str, Any]], *, make_current: bool
) -> dict[str, Any]:
    """Return a kubeconfig with the new entries.

    Args:
        existing: the kubeconfig so far, None without one.
        new: one entry for each of LISTS.
        make_current: True to select the new context.

    Raises:
        CliError: ``existing`` is not a kubeconfig.
    """
    if existing is None:
        existing = {}
    if not isinstance(existing, Mapping):
        raise usage("the file is not a kubeconfig", "name another file: --file PATH")
    document = {"apiVersion": "v1", "kind": "Config", **existing}
    for key in LISTS:
        listed = [] if document.get(key) is None else document[key]
        if not isinstance(listed, list) or not all(isinstance(it, Mapping) for it in listed):
            raise usage(f"the file's {key} are not a list", "name another file: --file PATH")
        document[key] = [it for it in listed if it.get("name") != new[key]["name"]] + [new[key]]
    if make_current or not document.get("current-context"):
        document["current-context"] = new["contexts"]["name"]
    return document
