"""Rows from Parquet files and data sets: real files of the real libraries, without a network."""

import builtins
import datetime
import decimal
import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from tuition.core.errors import DataError, MissingExtra
from tuition.core.rows import read_rows, write_rows

ROWS = [
    {"id": "a", "question": "Größer?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "n": 1},
    {
        "id": "b",
        "question": "Which?",
        "choices": {"text": ["u", "v", "w"], "label": ["1", "2", "3"]},
        "n": None,
    },
]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def folder(tmp_path):
    """A data set as the hub keeps them: two configurations, one with two splits, told in its card."""
    root = tmp_path / "questions"
    for place, rows in {"main/train": ROWS, "main/test": ROWS[:1], "more/train": ROWS[1:]}.items():
        file = root / f"{place}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    (root / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - {split: train, path: main/train.parquet}\n"
        "  - {split: test, path: main/test.parquet}\n"
        "- config_name: more\n  data_files: more/train.parquet\n---\n"
    )
    return root


def test_parquet_rows_are_those_of_json(tmp_path):
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    write_rows(tmp_path / "rows.jsonl", ROWS)
    assert list(read_rows(tmp_path / "rows.parquet")) == list(read_rows(tmp_path / "rows.jsonl")) == ROWS


def test_many_rows_come_in_order(tmp_path):
    rows = [{"i": i} for i in range(2500)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=700)
    assert list(read_rows(tmp_path / "rows.parquet")) == rows


def test_values_that_json_has_no_form_for(tmp_path):
    row = {
        "day": datetime.date(2020, 2, 29),
        "price": decimal.Decimal("1.50"),
        "missing": float("nan"),
        "picture": b"12345",
        "deep": [{"when": datetime.datetime(2020, 1, 1), "share": 0.5}],
        "is_so": True,
    }
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
    [found] = read_rows(tmp_path / "rows.parquet")
    assert found == {
        "day": "2020-02-29",
        "price": "1.50",
        "missing": None,
        "picture": "<5 bytes>",
        "deep": [{"when": "2020-01-01 00:00:00", "share": 0.5}],
        "is_so": True,
    }
    json.dumps(found)


def test_parquet_faults(tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(
        DataError, match=r"cut\.parquet' is no whole Parquet file: .* Fetch or write it again"
    ):
        list(read_rows(tmp_path / "cut.parquet"))
    with pytest.raises(DataError, match=r"no file 'cat\.parquet' in .*; did you mean 'cut\.parquet'"):
        list(read_rows(tmp_path / "cat.parquet"))
    with pytest.raises(DataError, match=r"with or without \.gz, or in \.parquet"):
        list(read_rows(tmp_path / "cut.parquet.gz"))
    with pytest.raises(DataError, match=r"is of no known form; expected .* with or without \.gz$"):
        write_rows(tmp_path / "new.parquet", ROWS)


@pytest.mark.parametrize(
    ("place", "rows"), [("main:train", ROWS), ("main:test", ROWS[:1]), ("more:train", ROWS[1:])]
)
def test_a_folder_of_parquet_files(folder, place, rows):
    assert list(read_rows(Path(f"hub:{folder}:{place}"))) == rows


def test_a_folder_of_json_lines_has_its_split_from_the_name(tmp_path, monkeypatch):
    write_rows(tmp_path / "plain" / "train.jsonl", [{"question": "a", "answer": "b"}])
    write_rows(tmp_path / "plain" / "test.jsonl", [{"question": "c", "answer": "d"}])
    monkeypatch.chdir(tmp_path)
    assert list(read_rows(Path("hub:./plain:test"))) == [{"question": "c", "answer": "d"}]
    assert list(read_rows(Path("hub:plain:train"))) == [{"question": "a", "answer": "b"}]


def test_what_the_library_saved(tmp_path):
    one = datasets.Dataset.from_list(ROWS)
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": one, "dev": one.select([1])}).save_to_disk(tmp_path / "several")
    assert list(read_rows(Path(f"hub:{tmp_path}/one:train"))) == ROWS
    assert list(read_rows(Path(f"hub:{tmp_path}/several:dev"))) == ROWS[1:]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("{folder}", r"names no data set; expected hub:NAME:SPLIT or hub:NAME:CONFIGURATION:SPLIT, such as"),
        ("{folder}:main:train:x", "names no data set"),
        ("{folder}::train", "names no data set"),
        ("{folder}:main:trian", r"has no split 'trian'; did you mean 'train'\? Found: train, test\."),
        (
            "{folder}:mian:train",
            r"cannot be read: BuilderConfig 'mian' not found. Available: \['main', 'more'\]",
        ),
        ("{folder}:train", r"cannot be read: Config name is missing"),
        ("{folder}/none:train", r"there is no folder '.*/none'; correct the path"),
    ],
)
def test_what_is_not_there(folder, place, words):
    with pytest.raises(DataError, match=words) as found:
        list(read_rows(Path(f"hub:{place.format(folder=folder)}")))
    assert "\n" not in str(found.value)


def test_an_empty_folder_and_a_broken_file(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "train.jsonl").write_text('{"a": 1}\n{"a": \n')
    for name in ("empty", "broken"):
        with pytest.raises(DataError, match=f"hub:{tmp_path}/{name}:train' cannot be read: ") as found:
            list(read_rows(Path(f"hub:{tmp_path}/{name}:train")))
        assert "\n" not in str(found.value)


def test_code_of_a_data_set_is_not_run(tmp_path):
    root = tmp_path / "evil"
    root.mkdir()
    (root / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\n")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_rows(Path(f"hub:{root}:train")))
    assert not (tmp_path / "ran").exists()


def test_a_hub_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(
        DataError, match=r"the hub cannot be reached: .* HF_HUB_OFFLINE=1 in the environment\."
    ):
        list(read_rows(Path("hub:nobody/nothing:train")))


def test_offline_by_wish(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError,
        match=r"'hub:nobody/nothing:train' cannot be read: .* HF_HUB_OFFLINE is set, so the hub was",
    ):
        list(read_rows(Path("hub:nobody/nothing:train")))


@pytest.mark.parametrize(
    ("package", "path"), [("datasets", "hub:org/name:train"), ("pyarrow", "rows.parquet")]
)
def test_without_the_library_the_pip_line(monkeypatch, tmp_path, package, path):
    (tmp_path / "rows.parquet").write_bytes(b"")
    real = builtins.__import__

    def refuse(name, *args, **more):
        if name == package:
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    place = Path(path) if package == "datasets" else tmp_path / path
    with pytest.raises(MissingExtra, match=rf"'{package}' is not installed; .*'tuition\[data\]'"):
        list(read_rows(place))


def test_the_libraries_are_not_loaded_before_they_are_needed(tmp_path):
    write_rows(tmp_path / "rows.jsonl", ROWS)
    program = (
        "import sys; from pathlib import Path; from tuition.core.rows import read_rows; "
        f"list(read_rows(Path({str(tmp_path / 'rows.jsonl')!r}))); "
        "print([name for name in ('datasets', 'pyarrow', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.stdout.strip() == "[]", done.stderr
