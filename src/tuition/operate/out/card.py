"""The card of a student that goes out: a head that the hub reads, and what people should know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from tuition.core.records import Example
from tuition.core.texts.visible import visible
from tuition.exchange.training_rows import licence_fields
from tuition.experiment.form import asked_text
from tuition.operate.out.about import About
from tuition.student.template import decoder_reads

__all__ = ["write_card"]

_LIBRARIES = {"hf": "transformers", "ct2": "ctranslate2"}
"""What loads a form, as the hub calls it."""


def write_card(
    found: About, out: Path, *, form: str, figures: Mapping[str, Any] | None = None, **more: Any
) -> None:
    """Write `README.md` into an export; `figures` are those of exactly these weights, by split."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    family, metrics = found.form["family"], found.metrics
    kind = "multiple-choice" if family == "options" else "text-generation"
    source = found.sources[0] if found.sources else str(metrics.get("task") or "questions")
    head: dict[str, Any] = {
        **licence_fields(found.licence),
        "base_model": found.base_model or None,
        "datasets": list(found.sources) or None,
        "library_name": _LIBRARIES.get(form),
        "pipeline_tag": kind,
        "tags": ["tuition", "distillation", form],
    }
    if figures:
        head["model_name"] = found.name
        head["eval_results"] = [
            EvalResult(
                task_type=kind,
                dataset_type=source,
                dataset_name=source,
                dataset_split=split,
                metric_type="accuracy",
                metric_value=round(row["accuracy"], 4),
                metric_name=f"accuracy over {row['n']} questions, {row['label_source']} labels",
            )
            for split, row in figures.items()
        ]
    # A folder of this machine is called by its last part alone.
    began = found.base_model or (Path(found.base).name if "/" in found.base else found.base)
    environment = Environment(loader=PackageLoader("tuition.operate.out", "."), keep_trailing_newline=True)
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    text = environment.get_template("card.md.jinja").render(
        found=found,
        metrics=metrics,
        form=form,
        figures=figures,
        began=began,
        question=repr(_question(found)),
        is_decoder=family == "causal",
        auto="AutoModelForCausalLM" if family == "causal" else "AutoModelForSeq2SeqLM",
        most=found.max_tokens,
        head=repr(decoder_reads(found.form)) if decoder_reads(found.form) else "",
        **more,
    )
    ModelCard(f"---\n{ModelCardData(**head).to_yaml()}\n---\n\n{visible(text)}").save(out / "README.md")


def _question(found: About) -> str:
    """One question that it learnt from, as it is sent to the student."""
    shown: dict[str, Any] = found.form.get("example") or {"question": "…", "choices": [], "context": ""}
    choices = tuple(shown["choices"])
    return asked_text(Example(id="", question=shown["question"], choices=choices, context=shown["context"]))
