import base64
import json
import random
import string
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from tuition.core.errors import TeacherError
from tuition.teachers import TeacherConfig
from tuition.teachers.http.keys import Secret, read_key

CONFIG = TeacherConfig(name="a", api_key_env="TEACHER_KEY")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    monkeypatch.delenv("TEACHER_KEY_FILE", raising=False)


def test_a_key_shows_itself_to_nobody():
    key = Secret('sk-/1+2="x')
    assert "sk-" not in repr(key) + str(key) + f"{key!r}" + repr(vars(CONFIG))
    told = f"{key.show()} {json.dumps(key.show())} {quote(key.show(), safe='')}"
    assert key.hide(told) == '*** "***" ***'
    assert bool(key)


def test_a_slash_may_come_escaped():
    assert Secret("sk/0123456").hide(r"sk\/0123456 and sk/0123456") == "*** and ***"


def test_a_short_key_is_masked_nowhere_and_told_once(monkeypatch, caplog):
    monkeypatch.setenv("SHORT_KEY", "ollama7")
    config = TeacherConfig(name="a", api_key_env="SHORT_KEY")
    keys = [read_key(config) for _ in range(3)]
    assert keys[0].hide("ollama7 is a word") == "ollama7 is a word"
    assert (keys[0].show(), repr(keys[0])) == ("ollama7", "Secret('***')")
    [warning] = caplog.messages
    assert "The key in 'SHORT_KEY' has fewer than 8 letters and is masked in no text" in warning
    assert "ollama7" not in warning
    assert Secret("ollama78").hide("ollama78 is a key") == "*** is a key"


KEY = "sk-proj-7f3A9c0d1e2b4856xYzQ"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"a {KEY} b {KEY}{KEY}", "a *** b ***"),
        (KEY[:12], "***"),
        (KEY[:11], KEY[:11]),
        (f"{KEY[3:15]}…{KEY[-12:]}", "***…***"),
        (f"{KEY[-13:-1]}{KEY[:5]}", f"***{KEY[:5]}"),
        (KEY[::-1], "***"),
        (KEY[5:17][::-1], "***"),
        (KEY.upper() + " " + KEY[2:14].lower(), "*** ***"),
        (KEY.encode().hex() + "0", "***0"),
        ("".join(f"%{byte:02X}" for byte in KEY.encode()), "***"),
        ("".join(f"\\u{byte:04x}" for byte in KEY.encode()[:12]), "***"),
        (base64.b64encode(KEY[:12].encode()).decode(), "***"),
        (base64.b64encode(KEY[5:17].encode()).decode(), "***"),
        ("sk-proj- is how keys begin, 7f3A9c0d is none", "sk-proj- is how keys begin, 7f3A9c0d is none"),
    ],
)
def test_each_form_and_part_is_masked(text, hidden):
    assert Secret(KEY).hide(text) == hidden


def test_no_twelve_letters_are_left_wherever_they_stand():
    draw = random.Random(11)
    letters = string.ascii_letters + string.digits + "-_/+=."
    for _ in range(100):
        key = "".join(draw.choices(letters, k=draw.randint(12, 80)))
        first = draw.randint(0, len(key) - 12)
        part = key[first : draw.randint(first + 12, len(key))]
        before, behind = (draw.randbytes(draw.randint(0, 9)) for _ in range(2))
        coded = base64.b64encode(before + part.encode() + behind)
        noise = "".join(draw.choices(letters + " ", k=draw.randint(0, 40)))
        said = [part, part[::-1], quote(part, safe=""), part.encode().hex(), coded.decode()]
        secret = Secret(key)
        for text in said:
            left = secret.hide(text + noise)
            assert "***" in left, (key, text)
            assert not any(part[i : i + 12] in left for i in range(len(part) - 11))
            assert text not in left


def test_json_with_a_key_in_it_stays_json():
    body = json.dumps(
        {"text": f"I got {KEY}", "of": [KEY[::-1], base64.b64encode(KEY[:12].encode()).decode()]}
    )
    assert json.loads(Secret(KEY).hide(body)) == {"text": "I got ***", "of": ["***", "***"]}


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-7f3A9c0d1e2b4856",
        "sk-1",
        "gsk_7f3A9c0d1e2b4856xYzQ7f3A",
        "hf_AbCdEfGhIjKlMnOpQrStUvWx",
        "AIzaSyA7f3A9c0d1e2b4856xYzQ",
        "0123456789abcdef",
        "Bearer abc",
        "$OPENAI_API_KEY",
        "OPENAI API KEY",
        " MY_NAME",
        "MY_NAME\n",
        "schlüssel",
        1234567890,
        ["sk-proj-7f3A9c0d1e2b4856"],
    ],
)
def test_what_is_no_name_is_neither_kept_nor_told(value):
    with pytest.raises(ValidationError, match="api_key_env holds something that looks like a key") as caught:
        TeacherConfig(name="a", api_key_env=value)
    secret = value[0] if isinstance(value, list) else value
    assert str(secret).strip() not in str(caught.value).replace("OPENAI_API_KEY", "")


@pytest.mark.parametrize(
    "name", ["", "OPENAI_API_KEY", "my_key", "_K2", "far_Key_2_of_3", "HF_TOKEN", "hf_token"]
)
def test_names_are_names(name):
    assert TeacherConfig(name="a", api_key_env=name).api_key_env == name


def test_no_key_hides_nothing():
    key = read_key(TeacherConfig(name="a"))
    assert (bool(key), key.hide("as it is"), repr(key)) == (False, "as it is", "Secret('')")


def test_the_variable_goes_before_the_file(monkeypatch, tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-in-file\n")
    monkeypatch.setenv("TEACHER_KEY_FILE", str(file))
    assert read_key(CONFIG).show() == "sk-in-file"
    monkeypatch.setenv("TEACHER_KEY", "sk-in-variable")
    assert read_key(CONFIG).show() == "sk-in-variable"


def test_a_file_that_cannot_be_read_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TEACHER_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(
        TeacherError, match=r"cannot be read: No such file.*The variable should hold the path"
    ) as caught:
        read_key(CONFIG)
    assert str(tmp_path) not in str(caught.value), "it may be the key, put there by mistake"
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(TeacherError, match="it is no text"):
        read_key(CONFIG)
    (tmp_path / "none").write_text(" \n")
    with pytest.raises(TeacherError, match="the file that 'TEACHER_KEY_FILE' names, which is empty"):
        read_key(CONFIG)
    (tmp_path / "none").write_text("sk-1\nsk-2")
    with pytest.raises(TeacherError, match="holds characters that no key has") as caught:
        read_key(CONFIG)
    assert "sk-1" not in str(caught.value)


def test_nothing_set_names_both_places():
    with pytest.raises(TeacherError, match=r"'TEACHER_KEY', which is not set.*or let TEACHER_KEY_FILE hold"):
        read_key(CONFIG)
