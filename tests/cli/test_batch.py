"""`tuition batch`: what a run would ask goes into a file, is answered elsewhere, and comes back."""

import json
import sys
from pathlib import Path

import pytest
import typer.main
from tiny import attempts, experiment

sys.path.insert(0, str(Path(__file__).parents[1] / "playground"))

from served import running

from tuition.cli.exchange import batch
from tuition.core.errors import ConfigError, DataError, TeacherError
from tuition.core.store import Store
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.playground.serving import app

CHEN = {"kind": "chat", "name": "chen", "model": "program-chen-1", "price_prompt": 0, "price_completion": 0}


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    listed = tmp_path / "server.jsonl"
    listed.touch()
    with running(app(ledger=listed)) as client:
        client.listed = listed
        yield client


@pytest.fixture
def chen(server):
    return {**CHEN, "base_url": f"{str(server.base_url).rstrip('/')}/v1"}


@pytest.fixture
def tuition_batch(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder of its own; gives what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        command = typer.main.get_command(batch)
        command.main([str(argument) for argument in arguments], standalone_mode=False)
        return " ".join(capsys.readouterr().out.split())

    return call


def answered(server, path, *, skip=()):
    """Answer a file as `vllm run-batch` does: call by call, a line each, in the same form."""
    results = path.with_name("results.jsonl")
    with results.open("w") as file:
        for i, line in enumerate(path.read_text().splitlines()):
            row = json.loads(line)
            if i in skip:
                continue
            assert (row["method"], row["url"]) == ("POST", "/v1/chat/completions")
            said = server.post(row["url"], json=row["body"])
            response = {"status_code": said.status_code, "request_id": "vllm-1", "body": said.json()}
            file.write(
                json.dumps(
                    {"id": f"v{i}", "custom_id": row["custom_id"], "response": response, "error": None}
                )
                + "\n"
            )
    return results


def test_written_answered_elsewhere_and_imported(server, chen, tuition_batch, write, tmp_path):
    config = write(teacher=[chen])
    said = tuition_batch("write", config, "calls.jsonl")
    assert "Wrote calls.jsonl: 12 calls of chen, reserved as batch" in said
    assert "vllm run-batch -i calls.jsonl -o calls-results.jsonl --model program-chen-1" in said
    rows = [json.loads(line) for line in Path("calls.jsonl").read_text().splitlines()]
    with Store(Path("tuition.db")) as store:
        [made] = store.batches()
    assert all(row["custom_id"].startswith(f"{made.name}-") for row in rows)
    assert rows[0]["body"]["model"] == "program-chen-1"
    assert set(rows[0]["body"]) == {"model", "messages", "max_tokens"}
    assert "1 batches, 1 under way" in tuition_batch("list")

    # Nobody buys them meanwhile.
    resolved = experiment(tmp_path, teacher=[chen])
    with pytest.raises(TeacherError, match=r"12 of the calls stand in batch .* written to 'calls.jsonl'"):
        execute(resolved)
    assert server.listed.read_text() == ""
    with pytest.raises(TeacherError, match=r"written to 'calls.jsonl'"):
        tuition_batch("write", config, "again.jsonl")

    results = answered(server, Path("calls.jsonl"))
    assert "tuition.db: 12 answers." in tuition_batch("import", config, results)
    assert "12 lines were settled before" in tuition_batch("import", "tuition.db", results)
    assert [part.kept for part in plan_of(resolved).teachers] == [12]
    paid = len(server.listed.read_text().splitlines())
    finished = execute(resolved)
    assert len(server.listed.read_text().splitlines()) == paid == 12
    assert finished.metrics["spend"]["by_role"]["rationale"]["answers"] == 12
    assert attempts(tmp_path / "tuition.db") == 12
    assert "0 under way" in tuition_batch("list", "tuition.db")


def test_a_part_is_imported_and_the_rest_given_up(server, chen, tuition_batch, write):
    config = write(teacher=[chen])
    found = json.loads(tuition_batch("write", config, "calls.jsonl", "--json"))
    results = answered(server, Path("calls.jsonl"), skip=(0, 5))
    with results.open("a") as file:
        file.write('{"custom_id": "stranger-1", "response": null, "error": null}\nno JSON\n')
    said = tuition_batch("import", "tuition.db", results)
    assert "10 answers" in said
    assert "1 lines answer no call of this store" in said
    assert f"2 calls of batch {found['name']} have no line yet" in said
    assert f"Gave up 2 calls of batch {found['name']}; nothing is paid." in tuition_batch(
        "drop", "tuition.db", found["name"]
    )
    again = json.loads(tuition_batch("write", config, "rest.jsonl", "--json"))
    assert (again["calls"], again["kept"]) == (2, 10)
    rows = json.loads(tuition_batch("list", "--json"))
    assert [(row["state"], row["waiting"]) for row in rows] == [("over", 0), ("written", 2)]


def test_failures_in_a_file_are_rows_too(server, chen, tuition_batch, write, tmp_path):
    config = write(teacher=[chen])
    tuition_batch("write", config, "calls.jsonl")
    ids = [json.loads(line)["custom_id"] for line in Path("calls.jsonl").read_text().splitlines()]
    errors = [
        {"response": {"status_code": 400, "body": None}, "error": {"message": "too long", "code": 400}},
        {"response": None, "error": {"code": "batch_expired", "message": "too late"}},
        {"response": {"status_code": 200, "body": {"choices": []}}, "error": None},
        {"response": None, "error": "engine died"},
    ]
    lines = [{"custom_id": id_, **row} for id_, row in zip(ids, errors, strict=False)]
    Path("results.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = json.loads(tuition_batch("import", config, "results.jsonl", "--json"))
    assert said["answered"] == 0
    assert said["failed"] == {"bad_request": 1, "expired": 1, "malformed": 1, "server": 1}
    assert list(said["waiting"].values()) == [8]


def test_the_budget_holds_for_a_file(chen, tuition_batch, write):
    config = write(teacher=[chen], budget={"calls": 5})
    said = tuition_batch("write", config, "calls.jsonl")
    assert "7 of 12 calls are beyond the budget." in said
    assert len(Path("calls.jsonl").read_text().splitlines()) == 5


def test_an_unknown_price_under_a_limit_in_dollars_writes_nothing(chen, tuition_batch, write):
    unpriced = {key: value for key, value in chen.items() if not key.startswith("price")}
    with pytest.raises(TeacherError, match="the price of teacher 'chen'"):
        tuition_batch("write", write(teacher=[unpriced], budget={"usd": 1.0}), "calls.jsonl")
    assert not Path("calls.jsonl").exists()


def test_a_file_that_is_there_is_left_alone(chen, tuition_batch, write):
    config = write(teacher=[chen])
    Path("calls.jsonl").write_text("mine")
    with pytest.raises(DataError, match=r"'calls.jsonl' exists, and may be a batch that is waited for"):
        tuition_batch("write", config, "calls.jsonl")
    assert Path("calls.jsonl").read_text() == "mine"


def test_one_teacher_a_file(chen, tuition_batch, write):
    config = write(teacher=[chen, {**chen, "name": "ada", "model": "program-ada-1"}])
    with pytest.raises(ConfigError, match="choose with --teacher: 'chen', 'ada'"):
        tuition_batch("write", config, "calls.jsonl")
    with pytest.raises(ConfigError, match="unknown teacher 'aba'; did you mean 'ada'"):
        tuition_batch("write", config, "calls.jsonl", "--teacher", "aba")
    assert "12 calls of ada" in tuition_batch("write", config, "calls.jsonl", "--teacher", "ada")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"teacher": [{"kind": "playground", "name": "ada"}]}, "is of kind 'playground'"),
        ({"recipe": "label_only"}, "asks for no rationales beforehand"),
        (
            {"labels": {"train": "teacher", "teacher": "chen"}},
            "labels.train = 'teacher' is made",
        ),
    ],
)
def test_what_cannot_be_written_says_why(chen, tuition_batch, write, changed, said):
    with pytest.raises(ConfigError, match=said):
        tuition_batch("write", write(**{"teacher": [chen], **changed}), "calls.jsonl")


def test_stores_and_files_that_are_none(tuition_batch, tmp_path):
    with pytest.raises(DataError, match=r"there is no store 'tuition.db'"):
        tuition_batch("list")
    Store(tmp_path / "tuition.db").close()
    assert "tuition.db: no batches." in tuition_batch("list")
    Path("x.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="holds no line with a custom_id"):
        tuition_batch("import", "tuition.db", "x.jsonl")
