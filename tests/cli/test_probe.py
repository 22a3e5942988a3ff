import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "playground"))

from served import running

from tuition.playground.serving import ServerConfig, app


def far(client, **more):
    return {
        "kind": "chat",
        "name": "far",
        "model": "program-ada-1",
        "base_url": f"{client.base_url}/v1",
        **more,
    }


def test_what_an_endpoint_takes_is_found_out_and_written_as_toml(tuition, write):
    with running(app(config=ServerConfig(refuses=("temperature",), ignores=("n",)))) as client:
        done = tuition("probe", write(teacher=[far(client)]))
        again = tuition("probe", "tiny.toml", "--json")
    assert again.code == 0, again.error
    found = again.json["far"]
    assert done.code == 0
    assert found["found"]["has_temperature"] is False
    assert found["found"]["has_n"] is False
    assert found["found"]["max_tokens_name"] == "max_tokens"
    for line in found["lines"]:
        assert line in done.out
    assert f"far: {found['calls']} calls with" in done.out + done.err


def test_an_endpoint_that_answers_nothing_gives_nothing_to_write_down(tuition, write):
    with running(app()) as client:
        done = tuition("probe", write(teacher=[far(client, model="nobody")]))
    said = done.out + done.err
    assert "HTTP 404: unknown model 'nobody'. Known: program-ada-1" in said
    assert "Nothing could be told: mend what stands above, and try again." in said
    assert "Write down" not in said


def test_only_endpoints_can_be_tried(tuition, write):
    nobody = tuition("probe", write())
    assert nobody.code == 2
    assert "no teacher of kind 'chat'" in nobody.error
    with running(app()) as client:
        other = tuition("probe", write(teacher=[far(client)]), "--teacher", "fra")
    assert other.code == 2
    assert "did you mean 'far'?" in other.error


def test_what_is_warned_of_is_shown_and_stands_in_the_run(tuition, write, tmp_path):
    priced = {"price_prompt": 1.0, "price_completion": 1.0, "temperature": 0.5, "max_tokens": 64}
    with running(app(config=ServerConfig(refuses=("temperature",)))) as client:
        done = tuition(
            "run", write(teacher=[far(client, **priced)], annotation={"examples": 0, "backoff_s": 0.01})
        )
    assert done.code == 0, done.error
    assert done.err.count("warning: ") == 1
    assert "temperature" in done.error
    events = (tmp_path / "run" / "events.jsonl").read_text()
    assert events.count('"event": "warning"') == 1
