import json
import re
import shutil
import sys
import tomllib

import pytest
import tomli_w
from tiny import attempts, hashes, tables, teachers

from tuition.experiment.config import resolve
from tuition.operate.execute import baselines, execute, execute_all


@pytest.fixture(scope="session")
def group(tmp_path_factory):
    """A finished main run with its baselines, as the command leaves it but for cards and page."""
    folder = tmp_path_factory.mktemp("group")
    more = {"evaluation": {"baselines": ["label_only", "teachers"], "jobs": 1}}
    config = resolve(tables(folder, teacher=teachers("ada"), **more), where="group")
    execute_all({"run": config, **baselines(config)}, jobs=1)
    return folder


@pytest.fixture
def runs(group, tmp_path):
    """A copy of the finished group beside the command."""
    shutil.copytree(group, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def test_init_writes_a_configuration_that_can_be_checked(tuition, tmp_path):
    said = tuition("init")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Wrote tuition.toml. Next: tuition check tuition.toml\n"
    assert tuition("check", "tuition.toml").code == 0
    assert tomllib.loads((tmp_path / "tuition.toml").read_text())["recipe"] == "tinyllm"


def test_init_leaves_a_file_alone(tuition, tmp_path):
    (tmp_path / "tuition.toml").write_text("mine")
    said = tuition("init")
    assert said.code == 2
    assert "'tuition.toml' exists; name another file: tuition init other.toml" in said.error
    assert (tmp_path / "tuition.toml").read_text() == "mine"


def test_init_of_an_unknown_kind(tuition):
    assert (
        "unknown starter 'file'; did you mean 'files'?" in tuition("init", "x.toml", "--kind", "file").error
    )


def test_init_as_json(tuition):
    assert tuition("init", "x.toml", "--kind", "files", "--json").json == {"config": "x.toml"}


def test_check_says_what_it_would_cost_and_spends_nothing(tuition, write, tmp_path):
    said = tuition("check", write())
    assert said.code == 0
    assert "tiny.toml: recipe tinyllm; 12 train, 6 valid, 6 test examples" in said.out
    assert "ada" in said.out
    assert said.out.endswith("Nothing was spent. Next: tuition run tiny.toml\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_check_as_json(tuition, write):
    plan = tuition("check", write(), "seed=3", "--json").json
    assert [part["calls"] for part in plan["teachers"]] == [12, 12]
    assert plan["expected_usd"] > 0


def test_check_shows_an_unknown_price_as_unknown(tuition, write):
    far = [{"kind": "chat", "name": "far", "model": "no-such", "base_url": "http://127.0.0.1:9/v1"}]
    said = tuition("check", write(teacher=far))
    assert "the price of far is unknown, and so is the cost: `tuition run` will refuse without" in said.out
    assert tuition("check", "tiny.toml", "--json").json["teachers"][0]["high_usd"] is None


def test_check_says_that_run_will_refuse_an_unknown_price_under_a_limit(tuition, write):
    far = [{"kind": "chat", "name": "far", "model": "no-such", "base_url": "http://127.0.0.1:9/v1"}]
    budget = {"usd": 2, "allow_unknown_price": False}
    notes = tuition("check", write(teacher=far, budget=budget), "--json").json["notes"]
    assert any("`tuition run` will refuse, for budget.usd = 2 could not be held" in note for note in notes)
    run = tuition("run", "tiny.toml", "--yes")
    assert run.code == 2 and "has a limit of 2.0 dollars that could not be held" in run.error
    allowed = tuition("check", "tiny.toml", "budget.allow_unknown_price=true", "--json").json["notes"]
    assert not any("will refuse" in note for note in allowed)


CHOICES = ["cat", "dog", "bird", "fish"]


def test_check_shows_an_example_the_prompt_and_the_labels(tuition, write, tmp_path):
    rows = [
        {
            "id": f"r{i}",
            "question": f"Which flies, {i}?",
            "context": "Birds fly.",
            "choices": CHOICES,
            "answer": i % 2,
        }
        for i in range(20)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = tuition("check", write(task={"train": "t.jsonl", "valid_share": 0.2}))
    assert said.code == 0, said.err
    for line in (
        "one example as it was read: r0",
        "  context: Birds fly.",
        "  question: Which flies, 0?",
        "  option b: dog",
        "  label: cat",
        "what ada would be sent about it, as user:",
    ):
        assert line in said.out.splitlines()
    assert "labels of train (16): a " in said.out and "labels of valid (4): " in said.out
    plan = tuition("check", "tiny.toml", "--json").json
    assert (plan["preview"]["id"], plan["preview"]["label"], plan["preview"]["teacher"]) == (
        "r0",
        "cat",
        "ada",
    )
    assert "Which flies, 0?" in plan["preview"]["prompt"][-1]["content"]
    assert [row["split"] for row in plan["labels"]] == ["train", "valid"]
    assert sum(plan["labels"][0]["options"].values()) == 16 and set(plan["labels"][0]["options"]) == {
        "a",
        "b",
    }


def test_check_shows_the_labels_of_open_questions(tuition, write, tmp_path):
    rows = [{"question": f"What is {i}?", "answer": str(i % 7)} for i in range(70)] + [{"question": "And?"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = tuition(
        "check", write(recipe="label_only", teacher=[], task={"train": "t.jsonl", "valid_share": 0})
    )
    assert said.code == 0, said.err
    spread = "labels of train (71): 0 14 %, 1 14 %, 2 14 %, 3 14 %, 4 14 %, other 28 %, none 1 %"
    assert spread in said.out
    assert "would be sent" not in said.out


def test_check_sends_no_prompt_to_recorded_replies_and_shortens_long_texts(tuition, write, tmp_path):
    rows = [{"id": f"r{i}", "question": f"{i} {'word ' * 300}end?", "answer": "1"} for i in range(9)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    replies = [{"id": "r0", "rationales": {"old": {"text": "It is 1."}}}]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replies))
    old = [{"kind": "recorded", "name": "old", "file": "old.jsonl"}]
    said = tuition("check", write(teacher=old, task={"train": "t.jsonl", "valid_share": 0}))
    assert said.code == 0, said.err
    assert "teacher old has recorded replies: no prompt is sent" in said.out
    assert "letters …]" in said.out and "end?" in said.out


def test_check_tells_the_findings(tuition, write, tmp_path):
    rows = [{"question": f"What is {i % 9}?", "answer": "1"} for i in range(20)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = tuition("check", write(task={"train": "t.jsonl"}))
    assert "data: train: " in said.out
    assert "repeat an earlier question" in said.out


def test_run_writes_table_page_and_cards_and_a_second_time_nothing(tuition, write, tmp_path):
    more = {"evaluation": {"baselines": ["label_only", "teachers"], "jobs": 1}, "teacher": teachers("ada")}
    said = tuition("run", write(**more))
    assert said.code == 0, said.err
    for word in ("label_only", "teacher-ada", "frequent answer", "simulated: a program"):
        assert word in said.out
    assert "Wrote run/metrics.json and run/report.html. Next: tuition predict run FILE" in said.out
    assert "rationale health before training" in said.err
    assert "rationale health" not in said.out
    run = tmp_path / "run"
    assert (run / "MODEL_CARD.md").exists()
    assert (run / "label_only" / "MODEL_CARD.md").exists()
    assert not (run / "teacher-ada" / "MODEL_CARD.md").exists()
    assert set(json.loads((run / "comparisons.json").read_text())) == {"run", "teacher-ada"}

    before, spent = hashes(run), attempts(tmp_path / "tuition.db")
    again = tuition("run", "tiny.toml")
    assert again.code == 0
    assert "Finished before; nothing was done. Next: tuition predict run FILE" in again.out
    assert hashes(run) == before
    assert attempts(tmp_path / "tuition.db") == spent == 24


def test_run_as_json_prints_the_path_and_nothing_else(tuition, write):
    said = tuition("run", write(recipe="ask_teacher", teacher=teachers("ada")), "--json")
    assert said.json == {"metrics": "run/metrics.json", "is_new": True}
    assert tuition("run", "tiny.toml", "--json").json["is_new"] is False


def test_run_with_a_spent_budget_ends_with_3_and_keeps_its_result(tuition, write, tmp_path):
    said = tuition("run", write(), "budget.calls=20", "--json")
    assert said.code == 3
    assert said.json == {"metrics": "run/metrics.json", "is_new": True}
    assert "the budget was spent before everything was asked that was to be asked" in said.error
    assert attempts(tmp_path / "tuition.db") == 20
    assert tuition("run", "tiny.toml", "budget.calls=20").code == 3


def test_run_with_a_budget_for_nothing_ends_with_3(tuition, write):
    said = tuition("run", write(recipe="ask_teacher", teacher=teachers("ada")), "budget.calls=0")
    assert said.code == 3
    assert "the budget was spent before a single answer; raise [budget]." in said.error
    assert said.out == ""


def test_a_run_killed_before_its_page_gets_it_at_the_next_start(tuition, runs, write):
    more = {"evaluation": {"baselines": ["label_only", "teachers"], "jobs": 1}, "teacher": teachers("ada")}
    assert not (runs / "report.html").exists()
    said = tuition("run", write(**more))
    assert said.code == 0, said.err
    assert (runs / "report.html").exists()
    assert (runs / "comparisons.json").exists()
    assert (runs / "MODEL_CARD.md").exists()


def test_resume_goes_on_from_the_folder_alone(tuition, write, tmp_path):
    config = write(recipe="ask_teacher", teacher=teachers("ada"), budget={"calls": 0})
    assert tuition("run", config).code == 3
    text = (tmp_path / "run" / "config.toml").read_text().replace("calls = 0", "calls = 100")
    (tmp_path / "run" / "config.toml").write_text(text)
    (tmp_path / "tiny.toml").unlink()
    said = tuition("resume", "run", "--json")
    assert said.code == 0, said.err
    assert said.json == {"metrics": "run/metrics.json", "is_new": True}


def test_show_a_group(tuition, runs):
    said = tuition("show", "run")
    sentence = "The test set of run and 2 more was opened 3 times by runs of this store ("
    assert sentence in " ".join(said.out.split())
    assert said.code == 0
    assert "run: test split" in said.out
    assert said.out.endswith("Next: tuition report run\n")
    rows = tuition("show", "run", "--json").json
    assert [row["name"] for row in rows][-3:] == ["label_only", "run", "teacher-ada"]


def test_show_the_unreadable(tuition, runs):
    said = tuition("show", "run", "--unreadable", "--json")
    found = said.json
    assert found
    assert {row["run"] for row in found} <= {"run", "label_only", "teacher-ada"}
    assert f"{len(found)} unreadable answers" in tuition("show", "run", "--unreadable").out


def test_compare_two_runs(tuition, runs):
    found = tuition("compare", "run/teacher-ada", "run/label_only", "--json").json
    assert found["split"] == "test"
    assert found["difference"] > 0
    assert tuition("compare", "run/teacher-ada", "run/label_only").code == 0


def test_report_writes_a_page(tuition, runs):
    assert tuition("report", "run", "--json").json == {"report": "run/report.html"}
    assert (runs / "report.html").read_text().startswith("<!doctype html>")
    assert "Open it in a browser; it needs no network." in tuition("report", "run").out


def test_a_report_finds_its_questions_again_and_says_where_it_cannot(tuition, runs, tmp_path):
    def items(path):
        return json.loads(re.search(r'(?s) id="data">(.*?)</script>', path.read_text())[1])["items"]

    assert tuition("report", "run").code == 0
    found = items(runs / "report.html")
    assert all(item["question"] and item["label"] for item in found)
    assert {item["split"] for item in found} == {"train", "valid", "test"}
    said = [one for item in found for one in item["said"]]
    assert said and {one["teacher"] for one in said} == {"ada"}
    rules = {answer["rule"] for item in found for answer in item["runs"].values()}
    assert "the last conclusion mark, “answer is”" in rules
    assert "could not be found again" not in (runs / "report.html").read_text()
    config = runs / "config.toml"
    config.write_text(config.read_text().replace('source = "playground"', 'source = "gone"'))
    tuition("report", "run", "--out", "new/page.html")
    page = (tmp_path / "new" / "page.html").read_text()
    assert "The questions of run could not be found again:" in page


def test_list_shows_runs_and_names_and_passes_over_strange_files(tuition, runs, tmp_path):
    strange = tmp_path / "run" / "strange"
    strange.mkdir()
    (strange / "config.toml").write_text("other = 1")
    found = tuition("list", ".", "--json").json
    assert [(row["run"], row["state"]) for row in found["runs"]] == [
        ("run", "done"),
        ("run/label_only", "done"),
        ("run/teacher-ada", "done"),
    ]
    assert "tinyllm" in found["recipes"]
    assert {"files", "playground"} <= set(found["sources"])
    (runs / "done").unlink()
    assert ".: 2 done, 1 unfinished" in tuition("list", ".").out


def test_list_of_no_folder_names_what_a_configuration_may_use(tuition):
    said = tuition("list")
    assert said.code == 0
    assert "recipes: ask_teacher, ddk, elad, evokd, kard" in said.out
    text = said.out.split("recipes: ask_teacher")[0]
    assert max(map(len, text.splitlines())) <= 80
    assert "  tinyllm\n    Distil the rationales of all teachers into one student." in text
    found = tuition("list", "--json").json
    assert found["runs"] == []
    methods = {row["name"]: row for row in found["methods"]}
    assert {*found["recipes"], "egss", 'annotation.keep_by = "ifd"', "[lesson.contrast]"} <= methods.keys()
    assert methods["mint"]["source"].startswith("in the style of MinT (arXiv 2307.07951)")
    for name, source in (
        ("know_gate", "Knowledge Detection (arXiv 2406.11275)"),
        ("mgsr", "in the style of MGSR (arXiv 2407.10068)"),
        ("--ablate lessons", "LLAVADI (arXiv 2407.19409)"),
        ('training.meter = "objectives"', "in the style of CoMMIT (arXiv 2407.20454)"),
        ('student.update = "prompt"', "LLaMA-Adapter (arXiv 2303.16199)"),
        ('annotation.keep_by = "ifd"', "Cherry LLM (arXiv 2308.12032)"),
        ('route = "familiar"', "I Learn Better If You Speak My Language (arXiv 2402.11192)"),
        ('annotator = "repair"', "the minimum change of I Learn Better If You Speak My Language (arXiv"),
        ("exam.samples = 4", "Tailored Learning (arXiv 2310.13332)"),
        ("[knowledge]", "KARD (arXiv 2305.18395)"),
        ("evaluation.votes = 5", "self-consistency (arXiv 2203.11171)"),
        ("selection.leave_known = true", "SlimPLM (arXiv 2402.12052)"),
        ("tuition cascade, predict --cascade, serve --cascade", "SuperContext (arXiv 2312.15918)"),
        ("tuition stepwise", "in the style of FAC²E (arXiv 2403.00126)"),
        (
            "tuition errors",
            "the survey Rethinking Interpretability in the Era of Large Language Models (arXiv",
        ),
    ):
        assert methods[name]["source"].startswith(source)
    assert all(row["does"].endswith(".") and row["source"] for row in methods.values())
    assert methods["ddk"]["does"].startswith("Distil in intervals, drawing most from the domains")


def test_demo_as_json(tuition, tmp_path, monkeypatch):
    from tuition.operate import demo
    from tuition.operate import execute as executing

    def small(out):
        names = {"zero_shot": "zero_shot", "label_only": "label_only", "teacher-ada": "ask_teacher"}
        return {
            name: resolve(
                tables(tmp_path, recipe=recipe, out=str(out / name), teacher=teachers("ada")), where=name
            )
            for name, recipe in names.items()
        }

    def in_turn(configs, *, jobs, listener):
        return {name: execute(config, listener=listener) for name, config in configs.items()}

    monkeypatch.setattr(demo, "demo_configs", small)
    monkeypatch.setattr(executing, "execute_all", in_turn)
    said = tuition("demo", "--out", "demo", "--json")
    wanted = ("zero_shot", "label_only", "teacher-ada")
    assert said.json == {"metrics": [f"demo/{name}/metrics.json" for name in wanted]}
    text = tuition("demo", "--out", "demo").out
    assert "The teachers of this demo are programs, not language models" in text
    assert text.endswith("Next: tuition init\n")
    assert tuition("init").code == 0
    assert tuition("demo", "--out", "demo").out.endswith("Next: tuition check tuition.toml\n")


def test_the_server_is_told_its_faults_and_address(tuition, monkeypatch):
    from tuition.playground import serving

    told = {}
    monkeypatch.setattr(serving, "serve", lambda **values: told.update(values))
    assert tuition("playground", "serve", "--port", "0", "--fault", "rate_limit=0.5").code == 0
    assert (told["host"], told["port"]) == ("127.0.0.1", 0)
    assert told["faults"].shares == {"rate_limit": 0.5}
    settings = ("--set", "requests_per_minute=600", "--set", 'refuses=["temperature"]')
    assert tuition("playground", "serve", "--port", "0", *settings).code == 0
    assert told["config"].requests_per_minute == 600
    assert told["config"].refuses == ("temperature",)


def test_a_configuration_written_by_hand_is_the_one_that_runs(tuition, tmp_path):
    config = tables(tmp_path, recipe="ask_teacher", teacher=teachers("ada"), out="mine", store="s.db")
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(config))
    tuition("run", "mine.toml", "seed=5")
    assert tomllib.loads((tmp_path / "mine" / "config.toml").read_text())["seed"] == 5


def test_run_with_ablation_shows_and_writes_the_rows(tuition, write, tmp_path):
    said = tuition("run", write(teacher=teachers("ada"), training={"steps": 1}), "--ablate")
    assert said.code == 0, said.err
    assert "run: without one part at a time, against run" in said.out
    assert "left out: without_diverse_teachers: there is one teacher" in said.out
    table = json.loads((tmp_path / "run" / "ablation.json").read_text())
    assert [row["name"] for row in table["rows"]] == ["run", "without_examples", "without_forcing"]
    before, made = hashes(tmp_path / "run"), attempts(tmp_path / "tuition.db")
    again = tuition("run", "tiny.toml", "--ablate")
    assert "without one part at a time" in again.out
    assert (hashes(tmp_path / "run"), attempts(tmp_path / "tuition.db")) == (before, made)
    rows = tuition("show", "run", "--json").json
    assert {"without_examples", "without_forcing"} <= {row["name"] for row in rows}


def test_an_ablation_takes_no_budget_from_its_main_run_and_comes_after_it(tuition, write, tmp_path):
    one = {"teacher": teachers("ada"), "training": {"steps": 1}}
    assert tuition("run", write(**one)).code == 0
    said = tuition("run", "tiny.toml", "budget.calls=20", "--ablate")
    assert said.code == 3
    assert "the budget left nothing for without_forcing; raise [budget]" in said.error
    assert "run itself was finished before" in said.out
    assert attempts(tmp_path / "tuition.db") == 20
    rows = json.loads((tmp_path / "run" / "ablation.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["run", "without_examples"]


def test_the_cost_of_an_ablation_is_confirmed_too(tuition, write):
    plan = tuition("check", write(), "--json").json["expected_usd"]
    limit = f"budget.confirm_above_usd={1.5 * plan}"
    said = tuition("run", "tiny.toml", limit, "--ablate")
    assert said.code == 2
    assert "the expected cost, $" in said.error and "nothing was spent. Add --yes" in said.error
    assert tuition("run", "tiny.toml", limit).code == 0


def test_an_ablation_of_another_recipe_is_refused(tuition, write):
    said = tuition("run", write(recipe="zero_shot"), "--ablate")
    assert said.code == 2
    assert "'evokd' or 'mgsr' or 'elad' apart, this one is 'zero_shot'" in said.error


ELAD = {
    "recipe": "elad",
    "teacher": teachers("ada"),
    "explanation": {"max_tokens": 12, "calibrate": 0},
    "selection": {"strategy": "mean_token_entropy"},
    "rounds": {"most": 2, "cold": {"items": 4}, "each": {"items": 3}},
    "training": {"steps": 1},
}


def test_check_shows_the_rounds_and_writes_nothing(tuition, write, tmp_path):
    said = tuition("check", write(**ELAD))
    assert said.code == 0, said.err
    assert "rounds: what each would ask, low / expected / high" in said.out
    [cold] = [line for line in said.out.splitlines() if line.startswith("    0  ")]
    assert " 4 " in cold and " < $0.01" in cold
    assert "note: the run was executed with stand-ins for teachers and student" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
    plan = tuition("check", "tiny.toml", "--json").json
    assert [row["items"]["expected"] for row in plan["rounds"]] == [4, 3]
    assert sum(row["usd"]["expected"] for row in plan["rounds"]) == pytest.approx(plan["expected_usd"])


def test_the_cost_of_rounds_is_confirmed(tuition, write, tmp_path):
    said = tuition("run", write(**ELAD), "budget.confirm_above_usd=0")
    assert said.code == 2
    assert "the expected cost, $0.00, is above budget.confirm_above_usd = 0; nothing was spent" in said.error
    assert "rounds: what each would ask" in said.out
    assert attempts(tmp_path / "tuition.db") == 0
    assert tuition("run", "tiny.toml", "budget.confirm_above_usd=0", "--yes").code == 0
    assert attempts(tmp_path / "tuition.db") == 7


def test_rounds_of_unknown_price_are_confirmed(tuition, write):
    far = [{"kind": "chat", "name": "far", "model": "no-such", "base_url": "http://127.0.0.1:9/v1"}]
    said = tuition("run", write(**{**ELAD, "teacher": far}))
    assert said.code == 2
    assert "nobody can say what this costs: the price of 'far' is unknown" in said.error


def test_check_looks_over_the_ablations(tuition, write, tmp_path):
    said = tuition("check", write(**ELAD), "--ablate")
    assert said.code == 0, said.err
    assert "ablations: what each would ask, beside the run" in " ".join(said.out.split())
    [row] = [line for line in said.out.splitlines() if "zero_shot" in line]
    assert "nothing new" in row
    assert "left out: without_revision: annotator = 'chain' revises nothing" in said.out
    assert said.out.endswith("Next: tuition run tiny.toml --ablate\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
    rows = tuition("check", "tiny.toml", "--ablate", "--json").json["ablations"]
    assert list(rows) == ["without_selection", "whole_pool", "zero_shot", "teacher-ada"]
    assert sum(row["items"]["expected"] for row in rows["whole_pool"]["rounds"]) == 12


def test_run_takes_an_active_run_apart(tuition, write, tmp_path):
    said = tuition("run", write(**ELAD), "--ablate")
    assert said.code == 0, said.err
    table = json.loads((tmp_path / "run" / "ablation.json").read_text())
    names = ["run", "without_selection", "whole_pool", "zero_shot", "teacher-ada"]
    assert [row["name"] for row in table["rows"]] == names
    assert set(table["left_out"]) == {"without_revision", "intra_only", "inter_only"}
    assert "upper bound" in said.out and "over the main run" in said.out


def test_without_the_extra_for_students_the_line_that_installs_it_is_said(tuition, write, monkeypatch):
    monkeypatch.delitem(sys.modules, "tuition.student.look", raising=False)
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    said = tuition("check", write())
    assert said.code == 2
    assert "'tokenizers' is not installed; it comes with: pip install 'tuition[train]'" in said.error
