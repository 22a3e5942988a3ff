"""The chat template in which a student is asked, and the one it is saved with. Loads no torch.

A student whose tokenizer brings a chat template reads its questions in it; any other reads the plain form.
What is saved carries a template that writes what the student reads, instruction included: the question alone
is sent, with transformers, with a server, with llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tuition.core.errors import ConfigError, TrainingError
from tuition.core.records import Message
from tuition.student.config import StudentConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "FORM",
    "ask_in",
    "decoder_reads",
    "end_of_turn",
    "is_chat",
    "own_template",
    "read_form",
    "saved_template",
    "writer_in",
]

FORM = "tuition.json"
"""The file of a saved student that says how it is asked; beside weights and tokenizer."""
_SEVERAL = "this student reads one question: send one message, with the role user"
_INNER = "tuition-inner-text"


def read_form(folder: Path) -> dict[str, Any] | None:
    """Read how a saved student is asked. None: Tuition did not save the model in this folder."""
    path = folder / FORM
    if not path.is_file():
        return None
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        if form["format"] == 1 and form["template"] in ("plain", "chat"):
            return form
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise TrainingError(
        f"{str(path)!r} is broken, or of a newer version of tuition; restore it, or take that version."
    )


def decoder_reads(form: Mapping[str, Any]) -> str:
    """Give the instruction that the decoder of a saved student reads; empty where its template writes it."""
    is_apart = form.get("instruction") == "decoder" and form["family"] == "seq2seq"
    return str(form["prefix"]).strip() if is_apart else ""


def own_template(brought: Any, form: Mapping[str, Any] | None) -> str | None:
    """Find the chat template of a model, of its tokenizer or, by name, of several. None: it has none.

    A student that was saved here has it in its form, for that of the tokenizer writes the instruction too.
    """
    if form is not None:
        return form.get("own_template")
    return brought.get("default") if isinstance(brought, Mapping) else brought


def is_chat(config: StudentConfig, *, family: str, own: str | None, form: Mapping[str, Any] | None) -> bool:
    """Say whether a student is asked in its chat template; the plain form is the other way."""
    if config.template == "chat" and (family == "options" or not own):
        reason = "scores options and reads pairs" if family == "options" else "brings no chat template"
        raise ConfigError(
            f"student.template = 'chat', and {config.model!r} {reason}; set it to 'auto' or 'plain'."
        )
    if config.template == "auto":
        return family != "options" and bool(own) and (form is None or form["template"] == "chat")
    return config.template == "chat"


def ask_in(
    tokenizer: PreTrainedTokenizerBase, template: str, text: str, *, earlier: Sequence[Message] = ()
) -> str:
    """Write a question in a chat template, behind earlier turns, up to where the student goes on."""
    from jinja2 import TemplateError

    turns = [{"role": turn.role, "content": turn.content} for turn in earlier]
    turns.append({"role": "user", "content": text})
    try:
        return str(
            tokenizer.apply_chat_template(
                turns, chat_template=template, tokenize=False, add_generation_prompt=True
            )
        )
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise TrainingError(
            f"the student's chat template cannot write a question: {error}. Mend it in the model's folder, "
            "or set student.template = 'plain'."
        ) from None


def writer_in(folder: Path, config: StudentConfig, *, family: str) -> Callable[..., str] | None:
    """Give what writes a question in the chat template of a model. None: its student reads the plain form."""
    form = read_form(folder)
    if form is None:
        settings = folder / "tokenizer_config.json"
        brings = any(folder.glob("*chat_template*")) or (
            settings.is_file() and '"chat_template"' in settings.read_text(encoding="utf-8", errors="replace")
        )
    else:
        brings = form.get("own_template") is not None
    if config.template == "plain" or (config.template == "auto" and not brings):
        return None
    from transformers import AutoTokenizer

    tokenizer = cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(folder))
    own = own_template(tokenizer.chat_template, form)
    chats = is_chat(config, family=family, own=own, form=form)
    return partial(ask_in, tokenizer, own) if own and chats else None


def end_of_turn(tokenizer: PreTrainedTokenizerBase, template: str) -> str | None:
    """Find the mark that ends an answer in a chat template. None: it writes none that the tokenizer knows."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _INNER}]
    whole = str(tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False))
    ids = tokenizer(whole.rpartition(_INNER)[2], add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | {
        id for id, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    return next((str(tokenizer.convert_ids_to_tokens(id)) for id in ids if id in special), None)


def saved_template(
    tokenizer: PreTrainedTokenizerBase, own: str | None, *, prefix: str, instruction: str, family: str
) -> str:
    """Make the template that a student is saved with; it writes what the student reads around the question.

    `own` is the chat template it is asked in, None: the plain form; `prefix` its instruction.
    """
    if instruction == "decoder" and family == "seq2seq":
        prefix = ""
    behind = prefix.strip()
    content = (
        f"{json.dumps(prefix)} ~ m['content']"
        if instruction == "before"
        else f"m['content'] ~ {json.dumps(chr(10) + behind if behind else '')}"
    )
    if own is not None:
        return (
            "{%- set said = namespace(turns=[]) -%}{%- for m in messages -%}"
            "{%- if loop.last and m['role'] == 'user' -%}"
            f"{{%- set said.turns = said.turns + [{{'role': 'user', 'content': {content}}}] -%}}"
            "{%- else -%}{%- set said.turns = said.turns + [m] -%}{%- endif -%}{%- endfor -%}"
            f"{{%- set messages = said.turns -%}}{own}"
        )
    front, back = _marks_around(tokenizer, family=family)
    end = "\n" if family == "causal" else ""
    return (
        "{%- if messages | length != 1 or messages[0]['role'] != 'user' -%}"
        f"{{{{- raise_exception({json.dumps(_SEVERAL)}) -}}}}{{%- endif -%}}{{%- set m = messages[0] -%}}"
        f"{{{{- {json.dumps(front)} ~ {content} ~ {json.dumps(end + back)} -}}}}"
    )


def _marks_around(tokenizer: PreTrainedTokenizerBase, *, family: str) -> tuple[str, str]:
    """What a tokenizer puts around a text by itself; a decoder goes on behind it, without an end mark."""
    bare = list(tokenizer("x", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("x")["input_ids"])
    if family == "causal" and whole[-1:] == [tokenizer.eos_token_id]:
        whole.pop()
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    front, back = whole[:start], whole[start + len(bare) :]
    join = tokenizer.convert_ids_to_tokens
    return "".join(map(str, join(front))), "".join(map(str, join(back)))
