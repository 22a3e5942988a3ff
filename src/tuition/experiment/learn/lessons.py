"""What a student can learn of a mentor, one thing a run, so that a table says which of them is worth it.

Source: the ablation of LLAVADI (arXiv 2407.19409), by its abstract and summaries. **[S]**
"""

from __future__ import annotations

from typing import Any, Protocol

from tuition.core.protocols import Align, Imitate
from tuition.experiment.recipe import Variant

__all__ = ["Mentored", "lessons_apart"]


class Mentored(Protocol):
    """What a configuration must have: a mentor that writes chains, and a lesson."""

    @property
    def mentor(self) -> Any:
        """A `SecondModel` with `samples`."""
        ...

    @property
    def lesson(self) -> Any:
        """A section with `imitate` and `align`."""
        ...


def lessons_apart(config: Mentored) -> list[Variant]:
    """Learn one thing of the mentor a run: its chains, its probabilities by each divergence, its states.

    Source: LLAVADI (arXiv 2407.19409), whose ablation finds more of data than of logits than of states.

    Differs: no images; its affinity between tokens, which adds little there, is left out.
    """
    how: Imitate = config.lesson.imitate or Imitate()
    silent = config.mentor.model_copy(update={"samples": 0})
    writes = config.mentor.model_copy(update={"samples": config.mentor.samples or 3})
    rows: dict[str, tuple[Any, Imitate | None, Align | None]] = {
        "tokens_alone": (silent, None, None),
        "mentor_chains": (writes, None, None),
        **{
            measure: (silent, how.model_copy(update={"measure": measure}), None)
            for measure in ("forward", "reverse", "jsd", "mse")
        },
        "states": (silent, Imitate(share=0.0, tokens=1.0), config.lesson.align or Align()),
    }
    return [
        Variant(
            name=name,
            changed={
                "mentor": mentor,
                "lesson": config.lesson.model_copy(update={"imitate": imitate, "align": align}),
            },
            asks=False,
        )
        for name, (mentor, imitate, align) in rows.items()
    ]
