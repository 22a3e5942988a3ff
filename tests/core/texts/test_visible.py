import json
import unicodedata

import pytest

from tuition.core.texts.visible import visible

TITLE = "\x1b]0;PWNED\x07\x1b[2J\x1b[31m"
SHOWN = [
    (TITLE, r"\x1b]0;PWNED\x07\x1b[2J\x1b[31m"),
    ("safe\u202efdp.exe", r"safe\u202efdp.exe"),
    ("\u2066a\u2069 \u200e\u200f\u061c", r"\u2066a\u2069 \u200e\u200f\u061c"),
    ("\x9b2J \x90q\x9c \x7f", r"\u009b2J \u0090q\u009c \u007f"),
    ("100 %\r  0 %", r"100 %\x0d  0 %"),
    ("a\x00b\x08c\x0bd\x0ce", r"a\x00b\x08c\x0bd\x0ce"),
    ("half \ud83d of one", r"half \ud83d of one"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_commands_a_terminal_is_shown(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["", "a\tb\nc\r\nd", "größer √2 – „so“ 🙂 שלום مرحبا", r"\x1b[31m", "e\u0301 a\u200db"]
)
def test_all_else_stays(text):
    assert visible(text) == text


def test_no_control_character_gets_through():
    every = "".join(map(chr, range(0x110000)))
    kept = visible(every.replace("\r", ""))
    assert {char for char in kept if unicodedata.category(char) in ("Cc", "Cs")} == {"\t", "\n"}
    assert not {
        char for char in kept if unicodedata.bidirectional(char) in BIDI or char in "\u200e\u200f\u061c"
    }


BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize("text", [text for text, _ in SHOWN])
def test_json_keeps_its_value(text):
    assert json.loads(visible(json.dumps({text: [text]}, ensure_ascii=False, indent=2))) == {text: [text]}
