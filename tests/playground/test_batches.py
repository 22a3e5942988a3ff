"""The playground's files and batches over HTTP, as a client that is not ours would meet them."""

import json
import time

import pytest
from served import BODY, running

from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.playground.serving import Faults, app
from tuition.playground.serving.batches import BatchFaults


def lines(n, **changed):
    row = {"method": "POST", "url": "/v1/chat/completions", "body": BODY}
    return "".join(json.dumps({"custom_id": f"c{i}", **row, **changed}) + "\n" for i in range(n))


def upload(client, text):
    form = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", text.encode())}}
    return client.post("/v1/files", **form).json()["id"]


def create(client, text, **metadata):
    body = {
        "input_file_id": upload(client, text),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": metadata,
    }
    return client.post("/v1/batches", json=body).json()


def wait_for(client, batch):
    while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.01)
        batch = client.get(f"/v1/batches/{batch['id']}").json()
    return batch


def content(client, file):
    text = client.get(f"/v1/files/{file}/content").text
    return [json.loads(line) for line in text.splitlines()]


def test_a_batch_there_and_back(tmp_path):
    listed = tmp_path / "server.jsonl"
    with running(app(ledger=listed)) as client:
        made = create(client, lines(3), who="me")
        assert (made["status"], made["metadata"]) == ("validating", {"who": "me"})
        done = wait_for(client, made)
        rows = content(client, done["output_file_id"])
        online = client.post("/v1/chat/completions", json=BODY).json()
    assert done["status"] == "completed"
    assert done["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert done["error_file_id"] is None
    assert [row["custom_id"] for row in rows] == ["c0", "c1", "c2"]
    assert rows[0]["response"]["status_code"] == 200
    assert rows[0]["response"]["body"]["choices"] == online["choices"]
    payments = [json.loads(line) for line in listed.read_text().splitlines()]
    assert [row["tag"] for row in payments] == ["c0", "c1", "c2", ""]


def test_lines_that_fail_stand_in_the_file_of_errors():
    with running(app()) as client:
        text = lines(1) + lines(1, custom_id="bad", body={**BODY, "model": "none"})
        done = wait_for(client, create(client, text))
        [row] = content(client, done["error_file_id"])
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert (row["custom_id"], row["response"]["status_code"]) == ("bad", 404)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("{\n", 1),
        (lines(1) + lines(1), 2),
        (lines(2, url="/v1/embeddings"), 1),
        (lines(1) + '{"custom_id": "x"}\n', 2),
    ],
)
def test_files_that_fail_validation(tmp_path, text, line):
    listed = tmp_path / "server.jsonl"
    with running(app(ledger=listed)) as client:
        done = wait_for(client, create(client, text))
    assert done["status"] == "failed"
    assert done["errors"]["data"][0]["line"] == line
    assert not listed.exists()


def test_cancelled_in_time_and_too_late():
    with running(app(Faults(batch={"batch_s": 0.3}))) as client:
        made = create(client, lines(2))
        assert client.post(f"/v1/batches/{made['id']}/cancel").json()["status"] == "cancelling"
        done = wait_for(client, made)
        rows = content(client, done["error_file_id"])
        assert client.post(f"/v1/batches/{made['id']}/cancel").json()["status"] == "cancelled"
    assert done["status"] == "cancelled"
    assert {row["error"]["code"] for row in rows} == {"batch_cancelled"}


def test_the_list_goes_back_from_the_newest_page_by_page():
    with running(app()) as client:
        ids = [create(client, lines(1))["id"] for _ in range(5)]
        first = client.get("/v1/batches?limit=2").json()
        second = client.get(f"/v1/batches?limit=2&after={first['last_id']}").json()
        last = client.get(f"/v1/batches?limit=2&after={second['last_id']}").json()
    found = [row["id"] for page in (first, second, last) for row in page["data"]]
    assert found == ids[::-1]
    assert [page["has_more"] for page in (first, second, last)] == [True, True, False]


def test_what_is_not_there_and_what_is_no_batch():
    with running(app()) as client:
        assert client.get("/v1/batches/none").status_code == 404
        assert client.get("/v1/files/none/content").status_code == 404
        assert client.post("/v1/batches", json={"input_file_id": "none"}).status_code == 400
        assert client.post("/v1/batches", content=b"[]").status_code == 400
        assert client.post("/v1/files", data={"purpose": "batch"}).status_code == 400
        assert client.post("/v1/files", content=b"x").status_code == 400


def test_faults_of_batches_come_at_their_shares_and_by_their_seed():
    faults = BatchFaults(expired=0.25)
    struck = [faults.strikes("expired", i) for i in range(400)]
    assert 70 < sum(struck) < 130
    assert struck == [faults.strikes("expired", i) for i in range(400)]
    assert struck != [BatchFaults(expired=0.25, seed=1).strikes("expired", i) for i in range(400)]
    with pytest.raises(ConfigError, match=r"unknown key 'batch.expird'; did you mean 'expired'"):
        parse(Faults, {"batch": {"expird": 1}}, where="--fault")
