"""The admission policies that keep the marks of objects true: creator, last change, deleter."""

from typing import Any, Final

from codegen.policy_parts import (
    ADD_FINALIZER,
    ALL,
    BEGIN_ANNOTATIONS,
    IS_OPERATOR,
    MAY_BYPASS,
    MAY_KEEP_CREATOR,
    NOTHING,
    PROXY,
    USER,
    annotate,
    annotation,
    has_any,
    has_finalizer,
    mutating,
    plain_name,
    remove_annotation,
    set_annotation,
    validating,
)
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, CREATOR, DELETED_BY, RESTORED_FROM

COPIED: Final = (CREATED_BY, CREATOR, CHANGED_BY)
"""The marks that a copied object has from its original, and that a backup keeps."""
DELETING: Final = "has(object.metadata.deletionTimestamp)"


def stamp_creator() -> dict[str, Any]:
    """On creation, record the creator, and drop the marks that a copied object has.

    The operator creates only restored objects, with their original creator. A holder of
    `keep-creator` does the same when restoring a backup.
    """
    signed, creator = annotation("object", CREATED_BY), annotation("object", CREATOR)
    stale = [
        remove_annotation(CHANGED_BY, "!variables.keeps"),
        remove_annotation(RESTORED_FROM),
        remove_annotation(DELETED_BY),
    ]
    signature = annotate({CREATED_BY: "variables.by", CREATOR: "variables.creator"})
    return mutating(
        "wegent-creator",
        ["CREATE"],
        ALL,
        {"not-the-operator": f"!({IS_OPERATOR})"},
        " + ".join([signature, *stale]),
        {
            "keeps": f"{has_any('object', COPIED)} && {MAY_KEEP_CREATOR}",
            "by": f"{signed} != '' && variables.keeps ? {signed} : {USER}",
            "creator": (
                f"{creator} != '' && variables.keeps ? {creator} : ({plain_name('variables.by')})"
            ),
        },
    )


def keep_marks() -> dict[str, Any]:
    """On an update that leaves them out, as `kubectl replace` of a manifest does, keep the marks.

    An object that is being deleted is left alone: leaving the finalizer out of it is an attempt
    to get around the trash, and refused.
    """
    kept = (CREATED_BY, CREATOR, RESTORED_FROM)
    left_out = {
        mark: f"{annotation('oldObject', mark)} != '' && {annotation('object', mark)} == ''"
        for mark in kept
    }
    unsigned = " || ".join(left_out.values())
    let_go = f"{has_finalizer('oldObject')} && !({has_finalizer('object')}) && !{MAY_BYPASS}"
    begin = f"({unsigned} ? {BEGIN_ANNOTATIONS} : [])"
    puts_back = [
        f"({missing} ? [{set_annotation(mark, annotation('oldObject', mark))}] : [])"
        for mark, missing in left_out.items()
    ]
    return mutating(
        "wegent-keep-marks",
        ["UPDATE"],
        ALL,
        {
            "alive": f"!{DELETING}",
            "not-the-operator": f"!({IS_OPERATOR})",
            "left-out": f"({unsigned}) || ({let_go})",
        },
        " + ".join([begin, *puts_back, f"({let_go} ? {ADD_FINALIZER} : [])"]),
    )


def stamp_changes() -> dict[str, Any]:
    """On an update, record the user who changed the spec, and drop the mark of another's deletion.

    The proxy changes an Account's spec for its owner, who is not its caller there.
    """
    changed = f"(object.?spec != oldObject.?spec && {USER} != '{PROXY}')"
    changer = f"({changed} ? {USER} : {annotation('oldObject', CHANGED_BY)})"
    deleter = annotation("object", DELETED_BY)
    asked = (
        f"({DELETING} ? {annotation('oldObject', DELETED_BY)}"
        f" : ({deleter} == {USER} ? {deleter} : ''))"
    )
    wanted = {CHANGED_BY: changer, DELETED_BY: asked}
    stale = " || ".join(f"{annotation('object', mark)} != {it}" for mark, it in wanted.items())
    patches = [
        f"({it} != '' ? [{set_annotation(mark, it)}] : {remove_annotation(mark)})"
        for mark, it in wanted.items()
    ]
    return mutating(
        "wegent-changes",
        ["UPDATE"],
        ALL,
        {"not-the-operator": f"!({IS_OPERATOR})", "out-of-date": stale},
        " + ".join([BEGIN_ANNOTATIONS, *patches]),
    )


def guard_creator() -> dict[str, Any]:
    """Refuse marks that name another user than the caller, also if no policy stamps them."""

    def was(key: str) -> str:
        return f"(request.operation == 'CREATE' ? '' : {annotation('oldObject', key)})"

    def one_of(key: str, *values: str) -> str:
        return f"{annotation('object', key)} in [{', '.join(values)}]"

    def unchanged(key: str) -> str:
        return f"{annotation('object', key)} == {was(key)}"

    creating = "request.operation == 'CREATE'"
    return validating(
        "wegent-creator",
        ["CREATE", "UPDATE"],
        ALL,
        # The operator restores objects from the trash with their original creator.
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                (
                    f"!({creating}) || ({one_of(CREATED_BY, NOTHING, USER)}"
                    f" && {one_of(CREATOR, NOTHING, f'({plain_name(USER)})')})"
                    f" || {MAY_KEEP_CREATOR}"
                ),
                (
                    f"metadata.annotations: {CREATED_BY} and {CREATOR} are set by the API server;"
                    " leave them out"
                ),
            ),
            (
                f"{creating} || ({unchanged(CREATED_BY)} && {unchanged(CREATOR)})",
                (
                    f"metadata.annotations: {CREATED_BY} and {CREATOR} say who created the object"
                    " and can't be changed"
                ),
            ),
            (
                (
                    f"{one_of(CHANGED_BY, NOTHING, USER, was(CHANGED_BY))}"
                    f" || ({creating} && {MAY_KEEP_CREATOR})"
                ),
                f"metadata.annotations: {CHANGED_BY} is set by the API server; leave it out",
            ),
            (
                one_of(RESTORED_FROM, NOTHING, was(RESTORED_FROM)),
                f"metadata.annotations: only Wegent's operator sets {RESTORED_FROM}; leave it out",
            ),
            (
                (
                    f"{DELETING} || {creating} ? {unchanged(DELETED_BY)}"
                    f" : {one_of(DELETED_BY, NOTHING, USER, was(DELETED_BY))}"
                ),
                (
                    f"metadata.annotations: {DELETED_BY} names the user who is about to delete the"
                    " object, and nobody else; leave it out"
                ),
            ),
        ],
    )
