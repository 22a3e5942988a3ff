"""Eight bits by CTranslate2, examined again on the questions that the run's figures stand on."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from tuition.cli.exchange import export_replies as export
from tuition.core.errors import ConfigError, MissingExtra
from tuition.core.rows import read_rows
from tuition.experiment.targets import questions
from tuition.operate.out.about import exam_of
from tuition.operate.student import Student


@pytest.fixture(scope="module")
def converted_at(run, t5_run, apart_run, tmp_path_factory):
    """The students, converted."""
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed; it comes with tuition[cpu]")
    outs = {}
    for given in (run, t5_run, apart_run):
        out = tmp_path_factory.mktemp("ct2") / "out"
        export(given, form="ct2", out=out)
        outs[given] = out
    return outs


@pytest.fixture(params=["run", "t5_run", "apart_run"])
def pair(request, converted_at):
    """A run, and its converted student."""
    given = request.getfixturevalue(request.param)
    return given, converted_at[given]


def test_it_writes_as_the_student_does(pair):
    from tuition.operate.out.ct2 import Converted

    run, out = pair
    student = Student.load(run)
    asked = questions(exam_of(run).examples, student.way.prefix)
    ours = student.learner.generate(asked, max_tokens=8)
    theirs = Converted(student.learner, out).generate(asked, max_tokens=8)
    assert all(0 < one.tokens <= 8 for one in theirs)
    # eight bits change some texts; these students know hardly anything, so that much is close to chance
    same = sum(one.text == other.text for one, other in zip(ours, theirs, strict=True))
    assert same >= len(asked) / 2


def test_the_paired_difference_stands_in_the_card(pair):
    run, out = pair
    rows = [row for row in read_rows(run / "predictions.jsonl") if row["split"] == "test"]
    card = ModelCard.load(out / "README.md")
    [sentence] = re.findall(
        r"Examined again as int8 on the (\d+) test questions of the run: (\S+) points", card.text
    )
    [figure] = card.data.eval_results
    right = sum(row["grade"] == "right" for row in rows) / len(rows)
    assert int(sentence[0]) == len(rows)
    assert float(sentence[1]) == pytest.approx(100 * (figure.metric_value - right), abs=0.06)
    assert (card.data.library_name, figure.dataset_split) == ("ctranslate2", "test")


def test_marks_that_the_tokenizer_lacks_are_given(pair):
    run, out = pair
    tokenizer = Student.load(run).learner.tokenizer
    settings = json.loads((out / "config.json").read_text())
    assert tokenizer.unk_token is None
    assert (settings["unk_token"], settings["eos_token"]) == ("<pad>", "</s>")
    assert settings["bos_token"] in ("<pad>", "<s>")


def test_the_code_of_its_card_runs(pair, capsys):
    _, out = pair
    [code] = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)
    exec(code.replace('folder = "."', f'folder = "{out}"'), {})
    assert capsys.readouterr().out.endswith("\n")


def test_it_is_whole_by_itself(pair):
    run, out = pair
    names = {path.name for path in out.iterdir()}
    assert {"model.bin", "tokenizer.json", "chat_template.jinja", "tuition.json", "README.md"} <= names
    assert "model.safetensors" not in names
    size = (run / "student" / "model.safetensors").stat().st_size
    assert (out / "model.bin").stat().st_size < size


def test_without_the_run_or_its_data_the_card_says_that_nobody_examined_it(run, tmp_path, converted_at):
    shutil.copytree(run / "student", "alone")
    export(Path("alone"), form="ct2")
    card = ModelCard.load(Path("alone-ct2/README.md"))
    assert "Not examined after it was converted: the run that trained it was not at hand." in card.text
    assert card.data.eval_results is None
    shutil.copytree(run, "other")
    rows = Path("other/predictions.jsonl")
    rows.write_text(rows.read_text().replace('"fingerprint": "', '"fingerprint": "x'))
    export(Path("other"), form="ct2")
    assert re.search(
        r"Not examined after it was converted: the test question '.*' is another one now, or gone",
        Path("other-ct2/README.md").read_text(),
    )


def test_questions_keep_the_labels_that_graded_them(run):
    exam = exam_of(run)
    rows = [row for row in read_rows(run / "predictions.jsonl") if row["split"] == "test"]
    assert (exam.split, len(exam.examples)) == ("test", len(rows))
    assert [(one.id, one.answer) for one in exam.examples] == [
        (row["example_id"], row["label"]) for row in rows
    ]


def test_without_ctranslate2_the_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    monkeypatch.setitem(sys.modules, "ctranslate2.converters", None)
    with pytest.raises(
        MissingExtra, match=r"'ctranslate2' is not installed; it comes with: pip install 'tuition\[cpu\]"
    ):
        export(run, form="ct2")
    assert list(tmp_path.iterdir()) == []


def test_a_student_that_scores_options_is_refused(run, tmp_path):
    shutil.copytree(run / "student", "scorer")
    form = json.loads(Path("scorer/tuition.json").read_text())
    Path("scorer/tuition.json").write_text(json.dumps({**form, "family": "options"}))
    with pytest.raises(
        ConfigError, match="scores options and writes no text; CTranslate2 runs students that"
    ):
        export(Path("scorer"), form="ct2")
    with pytest.raises(ConfigError, match="a student that scores options reads pairs"):
        shutil.copytree(run, "run")
        shutil.rmtree("run/student")
        shutil.move("scorer", "run/student")
        export(Path("run"), form="lm-eval")
