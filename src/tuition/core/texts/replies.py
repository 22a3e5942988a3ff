"""What a reply holds and how it ended, in the words of whatever endpoint or file.

Knows no endpoint and no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuition.core.texts.thoughts import thought_apart

__all__ = ["finish_of", "parts_of", "reasoning_of", "text_and_thought"]

_ENDS = (
    ("refusal", "refus"),
    (
        "content_filter",
        "filter|safety|prohibit|block|spii|recitation|sensitive|toxic|guardrail|armor|moderat|policy"
        "|unsafe|violat|censor|harmful|withheld",
    ),
    (
        "length",
        r"length|\Amax|max_(?:[a-z]+_)?(?:tok|new|out|len)|context_window|(?<!rate_)(?<!time_)limit|truncat"
        "|cut_?off|budget",
    ),
    (
        "error",
        "error|fail|abort|cancel|interrupt|insufficient|malformed|invalid|time|unknown|unspecified|other"
        "|network|overload|unavailable|unexpected|incomplete|partial|disconnect|clos|drop|lost|terminat|kill"
        "|crash|exception|preempt|evict|missing|language|pause|repetit|too_many|quota|rate_limit|no_image"
        r"|reset|internal|broke|shut|halt|deadline|exceed|exhaust|by_user|user_|(?:\A|_)oom\Z",
    ),
    ("stop", r"\A(?:stop|stop_sequence|end_turn|end|eos|eos_token|completed?|finished|done|success)\Z"),
)
"""What the word means by which a writing ended, and its parts by which it is known, in lower case; the first
that fits. A word that no part fits is a whole text's, as long as there is one."""
_APART = ("reasoning", "reasoning_content", "thinking", "reasoning_details", "thinking_blocks")
"""Where a message, or a part of one, keeps a thought apart."""
_THOUGHT = re.compile("reason|think|thought", re.I)
"""In the type of a part that is a thought."""


def finish_of(word: object) -> str:
    """Read why the writing ended, in the words of whatever endpoint."""
    plain = re.sub(r"[\s-]+", "_", word.strip().lower()) if isinstance(word, str) else ""
    return next((meant for meant, parts in _ENDS if re.search(parts, plain)), plain and str(word)) or "stop"


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
