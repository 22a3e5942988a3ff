"""How a student is used, as its card shows it: commands, Python, and what it reads and writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["how_to_use"]


def how_to_use(form: Mapping[str, Any], *, place: str, name: str) -> list[str]:
    """Write a section of Markdown; the text of a question is escaped in it, for shell and Python too.

    `form` is what `tuition.json` holds, or empty; `place` is seen from the card; a server calls it `name`.
    """
    lines, shown = ["## How to use it", ""], form.get("example") or {}
    is_apart = form.get("instruction") == "decoder" and form["family"] == "seq2seq"
    if "sent" not in shown:
        return lines
    # A line of JSON has no line break, so it ends no block, no document in the shell and no string in Python.
    asked = {key: shown[key] for key in ("question", "choices", "context") if shown[key]}
    words = [_json(shown["question"]), *([_json(shown["choices"])] if shown["choices"] else [])]
    words += [f"context={_json(shown['context'])}"] if shown["context"] else []
    lines += [
        "Typed where this card lies, this answers a file of questions, one a line:",
        *_block(
            "console", _typed("cat > questions.jsonl", asked), f"tuition predict {place} questions.jsonl"
        ),
        "Each line of `questions.answers.jsonl` is a question with `answer`, `answer_text`, `confidence` and "
        "`unreadable`. In Python:",
        *_block(
            "python",
            "import tuition",
            "",
            f'student = tuition.Student.load("{place}")',
            f"found = student.answer({', '.join(words)})",
            "print(found.answer, found.confidence)",
        ),
    ]
    if form["family"] == "options":
        lines += ["It reads the question with one option at a time and scores them; it writes no text.", ""]
        return [*lines, "It reads, with each option behind it:", *_block("text", shown["sent"])]
    body = {"model": name, "messages": [{"role": "user", "content": shown["sent"]}]}
    curl = (
        "curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' --data-binary @-"
    )
    return [
        *lines,
        "Behind an endpoint for clients of OpenAI's Chat Completions, such as `curl` in a second shell:",
        *_block("console", f"tuition serve {place}"),
        *_block("console", _typed(curl, body)),
        "What is sent, there or to another program that applies the tokenizer's chat template:",
        *_block("text", shown["sent"]),
        "What the student reads then:",
        *_block("text", shown["reads"]),
        *(["What its decoder reads then:", *_block("text", form["prefix"].strip())] if is_apart else []),
        *(["What it learnt to write:", *_block("text", shown["writes"])] if shown["writes"] else []),
    ]


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Some tools end a line at them.
    return text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")


def _typed(command: str, value: object) -> str:
    """A command of the shell that reads a line of JSON, in which the shell reads nothing."""
    return f"{command} <<'END'\n{_json(value)}\nEND"


def _block(language: str, *texts: str) -> list[str]:
    """A block of Markdown, fenced by more backticks than it holds."""
    longest = max((len(run) for text in texts for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return ["", f"{fence}{language}", *texts, fence, ""]
