import json
from urllib.parse import quote

import pytest

from tuition.core.errors import TeacherError
from tuition.teachers import TeacherConfig
from tuition.teachers.wire.keys import Secret, read_key

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
    with pytest.raises(TeacherError, match=r"cannot be read: No such file.*'TEACHER_KEY_FILE' should hold"):
        read_key(CONFIG)
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
