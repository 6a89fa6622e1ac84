"""The verdict on a Tombstone. Pure."""

from wegent_operator.state.verdict import Problem, Verdict, verdict_of


def verdict(problem: Problem | None) -> Verdict:
    """Return the verdict on a Tombstone: Ready unless ``problem`` prevents the restore."""
    return verdict_of([], [problem] if problem else [])
