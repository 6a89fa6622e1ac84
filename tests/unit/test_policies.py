"""The policies are written by hand; these tests compare their names with the code's constants."""

import re
from itertools import chain
from typing import Any, Final

import pytest
import yaml

from codegen.policies import filled
from devcluster.checkout import CHECKOUT
from tests.support.policy_files import (
    Manifest,
    expressions,
    metadata_bounds,
    policies,
    policy_files,
    validating,
    variable,
)
from wegent_crds import api_keys, members, runners, well_known
from wegent_crds.conditions import ConditionType
from wegent_crds.kinds.account import AccountSpec
from wegent_crds.kinds.group import GroupSpec
from wegent_crds.kinds.task_questions import TaskAnswer
from wegent_crds.kinds.tombstone import TombstoneSpec
from wegent_crds.registry import ACCOUNT, GHOST, GROUP, KINDS, MODEL, TOMBSTONE
from wegent_crds.schema.status import Status
from wegent_operator.accounts.provisioned import ACCOUNT_UID_LABEL
from wegent_operator.accounts.quota import QUOTA_NAME

OPERATOR = "system:serviceaccount:wegent-system:wegent-operator"
RUNNER_SUBJECT = "wegent-system:wegent-runner"
"""Namespace and name of the ServiceAccount, as a policy compares them."""
PROXY = "system:serviceaccount:wegent-system:wegent-api"
RUNNER = "system:serviceaccount:wegent-system:wegent-runner"
ACCOUNTS = "system:serviceaccount:wegent-accounts:"
OF_USERS = {"TOMBSTONE_OF", "REQUEST_ID"}
"""The label and the annotation that users can change as any other."""
ON_OBJECTS = {
    value
    for name, value in vars(well_known).items()
    if name.isupper() and isinstance(value, str) and name not in {"GROUP", *OF_USERS}
}
"""Annotations and the finalizer."""
NAMES: Final = {
    *ON_OBJECTS,
    *map(members.role_name, members.ROLES),
    *members.SYSTEM_NAMESPACES,
    members.ACCOUNT_LABEL,
    members.ACCOUNT_PREFIX.removesuffix("-"),
    members.MANAGED_BY,
    members.MANAGER,
    members.PREFIX,
    members.SYSTEM_PREFIX,
    ACCOUNT_UID_LABEL,
    members.GROUP_LABEL,
    members.GROUP_UID_LABEL,
    members.OWN_NAMESPACE_PREFIX,
    *members.CLUSTER_NAMESPACES,
    QUOTA_NAME,
    api_keys.HOSTS_ANNOTATION,
    api_keys.ROLE,
    api_keys.SECRET_TYPE,
    OPERATOR,
    RUNNER_SUBJECT,
    PROXY,
    RUNNER,
    runners.LEASE_PREFIX,
    ACCOUNTS,
}
"""Names that the programs use too. Each occurs in a policy."""
OTHERS: Final = {
    # The API's
    *("CREATE", "UPDATE", "DELETE", "True", "create", "get", "update", "delete"),
    *("ServiceAccount", "ClusterRole", "Role", "rolebindings", members.RBAC_GROUP),
    *("secrets", "Background", "approve"),
    *("add", "remove", "/metadata/annotations", "/metadata/annotations/", "/spec/answers"),
    *("/metadata/finalizers", "/metadata/finalizers/-"),
    # Of Wegent's kinds
    *TaskAnswer.model_fields,
    *(
        GROUP,
        ACCOUNT.plural,
        GHOST.plural,
        MODEL.plural,
        TOMBSTONE.plural,
        ConditionType.LAST_ADMIN.value,
    ),
    ConditionType.KEY_USABLE.value,
    *("Ghost", "Model", "Team", "user", "admin"),
    # Verbs that only policies check
    *("grant-admin", "bypass", "purge", "keep-creator"),
    # Text between names, characters with a longer form in JSON
    *("%s", r"[{\\[]"),
    # Patterns of names
    *("*", ".*", "^", "$"),
    *("", "-", ":", r"[<>&\\x00-\\x1f\\x{2028}\\x{2029}]", r'["\\\\]'),
}
LITERAL = re.compile(r"'([^']*)'")
IN_MESSAGE = re.compile(r"\b(?:agent\.wecode\.io/|wegent-)[a-z-]*")
FIELD = re.compile(r"\bobject\.(\w+)\.\??(\w+) == oldObject\.(\w+)\.\??(\w+)")

POLICIES = policies()
IDS = [f"{it['kind']}-{it['metadata']['name']}" for it in POLICIES]


def literals(policy: Manifest) -> set[str]:
    return set(chain.from_iterable(map(LITERAL.findall, expressions(policy))))


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
def test_each_text_in_an_expression_is_a_known_name(policy: Manifest) -> None:
    assert literals(policy) - NAMES - OTHERS == set()


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
def test_each_name_in_a_message_is_a_known_one(policy: Manifest) -> None:
    messages = [it["message"] for it in policy["spec"].get("validations", ())]
    named = set(chain.from_iterable(map(IN_MESSAGE.findall, messages)))
    assert named <= NAMES


def test_each_name_of_the_programs_occurs() -> None:
    assert set(chain.from_iterable(map(literals, POLICIES))) >= NAMES | OTHERS


@pytest.mark.parametrize("file", policy_files().values(), ids=policy_files())
def test_each_policy_is_bound_and_fails_closed(file: list[Manifest]) -> None:
    found, bindings = file[::2], file[1::2]
    assert {it["metadata"]["labels"]["app.kubernetes.io/part-of"] for it in file} == {"wegent"}
    for policy, binding in zip(found, bindings, strict=True):
        name = policy["metadata"]["name"]
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert binding["kind"] == f"{policy['kind']}Binding"
        assert binding["metadata"]["name"] == name
        action = {"validationActions": ["Warn" if name == "wegent-duplicates" else "Deny"]}
        bound = {} if binding["kind"].startswith("Mutating") else action
        assert binding["spec"] == {"policyName": name, **bound}


def test_mutating_policies_have_a_file_of_their_own() -> None:
    """The chart installs no file with a mutating policy on a cluster that doesn't know the kind."""
    for name, file in policy_files().items():
        mutating = {it["kind"].startswith("Mutating") for it in file}
        assert mutating == {name == "mutating.yaml"}


def fields(model: type[Any]) -> set[str]:
    return {field.alias for field in model.model_fields.values()}


@pytest.mark.parametrize(
    ("policy", "part", "model", "changeable"),
    [
        ("wegent-api-accounts", "spec", AccountSpec, "passwordSecretRef"),
        ("wegent-tombstones", "spec", TombstoneSpec, "restore"),
        ("wegent-api-groups", "spec", GroupSpec, "members"),
        ("wegent-runner-models", "status", Status, "conditions"),
    ],
)
def test_all_other_fields_of_a_model_stay_the_same(
    policy: str, part: str, model: type[Any], changeable: str
) -> None:
    compared = FIELD.findall(variable(f"same{part.capitalize()}", validating(policy)))
    assert {field for _, field, *_ in compared} == fields(model) - {changeable}
    assert all((new, field) == (old, other) == (part, field) for new, field, old, other in compared)


def test_the_reserved_names_are_those_of_the_operator() -> None:
    reserved = variable("reserved", validating("wegent-group-names"))
    assert tuple(LITERAL.findall(reserved)) == members.CLUSTER_NAMESPACES
    values = yaml.safe_load((CHECKOUT / "charts/wegent/values.yaml").read_text(encoding="utf-8"))
    assert tuple(values["reservedNamespaces"]) == members.CLUSTER_NAMESPACES


def test_each_list_of_references_has_its_warning() -> None:
    wanted = [
        (kind.kind, reference.path.removeprefix("spec.").removesuffix("[]"))
        for kind in KINDS
        for reference in kind.references
        if reference.path.endswith("[]")
    ]
    policy = validating("wegent-duplicates")
    assert [it["message"].partition(":")[0] for it in policy["validations"]] == [
        f"spec.{field}" for _, field in wanted
    ]
    for (kind, field), rule in zip(wanted, policy["validations"], strict=True):
        assert rule["expression"].startswith(f"!variables.{field}.exists(")
        assert f"the {kind} is not Ready" in rule["message"]
        items = variable(field, policy)
        assert items == f"object.kind == '{kind}' ? dyn(object).spec.?{field}.orValue([]) : []"


def test_each_bound_is_in_its_message() -> None:
    rules = validating("wegent-bounds")["validations"]
    for (count, bound), rule in zip(metadata_bounds().items(), rules, strict=True):
        grown = f"variables.{count} <= variables.old{count[0].upper()}{count[1:]}"
        assert " ".join(rule["expression"].split()) == f"variables.{count} <= {bound} || {grown}"
        assert f"at most {bound} " in rule["message"]


def test_a_list_is_filled_in_below_its_comment() -> None:
    comment = "    # generated: kinds with a trash, and their status\n"
    text = f"a: b\n{comment}    resources: [ghosts,\n      old]\nc: d\n"
    after = filled(text)
    assert after.startswith(f"a: b\n{comment}    resources: [ghosts, ghosts/status, models,")
    assert after.endswith("tasks, tasks/status]\nc: d\n")
    assert max(map(len, after.splitlines())) <= 100
    assert filled(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "# generated: all sorts\nresources: []\n",
        "# generated: all kinds\nverbs: []\n",
        "# generated: all kinds\n\nresources: []\n",
    ],
)
def test_a_comment_without_its_list_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="above a list of resources: # generated: all"):
        filled(text)
