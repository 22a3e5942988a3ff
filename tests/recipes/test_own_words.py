"""Own words from the configuration to the call: read once, kept by the run, part of every key and plan."""

import json
import re
import tomllib

import pytest
import tomli_w
from tiny import attempts, experiment, rows, tables, teachers
from tiny_rounds import active

import tuition
from tuition.core.errors import ConfigError
from tuition.core.rows import write_rows
from tuition.experiment.config import dump, resolve
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute, reread

INSTRUCTION = "Each question is about daily life.\n\nTake your time, and be friendly."
SOLVE = """\
{{ instruction }}
{% for one in examples %}
Question: {{ one.question }}
Explanation: The answer is {{ one.label }}.

{% endfor %}
Go on in the same way, and end with: The answer is X.

Question: {{ question }}
Explanation:
"""


def sent(folder):
    """The messages and the prompt of every call."""
    found = [json.loads(text) for (text,) in rows(folder / "tuition.db", "SELECT request FROM attempts")]
    return [([(one["role"], one["content"]) for one in row["messages"]], row["prompt"]) for row in found]


def written(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def file_of(folder, **changed):
    """A configuration file in a folder of its own."""
    own = tables(folder, **changed)
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "config.toml").write_text(tomli_w.dumps(own), encoding="utf-8")
    return folder / "mine" / "config.toml"


def test_files_lie_beside_the_configuration_and_are_read_once(tmp_path, monkeypatch):
    path = file_of(
        tmp_path,
        task={**tables(tmp_path)["task"], "instruction_file": "task.txt"},
        prompts={"solve": "solve.txt"},
        annotation={"forced": False, "examples": 1},
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"'mine/task.txt' cannot be read: No such file or directory; name"):
        tuition.load_config("mine/config.toml")
    written(path.parent, task=f"\ufeff{INSTRUCTION}\r\n", solve=SOLVE)
    config = tuition.load_config(path)
    assert (config.task.instruction, config.task.instruction_file) == (INSTRUCTION, "")
    assert config.prompts == {"solve": SOLVE.strip()}
    for name in ("task.txt", "solve.txt"):
        (path.parent / name).unlink()
    # The run folder has all of it: a run is gone on with, and repeated, without the files.
    execute(config)
    assert reread(tmp_path / "run") == config
    asked = sent(tmp_path)
    assert len(asked) == 24
    for messages, prompt in asked:
        [(role, text)] = messages
        assert role == "user" and text.startswith(f"{INSTRUCTION}\nQuestion: ")
        assert "Go on in the same way" in text and re.fullmatch(r"solve/own-[0-9a-f]{8}", prompt)


def test_another_text_is_another_run(tmp_path):
    execute(experiment(tmp_path, "task.instruction=Be brief."))
    with pytest.raises(ConfigError, match=r"task.instruction is 'Be brief.' there and 'xxx.*x here\. Choose"):
        execute(experiment(tmp_path, f"task.instruction={'x' * 5000}"))


def test_what_is_wrong_is_told_when_the_configuration_is_read(tmp_path):
    task = tables(tmp_path)["task"]
    written(tmp_path, empty=" \n", long="x" * 20_001, huge="é" * 50_000)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    for name, told in {
        "empty": "has no letter or too many; 1 to 20,000 are taken",
        "long": "has no letter or too many",
        "huge": "has no letter or too many",
        "bytes": "cannot be read: it is no UTF-8; name a text file",
    }.items():
        with pytest.raises(ConfigError, match=told):
            experiment(tmp_path, task={**task, "instruction_file": str(tmp_path / f"{name}.txt")})
    with pytest.raises(
        ConfigError, match="instruction and instruction_file are both set; name one of the two"
    ):
        experiment(tmp_path, task={**task, "instruction": "a", "instruction_file": "b"})
    with pytest.raises(
        ConfigError, match=r"1 fault.*\n  'prompts' is dict: unknown prompt in \[prompts\] 'slove'"
    ):
        experiment(tmp_path, prompts={"slove": "{{ question }}"})
    with pytest.raises(ConfigError, match=r"prompts.solve lacks {{ question }}"):
        experiment(tmp_path, prompts={"solve": "{{ context }}"})
    with pytest.raises(ConfigError, match=r"'nowhere.jinja' cannot be read: No such file"):
        experiment(tmp_path, prompts={"solve": "nowhere.jinja"})
    with pytest.raises(ConfigError, match="at most 20000 characters"):
        experiment(tmp_path, teacher=teachers("ada", system="x" * 20_001))


def test_the_plan_counts_them_and_check_shows_them(tmp_path):
    bare = plan_of(experiment(tmp_path, teacher=teachers("ada")))
    own = experiment(
        tmp_path, "task.instruction=" + "word " * 400, teacher=teachers("ada", system="sys " * 300)
    )
    plan = plan_of(own)
    [before], [after] = bare.teachers, plan.teachers
    # 12 calls with 2,000 and 1,200 letters more, four to a token
    assert after.expected_tokens - before.expected_tokens == pytest.approx(12 * 3200 / 4, rel=0.01)
    system, user = plan.preview.prompt
    assert (system["role"], system["content"]) == ("system", ("sys " * 300).strip())
    assert (
        user["content"].startswith("word word") and "Below are questions with their right" in user["content"]
    )


def test_a_template_that_names_no_answer_form_is_told(tmp_path):
    free = {"forced": False, "examples": 0}
    silent = experiment(tmp_path, annotation=free, prompts={"solve": "Question: {{ question }}"})
    [note] = [note for note in plan_of(silent).notes if "prompts." in note]
    assert note.startswith("prompts.solve does not mention 'The answer is', by which the reply is read; say")
    told = experiment(
        tmp_path, "task.instruction=End with: The answer is X.", annotation=free, prompts=silent.prompts
    )
    assert not [note for note in plan_of(told).notes if "prompts." in note]


def test_teachers_have_each_their_system_message_and_a_reply_its_own_key(tmp_path):
    config = experiment(tmp_path, teacher=[*teachers("ada", system="Be ada."), *teachers("bela")])
    execute(config)
    heads = {messages[0] for messages, _ in sent(tmp_path) if messages[0][0] == "system"}
    assert heads == {("system", "Be ada.")} and attempts(tmp_path / "tuition.db") == 24
    # What bela was asked is not asked again; what ada was asked without it is another call.
    plan = plan_of(experiment(tmp_path, out=str(tmp_path / "other")))
    assert {row.teacher: row.kept for row in plan.teachers} == {"ada": 0, "bela": 12}


STEPS = "{{ question }} {% for one in steps %}[{{ loop.index }}] {{ one }} {% endfor %}"
REVIEW = {
    "judge_step": STEPS + "Is the last one wrong? Say: Step {{ k }} is wrong. Or: Step {{ k }} is right.",
    "revise": STEPS + "Go on. The answer is X.",
    "confirm": STEPS + "{{ stated }}? The answer is X.",
    "locate": STEPS + "The first wrong step is N.",
    "clear": STEPS + '"first_wrong_step"',
    "repair": STEPS + "{{ label }}. The answer is X.",
    "answer": "{{ question }} The answer is X.",
    "verify": "{{ question }} {{ explanation }} The answer is X.",
}


ROLES = {
    "clear": {"judge_step", "revise", "confirm"},
    "clear_panel": {"judge_step", "revise", "confirm", "verify"},
    "clear_one_call": {"revise"},
    "repair": {"revise"},
    "answer_only": {"solve"},
}


@pytest.mark.parametrize("annotator", ROLES)
def test_a_plan_with_own_prompts_asks_what_a_plan_without_does(annotator, tmp_path):
    names = {"annotator": annotator, "teacher": teachers("ada", "bela")}
    bare, own = (
        [
            (row.teacher, row.role, row.low_calls, row.calls, row.high_calls)
            for row in plan_of(active(tmp_path, **names, prompts=prompts)).teachers
        ]
        for prompts in ({}, REVIEW)
    )
    assert own == bare and ROLES[annotator] <= {role for _, role, *_ in own}


def talks(n):
    """Questions of three turns, the last of which the programs know nothing of."""
    for i in range(n):
        yield {
            "id": f"t{i}",
            "messages": [
                {"role": "user", "content": f"Order {i} is late."},
                {"role": "assistant", "content": "Where do you live?"},
                {"role": "user", "content": f"In street {i}. Is it lost?"},
            ],
            "choices": ["yes", "no"],
            "answer": "yes" if i % 2 else "no",
        }


def test_conversations_go_to_teachers_as_turns(tmp_path):
    write_rows(tmp_path / "train.jsonl", list(talks(8)))
    config = experiment(
        tmp_path,
        "task.instruction=Say what became of it.",
        task={"train": str(tmp_path / "train.jsonl"), "valid_share": 0.25},
        annotation={"examples": 1},
        teacher=teachers("ada"),
    )
    execute(config)
    for messages, _ in sent(tmp_path):
        (_, first), (_, second), (_, asked) = messages
        assert [role for role, _ in messages] == ["user", "assistant", "user"]
        assert re.fullmatch(r"Order \d is late\.", first) and second == "Where do you live?"
        assert asked.startswith("Say what became of it.\n\nBelow are questions")
        # The demonstration is written out whole; the question is the last turn alone.
        assert asked.count("Assistant: Where do you live?") == 1
        assert re.search(r"\n\nQuestion: In street \d\. Is it lost\?\nOptions:\n\(a\) yes\n", asked)
    form = json.loads((tmp_path / "run" / "student" / "tuition.json").read_text())
    assert form["example"]["question"].startswith("User: Order") and len(form["example"]["messages"]) == 3


def test_a_configuration_with_own_words_is_written_and_read_again(tmp_path):
    config = experiment(tmp_path, "task.instruction=a\nb", prompts={"solve": SOLVE})
    assert resolve(tomllib.loads(dump(config)), where="again") == config
