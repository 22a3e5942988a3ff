"""Whatever a file holds, an import ends in rows or in findings, and every row is accounted for."""

import copy
import json

import pytest
from forms import ROWS, output, read, request, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuition.core.errors import DataError
from tuition.exchange import import_files

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
RECORDED = {
    "id": "a",
    "question": "Q?",
    "choices": ["x"],
    "answer": "x",
    "rationales": {"ada": {"text": "R.", "answer": "x", "samples": [{"text": "R.", "answer": "x"}]}},
}
CARRIED = {
    **{"id": "a", "question": "Q?", "context": "", "choices": [], "answer": None, "teacher": "ada"},
    **{"rationale": "R.", "teacher_answer": "4", "sample": 0, "faults": [], "completion_id": ""},
}
WHOLE = {form: [make(0), {**make(0), **CARRIED}] for form, make in ROWS.items()}
WHOLE |= {"recorded": [RECORDED], "openai-batch": [request(0), output(0)]}
ITEM = "R. Thus, the answer is (b) y\n\nQ: Q?\nAnswer Choices:\n(a) x\n(b) y llama rationale: S."


def places(value, path=()):
    """Every place within a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def spoilt(row, path, value):
    """The row with another value at a place; without the place where the value is `...`."""
    if not path:
        return row if value is ... else value
    row = copy.deepcopy(row)
    at = row
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return row


@st.composite
def rows(draw, form):
    """Rows of a form, each with one or two places spoilt."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.sampled_from(WHOLE[form]))
        for _ in range(draw(st.integers(0, 2))):
            row = spoilt(row, draw(st.sampled_from(list(places(row)))), draw(VALUES | st.just(...)))
        made.append(row)
    return made


@pytest.mark.parametrize("form", WHOLE)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_row_is_a_reply_or_a_finding(tmp_path, form, data):
    values = data.draw(rows(form))
    path, out, skipped = (tmp_path / name for name in ("foreign.jsonl", "out.jsonl", "out.skipped.jsonl"))
    for old in (out, skipped):
        old.unlink(missing_ok=True)
    write(path, values)
    try:
        found = import_files([path], out, form=form, skips_bad=True)
    except DataError as error:
        assert str(error).startswith(f"no reply in {path}")
        return
    replied = sum(found.replies.values())
    assert replied > 0
    assert replied + found.skipped >= len(values) - (form == "openai-batch") * (len(values) - 1)
    assert found.skipped == (len(read(skipped)) if found.skipped else 0)
    for row in read(out):
        assert row["id"] and row["rationales"]
        json.dumps(row, ensure_ascii=False).encode()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(VALUES | st.text(alphabet=ITEM) | st.builds(lambda n: ITEM[:n], st.integers(0, 90)), max_size=5)
)
def test_every_item_of_tinyllm_is_a_reply_or_a_finding(tmp_path, items):
    path, out = tmp_path / "train_CoT_0.json", tmp_path / "out.jsonl"
    for old in (out, tmp_path / "out.skipped.jsonl"):
        old.unlink(missing_ok=True)
    path.write_text(json.dumps([*items, ITEM]))
    found = import_files([path], out, form="tinyllm-cot", skips_bad=True)
    assert found.examples + found.skipped == len(items) + 1
