"""What a run's teachers wrote goes out in every form, and comes back the same."""

import json
import shutil
from pathlib import Path

import datasets
import pytest
from forms import read, texts
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import annotation, make

from tuition.cli.exchange import export_replies
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, content_id
from tuition.core.texts.thoughts import thought_apart
from tuition.exchange import EXPORTS, TRAINING, export_run, import_files
from tuition.exchange.exports import Tally, write_card
from tuition.operate.export import word
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples

EXAMPLES = (
    Example(id="a", question="What is 2 + 2?", answer="4"),
    Example(
        id="b", question="Which is a fruit?", choices=("a stone", "a fig"), answer="a fig", context="Food."
    ),
)
USED = (
    annotation("a", rationale="Two and two.\nSo 4.", faults=("closing",)),
    annotation("b", rationale="Figs grow.", answer="a fig"),
    annotation("a", "bela", rationale="Count on.", sample=1),
)
UNUSED = (
    annotation("a", "bela", rationale="", answer=None, sample=0, faults=("empty",)),
    annotation("b", "bela", rationale="Stones are hard.", answer="a stone", faults=("contradicts", "cut")),
)
BACK = {
    "datasets": "distilabel",
    "llama-factory": "llama-factory",
    "openai": "openai-messages",
    "recorded": "recorded",
    "trl": "trl",
    "trl-text": "trl",
}
"""The form that reads what each form wrote."""


@pytest.fixture
def run(tmp_path):
    return make(tmp_path, EXAMPLES, USED, UNUSED)


def exported(run, form, out=None, *, uses_all=False):
    path = Path(out or ("set.parquet" if form == "datasets" else "set.jsonl"))
    export_replies(run, form=form, out=path, everything=uses_all)
    return path


def back(path, form, out="back.jsonl"):
    import_files([path], Path(out), form=BACK[form])
    return read(Path(out))


def test_every_form_comes_back():
    assert set(BACK) == set(EXPORTS)
    assert set(EXPORTS) - TRAINING == {"recorded"}


@pytest.mark.parametrize("form", EXPORTS)
def test_what_the_student_learnt_from_and_nothing_else(run, form):
    rows = back(exported(run, form), form)
    assert texts(rows) == {
        "What is 2 + 2?": {"ada": ["Two and two.\nSo 4."], "bela": ["Count on."]},
        "Which is a fruit?": {"ada": ["Figs grow."]},
    }
    first = rows[0]["rationales"]["ada"]
    assert (first["answer"], first["faults"], first["licence"]) == ("4", ["closing"], "CC-BY-4.0")
    assert rows[0]["rationales"]["bela"]["sample"] == 1
    assert (rows[1]["choices"], rows[1]["answer"], rows[1]["context"]) == (
        ["a stone", "a fig"],
        "a fig",
        "Food.",
    )


@pytest.mark.parametrize("form", EXPORTS)
def test_all_of_it_where_that_is_wanted(run, form, capsys):
    rows = back(exported(run, form, uses_all=True), form)
    assert texts(rows)["Which is a fruit?"]["bela"] == ["Stones are hard."]
    assert rows[1]["rationales"]["bela"] == {
        **{
            "text": "Stones are hard.",
            "answer": "a stone",
            "model": "bela",
            "kind": "rationale",
            "sample": 0,
        },
        **{
            "is_used": False,
            "faults": ["contradicts", "cut"],
            "licence": "CC-BY-4.0",
            "train_on_outputs": True,
        },
    }
    # where a teacher wrote nothing there is nothing to learn, and the recorded form keeps it as it came
    said = ["", "Count on."] if form == "recorded" else ["Count on."]
    assert texts(rows)["What is 2 + 2?"]["bela"] == said


def test_rows_without_anything_to_learn_are_counted(tmp_path, capsys):
    bare = Example(id="c", question="Why?")
    run = make(
        tmp_path,
        [bare],
        [annotation("c", answer=None)],
        [annotation("c", "bela", rationale=" ", answer=None)],
    )
    out = exported(run, "trl", uses_all=True)
    assert [row["teacher"] for row in read(out)] == ["ada"]
    assert "Left out, for there was nothing to learn from: 1." in capsys.readouterr().out
    assert "1 without text were left out" in Path("README.md").read_text()
    assert len(back(exported(run, "recorded", "all.jsonl", uses_all=True), "recorded")[0]["rationales"]) == 2


OPEN = (Example(id="c", question="Why?"),)
BARE = (annotation("c", answer=None),)
FIRST = {"choices": "[]", "answer": "", "teacher_answer": "", "faults": "[]", "round": -1}
LATER = {
    "choices": '["a stone", "a fig"]',
    "answer": "a fig",
    "teacher_answer": "a stone",
    "faults": '["cut"]',
}


@pytest.mark.parametrize("form", sorted(set(EXPORTS) - {"recorded"}))
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_exports_load_together_in_either_order(tmp_path, form, order):
    """One run has no choices, labels, answers, faults and rounds, the other one has them all."""
    marked = [annotation("b", answer="a stone", faults=("cut",))]
    elad = {"recipe": "elad", "uses_labels": False, "annotation": {}, "rounds": True}
    runs = [make(tmp_path / "0", OPEN, BARE), make(tmp_path / "1", EXAMPLES, marked)]
    runs.append(make(tmp_path / "2", EXAMPLES, USED, **elad))
    parquet = form == "datasets"
    outs = [exported(run, form, f"{n}/set.{'parquet' if parquet else 'jsonl'}") for n, run in enumerate(runs)]
    kinds = [outs] if form != "openai" else [outs, [out.with_name("set.provenance.jsonl") for out in outs]]
    for n, files in enumerate(kinds):
        chosen = [str(files[i]) for i in (*order, 2)]
        builder = "parquet" if parquet else "json"
        loaded = datasets.load_dataset(builder, data_files=chosen, split="train", cache_dir=f"cache-{n}")
        assert len(loaded) == 5
    if form == "trl":
        rows = {order[n]: loaded[n] for n in (0, 1)}
        assert {name: rows[0][name] for name in FIRST} == FIRST
        assert {name: rows[1][name] for name in LATER} == LATER


class TestForms:
    PROMPT = "Food.\nWhich is a fruit?\nAnswer Choices:\n(a) a stone\n(b) a fig"
    COMPLETION = "Figs grow.\nThe answer is a fig."

    def test_trl(self, run):
        row = read(exported(run, "trl"))[1]
        assert row["prompt"] == [{"role": "user", "content": self.PROMPT}]
        assert row["completion"] == [{"role": "assistant", "content": self.COMPLETION}]
        assert (row["teacher"], row["model"], row["licence"], row["terms"]) == ("ada", "ada", "CC-BY-4.0", "")
        assert (row["sample"], row["faults"], row["train_on_outputs"]) == (0, "[]", True)
        assert (row["choices"], row["round"]) == ('["a stone", "a fig"]', -1)
        assert (row["rationale"], row["teacher_answer"]) == ("Figs grow.", "a fig")
        loaded = datasets.load_dataset("json", data_files="set.jsonl", split="train", cache_dir="cache")
        assert loaded[1]["completion"] == row["completion"]

    def test_trl_as_text(self, run):
        row = read(exported(run, "trl-text"))[1]
        assert (row["prompt"], row["completion"]) == (f"{self.PROMPT}\n", self.COMPLETION)

    def test_llama_factory_finds_it(self, run):
        Path("dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
        exported(run, "llama-factory", "taught.jsonl")
        info = json.loads(Path("dataset_info.json").read_text())
        assert info["mine"] == {"file_name": "mine.json"}
        columns = info["taught"]["columns"]
        row = read(Path(info["taught"]["file_name"]))[1]
        assert (row[columns["prompt"]], row[columns["response"]]) == (self.PROMPT, self.COMPLETION)
        assert (row[columns["query"]], row[columns["system"]]) == ("", "")

    def test_another_data_set_of_that_name_stays(self, run):
        Path("dataset_info.json").write_text('{"set": {"hf_hub_url": "a/b"}}')
        with pytest.raises(ConfigError, match=r"'dataset_info.json' has a data set 'set' already"):
            exported(run, "llama-factory")
        assert not Path("set.jsonl").exists()

    @pytest.mark.parametrize("text", ["{broken", "[]"])
    def test_a_broken_list_of_data_sets_stays(self, run, text):
        Path("dataset_info.json").write_text(text)
        with pytest.raises(DataError, match=r"'dataset_info.json' is no "):
            exported(run, "llama-factory")
        assert Path("dataset_info.json").read_text() == text
        assert not Path("set.jsonl").exists()

    def test_openai_takes_messages_alone(self, run):
        path = exported(run, "openai")
        rows = read(path)
        assert all(row.keys() == {"messages"} for row in rows)
        assert [turn["content"] for turn in rows[1]["messages"]] == [self.PROMPT, self.COMPLETION]
        beside = read(Path("set.provenance.jsonl"))
        assert [(row["id"], row["teacher"]) for row in beside] == [("a", "ada"), ("b", "ada"), ("a", "bela")]

    def test_without_its_provenance_a_file_of_messages_is_a_foreign_one(self, run):
        path = exported(run, "openai")
        Path("set.provenance.jsonl").unlink()
        import_files([path], Path("back.jsonl"), form="openai-messages", teacher="m")
        assert texts(read(Path("back.jsonl")))[self.PROMPT] == {"m": [self.COMPLETION]}

    def test_provenance_of_another_file(self, run):
        path = exported(run, "openai")
        path.write_text(path.read_text() + path.read_text().split("\n")[0])
        with pytest.raises(DataError, match=r"'set.provenance.jsonl' has other lines than 'set.jsonl'"):
            back(path, "openai")

    def test_a_saved_data_set(self, run):
        path = exported(run, "datasets", "sets/taught")
        loaded = datasets.load_from_disk(str(path))
        assert loaded[1]["instruction"] == self.PROMPT
        assert (loaded[1]["generation"], loaded[1]["model_name"]) == (self.COMPLETION, "ada")
        assert loaded[0]["faults"] == ["closing"] and loaded[0]["round"] is None
        assert (path / "README.md").exists()
        assert [item.name for item in Path("sets").iterdir()] == ["taught"]
        assert back(path, "datasets") == back(exported(run, "recorded"), "recorded", "again.jsonl")

    def test_recorded_replies_are_examples_too(self, run):
        [first, second], _ = read_examples(exported(run, "recorded"), TaskConfig(), split="train")
        assert (first.id, first.answer, second.choices, second.context) == (
            "a",
            "4",
            EXAMPLES[1].choices,
            "Food.",
        )


def test_words_that_were_changed_since(run):
    path = exported(run, "trl")
    rows = read(path)
    rows[0]["completion"][0]["content"] = "Mended."
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="line 1 has another completion than was exported"):
        back(path, "trl")
    for row in rows:
        del row["rationale"], row["teacher_answer"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "Mended." in texts(back(path, "trl"))["What is 2 + 2?"]["ada"]


@pytest.mark.parametrize("form", sorted(set(EXPORTS) - {"recorded"}))
def test_rows_of_ours_name_their_teachers(run, form):
    with pytest.raises(ConfigError, match="name their teachers themselves; leave out --teacher 'm'"):
        import_files([exported(run, form)], Path("back.jsonl"), form=BACK[form], teacher="m")


def test_rounds_are_read_in_order(tmp_path):
    rows = back(exported(make(tmp_path, EXAMPLES, USED, rounds=True), "trl"), "trl")
    assert rows[0]["rationales"]["bela"]["round"] == 2
    assert rows[1]["rationales"]["ada"]["round"] == 1


def test_the_labels_a_run_made_are_those_it_goes_out_with(tmp_path):
    run = make(tmp_path, EXAMPLES, USED)
    row = {"split": "train", "example_id": "a", "label": "5", "source": "majority"}
    (run / "labels.jsonl").write_text(json.dumps(row) + "\n")
    rows = read(exported(run, "trl"))
    assert (rows[0]["answer"], rows[0]["label_source"]) == ("5", "majority")
    assert rows[0]["completion"][0]["content"] == "Two and two.\nSo 4.\nThe answer is 5."
    assert "1 majority, 1 gold" in Path("README.md").read_text()


def test_a_run_that_did_not_see_the_labels(tmp_path):
    run = make(tmp_path, EXAMPLES, USED, recipe="elad", uses_labels=False, annotation={}, rounds=True)
    rows = read(exported(run, "trl"))
    assert rows[0]["answer"] == ""
    assert rows[0]["completion"][0]["content"] == "Two and two.\nSo 4.\nThe answer is 4."


class TestTerms:
    @pytest.fixture
    def run(self, tmp_path):
        refused = {"kind": "playground", "name": "chen", "train_on_outputs": False}
        return make(tmp_path, EXAMPLES, USED, [annotation("b", "chen")], teachers=[refused])

    @pytest.mark.parametrize("form", sorted(TRAINING))
    def test_a_teacher_that_may_not_be_trained_on_is_refused(self, run, form):
        words = "teacher 'chen' has train_on_outputs = false: its terms forbid training on its texts, and the"
        with pytest.raises(ConfigError, match=words):
            exported(run, form, uses_all=True)
        assert {path.name for path in Path().iterdir()} <= {"run", "train.jsonl", "valid.jsonl"}

    def test_the_recorded_form_keeps_it_and_its_terms(self, run):
        rows = back(exported(run, "recorded", uses_all=True), "recorded")
        assert rows[1]["rationales"]["chen"]["train_on_outputs"] is False
        assert "**may not be trained on**" in Path("README.md").read_text()

    def test_what_is_left_out_is_not_refused(self, run):
        assert len(read(exported(run, "trl"))) == len(USED)


class TestCard:
    def test_it_says_whose_words_they_are(self, run):
        exported(run, "trl", "taught.jsonl", uses_all=True)
        card = Path("README.md").read_text()
        for words in (
            "# taught\n",
            "written in the form `trl` from the run `run`",
            "4 rows about 2 questions: all replies of the run; 1 without text were left out",
            "labels of the questions: 2 gold",
            "recipe `tinyllm`, seed 0, configuration ",
            "the teachers are programs, not language models",
            "`ada` (playground, model `ada`): 2 replies; CC-BY-4.0; health checks failed: closing 1",
            "`bela` (playground, model `bela`): 2 replies, 1 of them not learnt from; CC-BY-4.0; health",
            'data_files="taught.jsonl"',
        ):
            assert words in card, words

    @pytest.mark.parametrize(("form", "out"), [("trl", "taught.jsonl"), ("datasets", "taught.parquet")])
    def test_its_head_is_what_the_hub_reads(self, run, form, out):
        exported(run, form, out)
        head = DatasetCard.load("README.md").data.to_dict()
        assert head == {
            "license": "unknown",
            "tags": ["tuition", "distillation"],
            "size_categories": ["n<1K"],
            "configs": [{"config_name": "default", "data_files": out}],
        }
        assert "License of the whole: unknown." in Path("README.md").read_text()

    @pytest.mark.parametrize(
        ("said", "fields"),
        [("CC-BY-4.0", ("cc-by-4.0", None)), ("My own terms", ("other", "my-own-terms"))],
    )
    def test_the_licence_of_the_whole_is_said(self, run, said, fields):
        export_replies(run, form="datasets", out=Path("taught"), license=said)
        head = DatasetCard.load("taught/README.md").data.to_dict()
        assert (head["license"], head.get("license_name")) == fields
        assert "configs" not in head, "a saved data set is no file that the hub loads"

    @pytest.mark.parametrize(("n", "size"), [(1, 0), (999, 0), (1000, 1), (9999, 1), (10_000, 2), (10**9, 5)])
    def test_the_size_is_one_that_the_hub_knows(self, tmp_path, n, size):
        (tmp_path / "rows.jsonl").touch()
        tally = Tally()
        tally.rows = n
        terms = {"terms": {}, "tally": tally, "uses_all": False}
        run = make(tmp_path, EXAMPLES, USED)
        out = tmp_path / "rows.jsonl"
        data = DatasetCard.load(write_card(run, out, [out], form="trl", **terms)).data
        known = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M"]
        assert data.size_categories == [known[size]]

    def test_a_card_that_is_there_stays(self, run):
        Path("README.md").write_text("mine")
        exported(run, "openai", "taught.jsonl")
        assert Path("README.md").read_text() == "mine"
        assert "Upload `taught.jsonl`" in Path("taught.README.md").read_text()

    def test_terms_that_nobody_stated(self, tmp_path):
        teachers = [{"kind": "playground", "name": "ada"}]
        run = make(tmp_path, EXAMPLES, USED[:2], teachers=teachers)
        exported(run, "trl")
        assert "licence and terms not stated" in Path("README.md").read_text()


class TestWhatIsRefused:
    def test_names_that_do_not_go_with_the_form(self, run):
        with pytest.raises(ConfigError, match="unknown form 'tlr'; did you mean 'trl'"):
            exported(run, "tlr")
        with pytest.raises(ConfigError, match=r"the form 'trl' is written as '.jsonl', '.jsonl.gz'"):
            exported(run, "trl", "set.csv")
        with pytest.raises(ConfigError, match=r"the form 'openai' is written as '.jsonl'\."):
            exported(run, "openai", "set.jsonl.gz")
        with pytest.raises(ConfigError, match=r"a data set is a folder, or a file that ends in .parquet"):
            exported(run, "datasets", "set.jsonl")

    @pytest.mark.parametrize("name", ["set.jsonl", "set.provenance.jsonl"])
    def test_files_that_are_there(self, run, name):
        Path(name).write_text("mine")
        with pytest.raises(ConfigError, match=f"'{name}' exists; name another file with --out"):
            exported(run, "openai")
        assert Path(name).read_text() == "mine"

    def test_folders_that_hold_no_finished_run(self, run, tmp_path):
        (run / "done").unlink()
        with pytest.raises(DataError, match="is not finished; go on with it: tuition resume"):
            exported(run, "trl")
        with pytest.raises(DataError, match=r"holds no run: config.toml is missing"):
            exported(tmp_path, "trl")

    def test_runs_without_annotations(self, run):
        (run / "annotations.jsonl").unlink()
        with pytest.raises(DataError, match="has no annotations"):
            exported(run, "trl")

    def test_nothing_that_was_learnt_from(self, tmp_path):
        run = make(tmp_path, EXAMPLES, [], UNUSED)
        with pytest.raises(
            DataError, match="learnt from no reply that could be written; --all takes the others"
        ):
            exported(run, "trl")

    def test_data_that_have_changed(self, run, tmp_path):
        lines = (tmp_path / "train.jsonl").read_text().split("\n")
        (tmp_path / "train.jsonl").write_text(lines[0])
        with pytest.raises(DataError, match="an annotation of example 'b', which its data no longer have"):
            exported(run, "trl")
        assert not list(Path().glob("*set*"))

    def test_a_teacher_that_the_configuration_lost(self, run):
        config = (run / "config.toml").read_text().replace('name = "bela"', 'name = "dora"')
        (run / "config.toml").write_text(config.replace('kind = "playground"', 'kind = "playground"'))
        with pytest.raises(ConfigError, match="knows no teacher 'bela', who wrote annotations"):
            exported(run, "trl")


class TestWording:
    def test_the_label_closes_the_chain(self):
        item = annotation("b", rationale="Hard.\nThe answer is a stone.", answer="a stone")
        assert word(EXAMPLES[1], item, form="text")[1] == "Hard.\nThe answer is a fig."
        assert word(EXAMPLES[1], item, form="letter")[1] == "Hard.\nThe answer is (b)."

    def test_without_a_rationale_the_answer_is_all(self):
        item = annotation("b", rationale=" ", answer="a stone")
        assert word(EXAMPLES[1], item, form="letter")[1] == "The answer is (a)."
        assert word(EXAMPLES[0], annotation("a", rationale=""), form="letter")[1] == "The answer is 4."

    def test_where_a_teacher_gave_nothing_the_label_is_not_put_in_its_mouth(self):
        assert word(EXAMPLES[0], annotation("a", rationale="", answer=None), form="text")[1] == ""

    def test_without_an_answer_the_rationale_is(self):
        assert word(Example(id="x", question="Q?"), annotation("x", answer=None), form="text") == (
            "Q?",
            "Because.",
        )


ANY = st.text(max_size=40)
ANSWER = st.none() | st.text(min_size=1, max_size=40)
SAID = st.tuples(ANY.filter(lambda text: thought_apart(text) == (text, "")), ANSWER)


@st.composite
def pools(draw):
    """Questions of any text, with choices or none, and by teacher what was said of each, several times."""
    examples, items = [], []
    for n in range(draw(st.integers(1, 3))):
        choices = tuple(draw(st.lists(ANY, max_size=3)))
        answer = draw(st.none() | st.sampled_from(choices) if any(choices) else ANSWER) or None
        examples.append(Example(id=f"{draw(ANY)}/{n}", question=draw(ANY), choices=choices, answer=answer))
        for teacher in draw(st.lists(st.sampled_from(["ada", "bela"]), min_size=1, max_size=2, unique=True)):
            for sample, (rationale, said) in enumerate(draw(st.lists(SAID, min_size=1, max_size=2))):
                item = annotation(examples[-1].id, teacher, rationale=rationale, answer=said, sample=sample)
                items.append(item)
    return examples, items


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run folder, whose annotations each example of the property replaces."""
    return make(tmp_path_factory.mktemp("finished"), EXAMPLES, USED)


@pytest.mark.parametrize("form", EXPORTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pool=pools())
def test_texts_and_answers_come_back_whatever_they_hold(finished, tmp_path, form, pool):
    examples, items = pool
    rows = [{**item.to_json(), "is_used": True} for item in items]
    (finished / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / content_id(rows)
    shutil.rmtree(folder, ignore_errors=True)
    out = folder / ("set.parquet" if form == "datasets" else "set.jsonl")
    by_id = {example.id: example for example in examples}
    # whatever is worded, even nothing at all, is written
    export_run(
        finished,
        out,
        by_id,
        form=form,
        wording=lambda example, item: (example.question, f"-{item.rationale}"),
    )
    import_files([out], folder / "back.jsonl", form=BACK[form])
    came = {row["id"]: row for row in read(folder / "back.jsonl")}
    for example in examples:
        row = came[example.id]
        assert (row["question"], tuple(row["choices"]), row["answer"]) == (
            example.question,
            example.choices,
            example.answer,
        )
    want = {}
    for item in items:
        want.setdefault((item.example_id, item.teacher), []).append((item.rationale, item.answer))
    got = {
        (id, teacher): [(sample["text"], sample["answer"]) for sample in entry.get("samples") or [entry]]
        for id, row in came.items()
        for teacher, entry in row["rationales"].items()
    }
    assert got == want
