"""`tuition init DATA`: what it guesses of a file, what it asks, and that `check` passes what it wrote."""

import io
import json
import random
import sys
import tomllib

import openpyxl
import pytest

from tuition.core.errors import DataError
from tuition.operate.starters.guess import GUESSERS, guess
from tuition.operate.starters.write import PROVIDERS, keys_present
from tuition.teachers.config import TeacherConfig
from tuition.teachers.prices import price_for

KEYS = [
    f"{table['api_key_env']}{end}"
    for table in PROVIDERS.values()
    if "api_key_env" in table
    for end in ("", "_FILE")
]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def draw(n=60, *, seed=0):
    return random.Random(seed), range(n)


def tickets(folder):
    drawn, rows = draw(90)
    names = {"billing": "bill", "delivery": "parcel", "login": "password"}
    lines = ["nr;text;category"]
    for i in rows:
        label = drawn.choice(list(names))
        lines.append(f"{i};Good morning, my {names[label]} of {drawn.randint(1, 999)}; is it gone?;{label}")
    lines = [line.replace("; is", " is") for line in lines]
    (folder / "tickets.csv").write_text("\n".join(lines), encoding="utf-8")
    return "tickets.csv"


def exam(folder):
    drawn, rows = draw()
    made = []
    for i in rows:
        n = drawn.randint(2, 90)
        options = [str(n + k) for k in (1, 2, 3)]
        made.append({"id": f"q{i}", "question": f"What follows {n}?", "options": options, "answer": "A"})
    (folder / "exam.json").write_text(json.dumps(made))
    return "exam.json"


def columns(folder):
    lines = ["prompt,option_a,option_b,answer", *(f"Which is {i}?,the {i},the {i + 1},1" for i in range(30))]
    lines += [f"Which is not {i}?,the {i},the {i + 1},2" for i in range(30)]
    (folder / "columns.csv").write_text("\n".join(lines))
    return "columns.csv"


def lengths(folder):
    lines = ["Frage;Antwort", *(f"Wie lang ist Brett {i}?;{i},5" for i in range(60))]
    (folder / "bretter.csv").write_text("\n".join(lines))
    return "bretter.csv"


def sums(folder):
    rows = [{"question": f"What is {i} and {i}?", "answer": f"Twice {i}.\n#### {2 * i}"} for i in range(60)]
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return "sums.jsonl"


def claims(folder):
    book = openpyxl.Workbook()
    book.active.append(["Claim", "label"])
    for i in range(60):
        book.active.append([f"Is {i} an even number?", "No" if i % 2 else "Yes"])
    book.save(folder / "claims.xlsx")
    return "claims.xlsx"


def capitals(folder):
    lines = [
        "question\tanswer",
        *(f"Which town is number {i}?\tTown {chr(65 + i % 26)}{i}" for i in range(60)),
    ]
    (folder / "capitals.tsv").write_text("\n".join(lines))
    return "capitals.tsv"


def questions(folder):
    (folder / "bare.csv").write_text(
        "\n".join(["query", *(f"What should I do about case {i}?" for i in range(60))])
    )
    return "bare.csv"


def records(folder):
    made = []
    for i in range(60):
        found = {"product": ("phone", "lamp")[i % 2], "pieces": i}
        found |= {"tags": ["old"], "price": i / 4} if i % 3 else {}
        # one half as JSON in a text, as exports have it
        made.append({"body": f"I have {i} of them.", "output": json.dumps(found) if i % 2 else found})
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, made)))
    return "records.jsonl"


RECORD = {
    "product": {"type": "string", "enum": ["lamp", "phone"]},
    "pieces": {"type": "integer"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "price": {"type": "number"},
}


def spread(folder):
    lines = ["text,product,is urgent"]
    lines += [f"Case {i} is about it.,{('phone', 'lamp')[i % 2]},{('yes', 'no')[i % 2]}" for i in range(60)]
    (folder / "spread.csv").write_text("\n".join(lines))
    return "spread.csv"


SPREAD = {"product": {"type": "string", "enum": ["lamp", "phone"]}, "is urgent": {"type": "boolean"}}

FILES = {
    tickets: {"kind": "label", "question_column": "text", "answer_column": "category", "id_column": "nr"}
    | {"labels": {"billing": "", "delivery": "", "login": ""}, "test_share": 0.2, "valid_share": 0.1},
    records: {"kind": "fields", "question_column": "body", "answer_column": "output"}
    | {"json_schema": {"type": "object", "required": ["product", "pieces"], "properties": RECORD}},
    spread: {"kind": "fields", "question_column": "text", "answer_column": ""}
    | {"json_schema": {"type": "object", "required": ["product", "is urgent"], "properties": SPREAD}},
    exam: {"kind": "multiple_choice", "choices_column": "options", "id_column": "id"},
    columns: {"kind": "multiple_choice", "choices_column": ["option_a", "option_b"], "label": "index1"}
    | {"question_column": "prompt"},
    lengths: {
        "kind": "number",
        "question_column": "Frage",
        "answer_column": "Antwort",
        "file": {"decimal": ","},
    },
    sums: {"kind": "number"},
    claims: {"kind": "yes_no", "question_column": "Claim", "answer_column": "label"},
    capitals: {"kind": "free_text"},
    questions: {"kind": "free_text", "question_column": "query", "answer_column": ""},
}


@pytest.mark.parametrize(("make", "told"), FILES.items(), ids=[make.__name__ for make in FILES])
def test_what_init_writes_of_a_file_passes_check_at_once(tuition, tmp_path, make, told):
    said = tuition("init", make(tmp_path), "--yes")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("Wrote tuition.toml. Next: tuition check tuition.toml\n")
    assert f"  kind = {told['kind']!r}: " in said.out
    task = tomllib.loads((tmp_path / "tuition.toml").read_text())["task"]
    assert {key: task.get(key) for key in told} == told
    checked = tuition("check", "tuition.toml")
    assert (checked.code, checked.err) == (0, "")
    assert "Nothing was spent. Next: tuition run tuition.toml" in checked.out


def test_every_guesser_knows_one_of_these_files(tmp_path):
    readings = {guess(str(tmp_path / make(tmp_path))).why["kind"].partition(" labels")[0] for make in FILES}
    assert len(readings) >= len(GUESSERS)


def test_of_several_columns_that_repeat_one_can_be_named(tuition, tmp_path):
    said = tuition("init", spread(tmp_path))
    assert (
        "product, is urgent repeat a few texts each: a field each; --answer NAME takes one alone" in said.out
    )
    assert tuition("init", "spread.csv", "--answer", "product", "--out", "one.toml").code == 0
    task = tomllib.loads((tmp_path / "one.toml").read_text())["task"]
    assert (task["kind"], task["labels"]) == ("label", {"lamp": "", "phone": ""})


def test_spellings_of_a_label_are_one_label(tmp_path):
    lines = ["text,label", *(f"Case {i}.,{('Paid', 'paid', 'Open', 'paid')[i % 4]}" for i in range(60))]
    (tmp_path / "own.csv").write_text("\n".join(lines))
    assert guess(str(tmp_path / "own.csv")).task["labels"] == {"Open": "", "paid": ""}


def test_a_teacher_that_was_named_is_no_server_of_ones_own(tuition, tmp_path):
    said = tuition("init", tickets(tmp_path), "--teacher", "playground")
    assert "a server of your own is named" not in said.out
    said = tuition("init", "tickets.csv", "--out", "other.toml")
    assert "a server of your own is named; --teacher names another, such as openai" in said.out


def test_the_reasons_stand_in_the_file_and_in_json(tuition, tmp_path):
    said = tuition("init", tickets(tmp_path), "--out", "mine.toml", "--json")
    assert said.json["config"] == "mine.toml" and said.json["teachers"] == ["local"]
    assert said.json["why"]["question_column"] == "by its name"
    text = (tmp_path / "mine.toml").read_text()
    assert 'question_column = "text"  # by its name' in text
    assert "test_share = 0.2  # drawn first, label by label, 18 rows: read once, at the end" in text
    assert 'out = "runs/tickets"' in text


def test_flags_say_what_is_not_guessed(tuition, tmp_path):
    name = tickets(tmp_path)
    flags = (
        "--question",
        "category",
        "--answer",
        "",
        "--task",
        "free_text",
        "--teacher",
        "playground",
        "--usd",
        "2",
    )
    assert tuition("init", name, *flags).code == 0
    tables = tomllib.loads((tmp_path / "tuition.toml").read_text())
    assert (tables["task"]["question_column"], tables["task"]["answer_column"]) == ("category", "")
    assert (tables["teacher"][0]["kind"], tables["budget"]["usd"]) == ("playground", 2.0)
    assert tables["labels"]["teacher"] == "ada"


def test_files_of_other_splits_are_taken(tuition, tmp_path):
    for split, n in (("train", 60), ("dev", 12), ("test", 12)):
        rows = [{"question": f"Is {i} in {split}?", "answer": "yes"} for i in range(n)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert tuition("init", "train.jsonl").code == 0
    task = tomllib.loads((tmp_path / "tuition.toml").read_text())["task"]
    assert (task["valid"], task["test"]) == ("dev.jsonl", "test.jsonl")
    assert "test_share" not in task and "valid_share" not in task
    assert "60 train, 12 valid, 12 test examples" in tuition("check", "tuition.toml").out


def test_keys_are_found_by_name_and_never_shown(tuition, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-secret-of-many-letters")
    monkeypatch.setenv("MISTRAL_API_KEY_FILE", str(tmp_path / "key"))
    assert keys_present() == {"anthropic": "ANTHROPIC_API_KEY", "mistral": "MISTRAL_API_KEY_FILE"}
    said = tuition("init", tickets(tmp_path), "--teacher", "anthropic")
    assert "keys in the environment: ANTHROPIC_API_KEY, MISTRAL_API_KEY_FILE" in said.out
    text = (tmp_path / "tuition.toml").read_text()
    assert "a-secret" not in said.out + text
    assert 'api_key_env = "ANTHROPIC_API_KEY"' in text
    assert tuition("check", "tuition.toml").code == 0


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_teacher_to_begin_with_has_a_price(name):
    assert price_for(TeacherConfig(name=name, **PROVIDERS[name])) is not None


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_five_questions_are_asked_on_a_terminal(tuition, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("\ncategory\nfree_text\nlocal\n3\n"))
    said = tuition("init", tickets(tmp_path))
    assert said.code == 0, said.err
    for n in range(1, 6):
        assert f"{n}/5 " in said.out
    tables = tomllib.loads((tmp_path / "tuition.toml").read_text())
    assert (tables["task"]["kind"], tables["budget"]["usd"]) == ("free_text", 3.0)
    assert "labels" not in tables["task"]


def test_nothing_is_asked_elsewhere_or_with_yes(tuition, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "1/5" not in tuition("init", tickets(tmp_path)).out
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert "1/5" not in tuition("init", "tickets.csv", "--out", "b.toml", "--yes").out


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("question,answer\nq,a\n", (), "holds 1 rows; training, validation and test want 20 at the least"),
        (None, (), "no file 'own.csv' in '.'"),
        ("long", (), "are long texts, which no kind of task grades. Name a column of short answers, or none"),
        ("numbers", (), "no column holds texts to ask about; found: n. Name one with --question."),
        ("good", ("--question", "qestion"), "has no column 'qestion'; did you mean 'question'?"),
        ("good", ("--task", "numbr"), "unknown task kind 'numbr'; did you mean 'number'?"),
        ("good", ("--teacher", "opnai"), "unknown teacher to begin with 'opnai'; did you mean 'openai'?"),
        (
            "good",
            ("--out", "there.toml"),
            "'there.toml' exists; name another file: tuition init own.csv --out other.toml",
        ),
    ],
)
def test_what_cannot_be_begun_with_is_told(tuition, tmp_path, text, flags, words):
    texts = {
        "long": ["question,answer", *(f"Why {i}?,{'because of it ' * 20}{i}" for i in range(30))],
        "numbers": ["n", *map(str, range(30))],
        "good": ["question,answer", *(f"What is {i}?,{i}" for i in range(30))],
    }
    if text is not None:
        (tmp_path / "own.csv").write_text("\n".join(texts.get(text, [text])))
    (tmp_path / "there.toml").write_text("mine")
    said = tuition("init", "own.csv", *flags)
    assert said.code == 2 and words in said.error
    assert (tmp_path / "there.toml").read_text() == "mine"
    assert not (tmp_path / "tuition.toml").exists()


def test_a_file_of_another_form_is_no_place_for_a_starter(tuition, tmp_path):
    (tmp_path / "own.xls").write_bytes(b"old")
    said = tuition("init", "own.xls")
    assert said.code == 2 and "'own.xls' is of no known form; expected a name ending in .jsonl" in said.error
    assert (tmp_path / "own.xls").read_bytes() == b"old"


def test_rows_without_a_question_or_an_id_of_their_own(tmp_path):
    lines = ["id,question,answer", "7,,0", *(f"7,What is {i}?,{i}" for i in range(30))]
    (tmp_path / "own.csv").write_text("\n".join(lines))
    found = guess(str(tmp_path / "own.csv"))
    assert (found.task["drop_bad_rows"], found.task["id_column"]) == (True, "")
    assert found.why["drop_bad_rows"] == "1 rows have no question"
    with pytest.raises(DataError, match="has no column 'label'"):
        guess(str(tmp_path / "own.csv"), answer="label")
