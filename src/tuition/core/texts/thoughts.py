"""Take a model's thought apart from its answer, and read how its writing ended, in the words of any endpoint.

Knows no endpoint and no file. docs/concepts/thoughts.md has the rule in words; its tables are tests of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["finish_of", "parts_of", "reasoning_of", "text_and_thought", "thought_apart"]

_TAG = (
    r"(?:[\w-]+[:_]|ant)?(?:cot|think|thinking|thoughts?|reasoning|reflection|scratchpad|monologue"
    r"|analysis|chain_of_thought)(?:_process|_content)?"
)
_WORD = "(?:think|thinking|thoughts?|reasoning)"
_CHANNEL = r"(?:<\|start\|>assistant\s*)?<\|channel\|>\s*"
_MESSAGE = r"\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
_OPEN = "|".join(
    (
        rf"<{_TAG}(?:\s[^<>]*)?(?<!/)>",
        rf"\[{_WORD}\]",
        r"◁think▷",
        rf"<\|(?:(?:begin_of_|start_of_|start_)?{_WORD}|{_WORD}_start|inner_prefix)\|>",
        r"<unused94>(?:thought\b)?",
        r"\A\s*Thinking\.\.\.\n",
        r"\A\s*Here(?:'s| is) my (?:thought|thinking) process:",
        r"<\|channel>thought\b",
        rf"{_CHANNEL}(?:analysis|commentary){_MESSAGE}",
        # What is left of a channel's mark once the special tokens are gone.
        r"(?-i:\A\s*(?:assistant)?analysis(?=[A-Z0-9\"'“(]|\s*\n))",
    )
)
_CLOSE = "|".join(
    (
        rf"</\s*{_TAG}\s*>",
        rf"\[/{_WORD}\]",
        r"◁/think▷",
        rf"<\|(?:(?:end_of_|end_|/){_WORD}|{_WORD}_end|inner_suffix)\|>",
        r"<unused95>|<channel\|>",
        r"\n\.\.\.done thinking\.(?=\s)",
        r"\nHere(?:'s| is) my response:",
        rf"(?:<\|end\|>\s*)?{_CHANNEL}final{_MESSAGE}",
        r"(?-i:assistantfinal)",
    )
)
_CODE = r"```.*?```|~~~.*?~~~|`[^`\n]+`"
_NEXT = re.compile(rf"(?P<code>{_CODE})|(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.I | re.DOTALL)
_END = re.compile(_CLOSE, re.I)
_FOLDED = re.compile(r"<details type=\"reasoning\"[^<>]*>(.{0,50000}?)</details>", re.DOTALL)
"""As Open WebUI keeps a thought in the text."""
_ESCAPED = re.compile(rf"&lt;(/?{_TAG})&gt;", re.I)
_WRAPPED = re.compile(
    r"\A\s*<\|(?:begin_of_solution|START_RESPONSE)\|>|<\|(?:end_of_solution|END_RESPONSE|return|end)\|>\s*\Z",
    re.I,
)
"""Marks of those templates around the answer itself."""
_QUOTES = "\"'“”‘’«»"
_MID_SENTENCE = re.compile(r"[\w,;]['\"”’)]*[ \t]+\Z")
_GOES_ON = re.compile(r"[.,;:!?)…]|[ \t]+[(a-z]")
_SENTENCE = re.compile(r"\w[.!?](?:\s|\Z)|\n")
_PREAMBLE_WORDS = 8
"""Words on one line before the first thought, such as "Okay, let me think:", that are no answer yet."""


def thought_apart(text: str) -> tuple[str, str]:
    """Take the thought out of what a model wrote.

    A mark that is quoted, stands in code, or within a sentence that goes on behind it is only mentioned and
    stays. A thought without its end takes everything behind it, an end without its beginning everything
    before.
    """
    if "<details" in text:
        text = _FOLDED.sub(r"<think>\1</think>", text)
    if "&lt;" in text:
        text = _ESCAPED.sub(r"<\1>", text)
    kept: list[str] = []
    thought: list[str] = []
    start = pos = 0
    ends = _Ends(text)
    while found := _NEXT.search(text, pos):
        pos = found.end()
        if found["code"] or _is_quoted(text, found):
            continue
        end = found if found["close"] else ends.behind(pos)
        if _is_mentioned(text, found, end):
            pos = pos if end is None else end.end()
            continue
        before = text[start : found.start()].strip()
        if found["close"]:
            # Its beginning stood in the prompt: nothing before it is an answer.
            thought += [*kept, before]
            kept.clear()
        elif (
            not (kept or thought or "\n" in before)
            and len(before.split()) <= _PREAMBLE_WORDS
            and (end is None or text[end.end() :].strip())
        ):
            thought.append(before)
        else:
            kept.append(before)
        if found["open"]:
            thought.append(text[pos : len(text) if end is None else end.start()].strip())
        start = pos = len(text) if end is None else end.end()
    if start == 0:
        return text, ""
    last = text[start:].lstrip()
    whole = "\n\n".join(piece for piece in (*kept, last) if piece)
    answer = _WRAPPED.sub("", whole)
    answer = answer if answer == whole else answer.rstrip()
    return answer.lstrip(), "\n\n".join(piece for piece in thought if piece)


class _Ends:
    """The marks that end a thought, each looked for once; a quoted one is part of the thought."""

    def __init__(self, text: str) -> None:
        self._found = (end for end in _END.finditer(text) if not _is_quoted(text, end))
        self._next = next(self._found, None)

    def behind(self, pos: int) -> re.Match[str] | None:
        """The first that begins there or later; positions never fall."""
        while self._next is not None and self._next.start() < pos:
            self._next = next(self._found, None)
        return self._next


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    around = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 1]
    return all(sign and sign in _QUOTES + "`" for sign in around)


def _is_mentioned(text: str, mark: re.Match[str], end: re.Match[str] | None) -> bool:
    """Whether the sentence before a mark goes on behind it, or behind the few words that it encloses."""
    if not _MID_SENTENCE.search(text, max(0, mark.start() - 8), mark.start()):
        return False
    within = "" if end is None else text[mark.end() : end.start()]
    return not _SENTENCE.search(within) and bool(_GOES_ON.match(text, (end or mark).end()))


_ENDS = (
    ("refusal", "refus"),
    (
        "content_filter",
        "filter|safety|prohibit|block|spii|recitation|sensitive|toxic|guardrail|armor|moderat|policy"
        "|unsafe|risk|violat|censor|harm(?!on)|withheld|flag|inappropriate|copyright|nsfw|explicit|sexual|hate(?!v)|abus|forbid|jailbreak|pii|redact|danger|malicious|infring",
    ),
    (
        "length",
        r"length|\Amax|max_(?:[a-z]+_)?(?:tok|new|out|len)|context_window|(?<!rate_)(?<!time_)limit|truncat"
        "|cut_?off|budget|num_predict|token_cap",
    ),
    (
        "error",
        "error|fail|abort|cancel|interrupt|unfinish|insufficient|malformed|invalid|time|unknown|unspecified|other"
        "|network|overload|unavailable|unexpected|incomplete|partial|disconnect|clos|drop|lost|terminat|kill"
        "|crash|exception|preempt|evict|missing|language|pause|repetit|too_many|quota|rate_limit|no_image"
        r"|reset|died|dead|bad_|capacity|internal|broke|shut|halt|deadline|exceed|exhaust|by_user|user_|(?:\A|_)oom\Z",
    ),
    ("stop", r"\A(?:stop|stop_sequence|end_turn|end|eos|eos_token|completed?|finished|done|success)\Z"),
)
"""What the word means by which a writing ended, and its parts by which it is known, in lower case; the first
that fits. A word that no part fits is a whole text's where it speaks of an end or the text has a final
mark."""
_SPEAKS_OF_END = re.compile(
    r"stop|(?:\A|[^a-z])(?:end|eo[sdt]|ok)|eos|finish|complet|done|success|normal|natural|tool|call|null|none"
)
_FINAL = re.compile(r"[.!?…。！？)\]}\"'”’*`$>]\s*\Z")
_APART = ("reasoning", "reasoning_content", "thinking", "reasoning_details", "thinking_blocks")
"""Where a message, or a part of one, keeps a thought apart."""
_THOUGHT = re.compile("reason|think|thought", re.I)
"""In the type of a part that is a thought."""


def finish_of(word: object, text: str = "") -> str:
    """Say why a text ended: by the word that the endpoint has for it, and by the end of the text itself."""
    plain = re.sub(r"[\s-]+", "_", word.strip().lower()) if isinstance(word, str) else ""
    if known := next((meant for meant, parts in _ENDS if re.search(parts, plain)), ""):
        return known
    is_odd = plain and text and not (_SPEAKS_OF_END.search(plain) or _FINAL.search(text))
    return "error" if is_odd else (plain and str(word)) or "stop"


def parts_of(content: Any) -> tuple[str, str, str]:
    """Take a message's content apart, which some endpoints send in parts."""
    if isinstance(content, str):
        return content, "", ""
    text, reasoning, refused = [], [], []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict):
            is_thought = part.get("thought") is True or _THOUGHT.search(_plain(part.get("type")))
            (reasoning if is_thought else text).append(_plain(part.get("text")))
            reasoning += [_said(part.get(name)) for name in (*_APART, "summary")]
            refused.append(_plain(part.get("refusal")))
    return "".join(text), "".join(reasoning), "".join(refused)


def text_and_thought(content: Any, apart: str = "") -> tuple[str, str, str]:
    """Take a message's content apart into the answer and what was thought before it."""
    written, in_parts, refused = parts_of(content)
    text, within = thought_apart(written)
    return text, "\n\n".join(dict.fromkeys(filter(None, (in_parts or apart, within)))), refused


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Find the thought that an endpoint kept apart from the content."""
    return next(filter(None, (_said(message.get(name)) for name in _APART)), "")


def _said(value: Any) -> str:
    """A thought: a text, or parts of which each has one."""
    parts = value if isinstance(value, list) else [value]
    tables = [part if isinstance(part, dict) else {"text": part} for part in parts]
    return "".join(_plain(table.get(name)) for table in tables for name in ("text", "thinking", "summary"))


def _plain(value: Any) -> str:
    """A text; some wrap it into an object as its `value`."""
    value = value.get("value") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""
