"""What revising came to, counted from the annotations: where drafts were wrong, and how replies were read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tuition.annotation.health import Annotated
from tuition.core.records import Record

__all__ = ["RevisionFigures", "revision_figures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFigures(Record):
    """How many drafts came to what. All are counts of drafts."""

    drafts: int
    """All that were looked at: annotated, dropped and left."""
    right: int
    """Nothing was found wrong: neither a step nor the answer. Those left as `unneeded` are among them."""
    first_step_wrong: int
    """Wrong from the first step on, or without a step: the student has nothing to be mended yet."""
    answer_wrong: int
    """Every step was right, but not the answer."""
    mended: int
    """Of which some steps were kept, or none, and the rest is a teacher's."""
    repaired_json: int
    """Replies in one object that were no JSON and could be repaired."""
    fallbacks: int
    """Replies in one object that could not be read, so that a chain was written anew."""
    unverified: int
    """Texts from which a second teacher did not come to their answer."""
    unreadable: int
    """Drafts left because a verdict or an answer could not be read."""
    failed: int
    """Drafts left because a call failed or was not paid."""

    @property
    def first_step_share(self) -> float | None:
        """Share of `first_step_wrong` among the drafts whose verdict is known; None: there is none."""
        judged = self.drafts - self.unreadable - self.failed
        return self.first_step_wrong / judged if judged else None


def revision_figures(found: Annotated) -> RevisionFigures:
    """Count what came of drafts.

    Args:
        found: From `revise`; what was annotated without a look at a draft counts for nothing.

    Returns:
        The counts.
    """
    # Whatever was written in the place of a draft names it; an answer alone says nothing of its steps.
    items = [item for item in (*found.annotations, *found.dropped) if item.parent and item.kind != "answer"]
    left = Counter(failure.kind for failure in found.failures)
    outcomes = Counter(item.outcome for item in items)
    return RevisionFigures(
        drafts=len(items) + len(found.failures),
        right=left["unneeded"] + outcomes["right"],
        first_step_wrong=sum(item.first_wrong == 0 for item in items),
        answer_wrong=outcomes["answer_wrong"],
        mended=outcomes["mended"],
        repaired_json=sum(item.is_repaired for item in items),
        fallbacks=outcomes["unread"],
        unverified=sum("unverified" in item.faults for item in items),
        unreadable=left["malformed"],
        failed=sum(n for kind, n in left.items() if kind not in ("malformed", "unneeded")),
    )
