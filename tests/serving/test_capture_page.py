"""The page on capturing, from its first block to a finished run."""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from loopback import served
from tuition.cli.main import main
from tuition.core.rows import read_rows
from tuition.serving import CaptureConfig, Captured
from tuition.serving.proxy import proxy

pytest.importorskip("openai", reason="the package openai is absent; it comes with the extra test")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "capture.md"


async def add(request):
    """An endpoint that adds."""
    asked = await request.json()
    await asyncio.sleep(0)
    a, b = re.findall(r"\d+", asked["messages"][-1]["content"])
    text = f"{a} and {b} are {int(a) + int(b)}. The answer is {int(a) + int(b)}."
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return JSONResponse(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m-1"}
        | {"choices": choices, "usage": usage}
    )


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_from_the_application_to_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-application")
    [block], [config] = blocks("python"), blocks("toml")
    upstream = Starlette(routes=[Route("/v1/chat/completions", add, methods=["POST"])])
    captured = Captured(Path("captured.jsonl"))
    with (
        served(upstream) as address,
        served(proxy(address, captured, CaptureConfig()), lifespan="on") as front,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", front)
        for i in range(24):
            names = {}
            exec(block.replace("3 + 4", f"3 + {4 + i % 23}"), names)
            names["client"].close()
    captured.close()
    assert capsys.readouterr().out.splitlines()[0] == "3 and 4 are 7. The answer is 7."
    assert captured.kept == {"gpt-4o-mini": 24}
    Path("captured.toml").write_text(config, encoding="utf-8")
    small = ["student.model=fresh:llama-nano", "training.steps=2", "student.max_output_tokens=8"]

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["tuition", *words])
        with contextlib.suppress(SystemExit):
            main()
        return capsys.readouterr()

    said = run("check", "captured.toml", *small).out
    assert "21 train, 2 valid" in said
    assert "Nothing was spent." in said
    [row] = json.loads(run("check", "captured.toml", *small, "--json").out)["teachers"]
    assert row["low_tokens"] <= row["expected_tokens"] <= row["high_tokens"]
    run("run", "captured.toml", *small, "--yes")
    metrics = json.loads(Path("runs/captured/metrics.json").read_text())
    assert metrics["spend"]["paid_usd"] == 0
    # 23 questions of 1,000 and 100 tokens at the page's prices
    assert metrics["spend"]["usd"] == pytest.approx(23 * (1000 * 0.15 + 100 * 0.6) / 1e6)
    labels = list(read_rows(Path("runs/captured/labels.jsonl")))
    assert {row["label"] for row in labels} == {str(3 + 4 + i) for i in range(23)}


def test_the_page_says_what_is_masked_and_bounded():
    text = PAGE.read_text(encoding="utf-8")
    for name, field in CaptureConfig.model_fields.items():
        default = json.dumps(field.default) if name == "mask" else f"{field.default:,.0f}"
        assert f"| `{name}` | {'`' * (name == 'mask')}{default}" in text, name
