"""Write a commented configuration for a person's own file, from what was guessed and said about it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from tuition.core.errors import ConfigError, near_name
from tuition.core.texts.visible import visible
from tuition.operate.starters.guess import Guess, siblings
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import FileSource
from tuition.teachers.config import TeacherConfig
from tuition.teachers.prices import price_for

__all__ = ["PROVIDERS", "keys_present", "own_config", "task_of_guess"]

_SERVED = (
    ("openai", "gpt-4o-mini", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("anthropic", "claude-haiku-4-5", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini-2.5-flash-lite", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    ("mistral", "mistral-small-latest", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("deepseek", "deepseek-chat", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    (
        "together",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
    ),
    ("openrouter", "meta-llama/llama-3.3-70b-instruct", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ("local", "Qwen/Qwen2.5-7B-Instruct", "http://127.0.0.1:8000/v1", ""),
)
"""Who serves, a model, the endpoint, and the variable of its key; empty: it needs none."""
_BESIDES: dict[str, dict[str, Any]] = {
    "anthropic": {"wire": {"form": "anthropic"}},
    "gemini": {"concurrency": 4, "wire": {"form": "gemini"}},
    "mistral": {"concurrency": 4},
    "deepseek": {"timeout_s": 600},
    "local": {"price_prompt": 0.0, "price_completion": 0.0},
}
PROVIDERS: dict[str, dict[str, Any]] = {
    name: {"model": model, "base_url": url} | ({"api_key_env": key} if key else {}) | _BESIDES.get(name, {})
    for name, model, url, key in _SERVED
}
"""Tables of teachers by who serves them; `local` is a server of one's own (docs/how-to/teachers.md)."""

_HINTS = {
    "model": "as the endpoint knows it; any other one that it serves will do",
    "base_url": "where an OpenAI-compatible endpoint answers",
    "api_key_env": "the name of a variable; the key itself stands nowhere",
    "price_prompt": "dollars per million tokens; a server of your own: 0, or what its hour costs",
    "max_tokens": "bound of an answer, and so of its cost",
}


def keys_present() -> dict[str, str]:
    """Say which providers have a key in the environment, by the name of its variable."""
    names = {name: str(table.get("api_key_env", "")) for name, table in PROVIDERS.items()}
    return {
        name: found
        for name, key in names.items()
        if key
        and (found := next((one for one in (key, f"{key}_FILE") if os.environ.get(one, "").strip()), ""))
    }


def task_of_guess(guess: Guess) -> dict[str, Any]:
    """Lay the files and the shares that are drawn beside what was guessed."""
    files = {"train": guess.path, **siblings(guess.path)}
    shares = {} if "test" in files else {"test_share": 0.2}
    shares |= {} if "valid" in files else {"valid_share": 0.1}
    return {**files, **guess.task, **shares}


def own_config(guess: Guess, *, teachers: Sequence[str], usd: float) -> str:
    """Write the configuration; what the file's own reading finds stands in it as remarks."""
    task = task_of_guess(guess)
    source = FileSource(TaskConfig.model_validate(task))
    splits = source.load()
    sizes = {"train": len(splits.train), "valid": len(splits.valid), "test": len(splits.test or ())}
    why = {
        **{"train": f"{guess.rows} rows, of which {sizes['train']} train the student"},
        **{"valid_share": f"of what is left, {sizes['valid']} rows: what is chosen is chosen on them"},
        **{"test_share": f"drawn first, label by label, {sizes['test']} rows: read once, at the end"},
        **guess.why,
    }
    stem = Path(guess.path).name.split(".")[0] or "mine"
    lines = [
        "# Your file, your teachers. `tuition check` reads everything and says what it would cost; it spends",
        "# nothing. What was guessed has its reason beside it; the other keys: docs/how-to/configuration.md.",
        "",
        *_lines({"recipe": "tinyllm", "out": f"runs/{stem}", "seed": 0, "store": "tuition.db"}, _TOP),
        "",
        "[task]",
        *_lines({name: value for name, value in task.items() if name not in _TABLES}, why),
        'instruction = ""  # what the task is, in your own words; the beginning of every prompt',
        *(f"# {_remark(one.sentence)}" for one in source.findings),
        *(["", "[task.file]", *_lines(task["file"], {})] if "file" in task else []),
        *(["", _LABELS, *_lines(task["labels"], why)] if "labels" in task else []),
        *(_schema(task["json_schema"]) if "json_schema" in task else []),
    ]
    for name in teachers:
        lines += ["", *_teacher(name)]
    if guess.unlabelled:
        first = "ada" if teachers[0] == "playground" else teachers[0]
        by = {"train": "teacher", "valid": "teacher", "test": "teacher", "teacher": first}
        said = f"{guess.unlabelled} rows have no label: a teacher gives it, and every figure says so"
        lines += ["", "[labels]", *_lines(by, {"train": said})]
    budget = {"usd": usd, "confirm_above_usd": min(1.0, usd)}
    lines += ["", "[annotation]", *_lines({"examples": 2, "forced": True}, _TOP)]
    lines += ["", "[budget]", *_lines(budget, _TOP), _STUDENT]
    if guess.kind in ("label", "multiple_choice"):
        lines[-1] += (
            'scoring = "options"  # the likeliest of the labels; "generate" lets the student write one\n'
        )
    return "\n".join(lines)


_TABLES = ("file", "labels", "json_schema")
"""What is a table of its own below `[task]`."""
_LABELS = "[task.labels]  # what each means, for the teachers; they see these lines, the student does not"


def _schema(schema: Mapping[str, Any]) -> list[str]:
    said = '# Each field as it was found; a description = "…" says to the teachers what it means.'
    lines = ["", "[task.json_schema]", said, *_lines({"type": "object", "required": schema["required"]}, {})]
    for name, about in schema["properties"].items():
        lines += ["", f"[task.json_schema.properties.{_key(name)}]", *_lines(about, {})]
    return lines


_TOP = {
    "recipe": "several teachers explain, one student learns; label_only asks nobody",
    "out": "the run folder; run the same file again to go on",
    "store": "every reply and payment; share it between runs",
    "examples": "demonstrations from the training split; 0: none",
    "forced": "show teachers the label, so that they explain it; false: let them solve it",
    "usd": "newly paid by this run, at most",
    "confirm_above_usd": "a plan that is expected to cost more needs --yes",
}
_STUDENT = """
[student]
# The embedded student, to try things out; for use: a hub name such as "google/flan-t5-small", or a folder.
model = "base"
max_output_tokens = 96

[training]
steps = 200
batch_examples = 16
optimizer = "muon"
lr = 1e-3
matrix_lr = 0.01
schedule = "flat_cosine"

[evaluation]
baselines = ["label_only", "teachers"]  # also: "zero_shot", "blind", "single_teacher"
"""


def _lines(table: Mapping[str, Any], why: Mapping[str, str]) -> list[str]:
    pairs = ((f"{_key(name)} = {_value(value)}", why.get(name, "")) for name, value in table.items())
    return [f"{line}  # {_remark(reason)}" if reason else line for line, reason in pairs]


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).partition(" = ")[0]


def _remark(text: str) -> str:
    return visible(" ".join(text.split()))


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_value(inner)}' for name, inner in value.items())} }}"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")


def _teacher(name: str) -> list[str]:
    if name == "playground":
        table: dict[str, Any] = {"kind": "playground", "name": "ada", "max_tokens": 128}
        return [
            "[[teacher]]  # a program, to try things out offline; it knows the playground's questions alone",
            *_lines(table, _HINTS),
        ]
    if name not in PROVIDERS:
        raise ConfigError(near_name(name, [*PROVIDERS, "playground"], kind="teacher to begin with"))
    table = {"name": name, **PROVIDERS[name], "max_tokens": 512}
    lines = ["[[teacher]]", *_lines(table, _HINTS)]
    if price_for(TeacherConfig.model_validate(table)) is None:
        lines += ["# Its price is not known here: fill these in, or `tuition run` will refuse."]
        lines += ["# price_prompt =", "# price_completion ="]
    return lines
