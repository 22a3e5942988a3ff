import json
from functools import partial

import pytest

SPEND = {
    "calls": 3,
    "reused_calls": 1,
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "usd": 0.5,
    "paid_usd": 0.25,
    "unknown": 0,
    "unpriced": 0,
    "by_teacher": {},
    "by_role": {},
}


def figures(accuracy, *, blind=None, classical=None):
    return {
        "n": 10,
        "right": round(10 * accuracy),
        "accuracy": accuracy,
        "ci95": [max(0.0, accuracy - 0.2), min(1.0, accuracy + 0.2)],
        "unreadable": 0.1,
        "label_source": "gold",
        "by_domain": {"coins": {"accuracy": accuracy}, "dates": {"accuracy": 1.0}},
        "blind": blind or {},
        **({} if classical is None else {"classical": classical}),
    }


def write_run(
    root,
    name,
    recipe="tinyllm",
    *,
    test=0.5,
    valid=0.5,
    answers=(),
    teachers=(),
    spend=None,
    classical=None,
    teachers_of=None,
    **more,
):
    """Write the folder of a finished run, with the files that a report reads."""
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    blind = {"longest_option": figures(0.3)}
    metrics = {
        "recipe": recipe,
        "task": "mixed",
        "seed": 7,
        "student": None if recipe == "ask_teacher" else {"parameters": 12345, "model": "base"},
        "train": {"n": 20},
        "valid": None if valid is None else figures(valid, blind=blind, classical=classical),
        "test": None if test is None else figures(test, blind=blind, classical=classical),
        "spend": SPEND | (spend or {}),
        "rounds": [],
        "stopped_by": "done",
        "config_hash": "c0ffee",
        "wall_s": 1.5,
        "versions": {"tuition": "0.1.0", "code": "abc123"},
        **({} if teachers_of is None else {"teachers": teachers_of}),
        **more,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = [
        {
            "split": "test",
            "example_id": f"q{i}",
            "text": text,
            "answer": None,
            "label": "yes",
            "grade": "unreadable",
        }
        for i, text in enumerate(answers)
    ]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = "".join(
        f'[[teacher]]\nkind = "chat"\nname = "{teacher}"\nlicence = "{licence}"\n'
        for teacher, licence in teachers
    )
    (folder / "config.toml").write_text(f'recipe = "{recipe}"\n{tables}')
    (folder / "done").touch()
    return folder


@pytest.fixture
def run(tmp_path):
    """Writes the folder of a finished run, with the files that a report reads."""
    return partial(write_run, tmp_path)


@pytest.fixture(scope="session")
def run_in():
    """Writes it under a folder of one's own."""
    return write_run
