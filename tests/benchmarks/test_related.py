"""`benchmarks/related.py`: its configurations, its rows and what they come to."""

import json
import sys
from pathlib import Path

import pytest

from tuition.experiment.config import resolve

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

HALF = ["selection.share=0.5"]

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture(scope="module", autouse=True)
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    # A tool has the name of one of its parts, and another test may have loaded it.
    other = sys.modules.pop("real_student", None)
    import related

    yield related
    sys.path.remove(str(BENCHMARKS))
    sys.modules.pop("real_student", None)
    if other is not None:
        sys.modules["real_student"] = other


@pytest.fixture(scope="module")
def table(benchmark):
    return benchmark.related_table


def row(form, share, *, seed=1, n=40, system="ifd", data="playground", code="c", **more):
    about = {"usd": 0.1, "calls": 10, "steps": 100, "tokens": 5000, "cpu_s": 20.0, "n": n}
    about |= {"accuracy": share / n, "hits": "1" * share + "0" * (n - share), "items": f"i{seed}"}
    return {"system": system, "data": data, "form": form, "seed": seed, "code": code, **about, **more}


def ids(*seeds, n=40):
    return {f"i{seed}": ",".join(f"{'a' if i % 2 else 'b'}:{seed}-{i}" for i in range(n)) for seed in seeds}


# ---- configurations ----


def test_every_form_of_every_system_is_a_configuration(benchmark, tmp_path):
    for system, about in benchmark.SYSTEMS.items():
        for form in about["forms"]:
            tables = benchmark.tables_of(system, form, quick=False)
            tables |= {"out": str(tmp_path / "run")}
            places = {"@student": "base", "@data": tmp_path, "@after": tmp_path}
            if "data" in about:
                tables["task"] |= {part: str(tmp_path / f"{part}.jsonl") for part in ("train", "test")}
            config = resolve(benchmark.placed(tables, places), where=f"{system}, {form}")
            assert "@" not in str(config.model_dump()).replace("package.module@", "")


def test_a_pair_names_two_forms_of_its_system(benchmark):
    for about in benchmark.SYSTEMS.values():
        for told in [about, *([about["real"]] if "real" in about else [])]:
            named = {form for pair in told["pairs"] for form in pair[:2]}
            assert named <= {*told["forms"]} if "of" in about else named == {*told["forms"]}


def test_the_forms_of_a_pair_have_equal_steps(benchmark):
    for system, about in benchmark.SYSTEMS.items():
        for ours, control, *_ in about["pairs"]:
            steps = {
                benchmark.tables_of(system, one, quick=False)["training"]["steps"] for one in (ours, control)
            }
            assert len(steps) == 1, (system, ours, control)


def test_what_a_run_is_told_changes_no_code(benchmark):
    for system, form in (("ifd", "everything"), ("know_gate", "gated"), ("mint", "chain")):
        before = benchmark.code_of(system, form, quick=False)
        tables = benchmark.tables_of(system, form, quick=False)
        tables["task"]["seed"] = tables["student"]["model"] = tables["training"]["steps"] = 9
        assert benchmark.code_of(system, form, quick=False) == before


def test_a_layer_is_laid_over_the_tables_below_it(benchmark):
    under = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert benchmark.laid_over(under, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert under == {"a": {"b": 1, "c": 2}, "d": [1]}


def test_quick_makes_numbers_small_and_nothing_else(benchmark):
    found = {
        "steps": 100,
        "teacher": [{"samples": 3, "max_tokens": 9}],
        "mentor": {"samples": 0},
        "evaluation": {},
    }
    assert benchmark.shrunk(found, {"steps": 2, "samples": 2}) == {
        **found,
        "steps": 2,
        "teacher": [{"samples": 2, "max_tokens": 9}],
    }


def test_folders_stand_in_the_place_of_their_marks(benchmark, tmp_path):
    found = {"model": "@student", "files": ["@data/passages.txt"], "lr": 1e-3, "name": "a@data"}
    placed = benchmark.placed(found, {"@student": tmp_path / "s", "@data": tmp_path / "d"})
    assert placed == {
        "model": str(tmp_path / "s"),
        "files": [str(tmp_path / "d" / "passages.txt")],
        "lr": 1e-3,
        "name": "a@data",
    }


# ---- data ----


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_fact_that_is_asked_is_told_in_training(benchmark, tmp_path):
    benchmark.related_data.documents(tmp_path, 1, names=12)
    train, test = lines(tmp_path / "train.jsonl"), lines(tmp_path / "test.jsonl")
    assert {row["domain"] for row in test} == {"known", "asked"}
    assert all(row["answer"] is None and row["context"] for row in train if row["domain"] == "asked")
    assert all(row["answer"] and not row["context"] for row in train if row["domain"] == "known")
    assert not {row["question"] for row in train} & {row["question"] for row in test}
    for row in test:
        animal = row["id"].partition("-")[0]
        assert f"A {animal} eats {row['answer']}." in row["context"]


def test_no_name_of_the_test_is_in_training_and_every_passage_is_there(benchmark, tmp_path):
    benchmark.related_data.topics(tmp_path, 1, names=12)
    names = [
        {row["id"].partition("-")[0] for row in lines(tmp_path / f"{part}.jsonl")}
        for part in ("train", "test")
    ]
    assert not names[0] & names[1]
    passages = (tmp_path / "passages.txt").read_text().splitlines()
    assert len(passages) == 12 * 5
    for row in lines(tmp_path / "test.jsonl"):
        assert row["rationales"]["program"]["text"].split(". ")[1] in passages


# ---- rows ----


def test_a_second_start_makes_what_is_missing(benchmark, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(benchmark.SYSTEMS["ifd"], "pairs", [["top half", "everything"]])
    out, work = tmp_path / "rows.json", tmp_path / "work"
    given = ["--quick", "--systems", "ifd", "--out", str(out), "--work", str(work)]
    benchmark.main(given)
    first = json.loads(out.read_text())
    top, everything = first["runs"]
    assert (top["form"], everything["form"]) == ("top half", "everything")
    assert top["steps"] == everything["steps"] == 2
    assert top["usd"] == everything["usd"] > 0
    kept = top["figures"]["routed"]["kept_by"]
    assert 0 < kept["kept"] < kept["of"]
    assert len(top["hits"]) == top["n"] == 6
    assert not (work / "ifd" / "1").exists()
    out.write_text(json.dumps(first | {"runs": [top]}))
    benchmark.main(given)
    again = json.loads(out.read_text())["runs"]
    assert len(again) == 2
    assert again[0] == top
    assert again[1]["hits"] == everything["hits"]
    assert "| IFD | top half over everything | playground | 1 |" in capsys.readouterr().out


def test_votes_and_greedy_are_of_one_student(benchmark, tmp_path):
    given = ["--quick", "--systems", "votes", "--out", str(tmp_path / "rows.json")]
    benchmark.main(given)
    votes, greedy = json.loads((tmp_path / "rows.json").read_text())["runs"]
    for same in ("items", "usd", "steps", "tokens"):
        assert greedy[same] == votes[same]


def test_a_plain_student_begins_where_the_gated_one_did(benchmark, tmp_path):
    folder = tmp_path / "work"
    job = {"code": "c", "system": "know_gate", "data": "documents", "form": "before", "seed": 1}
    row, items = benchmark.made(job, folder, quick=True)
    assert row["steps"] == 2 and row["usd"] == 0, "the reference's"
    assert {id_.partition(":")[0] for id_ in items.split(",")} == {"known", "asked"}
    gated = lines(folder / "gated" / "gates.jsonl")
    taught = lines(folder / "data of before" / "train.jsonl")
    said = {one["example_id"]: one["said"] for one in gated if one["said"].strip()}
    assert {one["id"]: one["answer"] for one in taught} == said
    assert all(one["context"] == "" for one in taught)


def test_real_rows_are_made_by_the_code_of_the_real_student(benchmark, monkeypatch, data, tmp_path):
    import real_student

    monkeypatch.setattr(real_student.sets, "DATA", data)
    for key, value in (("sets", ["last_letter"]), ("forms", {"half": {"form": "one", "settings": HALF}})):
        monkeypatch.setitem(benchmark.SYSTEMS["ifd"]["real"], key, value)
    out = tmp_path / "rows.json"
    given = ["--real", "--quick", "--student", "base", "--systems", "ifd", "--out", str(out)]
    benchmark.main(given)
    first = json.loads(out.read_text())
    [row] = first["runs"]
    assert (row["system"], row["data"], row["form"], row["learnt_as"]) == (
        "ifd",
        "last_letter",
        "half",
        "one",
    )
    assert (row["n"], row["calls"], row["usd"] > 0) == (10, 4, True), "half of eight questions"
    assert first["items"] == {row["items"]: row["items"]}
    benchmark.main(given)
    assert json.loads(out.read_text())["runs"] == [row]
    # What stands in the real student's own results is not made again.
    told = benchmark.arguments(given)
    told.threads = 1
    job = real_student.about(told, "last_letter", "one", 1) | {"split": "test", "lr": row["lr"]}
    standing = row | job | {"accuracy": 0.5, "settings": None}
    (tmp_path / "real_student.json").write_text(json.dumps({"runs": [standing]}))
    monkeypatch.setattr(benchmark.frame, "RESULTS", tmp_path)
    monkeypatch.setitem(benchmark.SYSTEMS["ifd"]["real"], "forms", {"everything": {"form": "one"}})
    benchmark.main([*given[:-1], str(tmp_path / "other.json")])
    [taken] = json.loads((tmp_path / "other.json").read_text())["runs"]
    assert (taken["accuracy"], taken["form"], taken["learnt_as"]) == (0.5, "everything", "one")


# ---- what they come to ----


def test_a_pair_has_points_and_what_each_side_took(table):
    rows = [row("top half", 30, seed=seed, cpu_s=25.0) for seed in (1, 2, 3)]
    rows += [row("everything", 10, seed=seed) for seed in (1, 2, 3)]
    found = table.summary_of(rows, ids(1, 2, 3))["ifd"]["playground"]
    pair = found["pairs"]["top half over everything"]
    assert pair["points"]["mean"] == 50.0
    assert (pair["verdict"], pair["seeds"]) == ("better", 3)
    assert (pair["percent"], pair["cpu_s"]) == ([75.0, 25.0], [25.0, 20.0])
    assert pair["is_equal_money"] and pair["is_equal_steps"]
    assert "top half over random half" not in found["pairs"]


def test_seeds_that_one_side_lacks_are_left_out(table):
    rows = [row("top half", 30, seed=seed) for seed in (1, 2)] + [row("everything", 10, seed=2)]
    pair = table.summary_of(rows, ids(1, 2))["ifd"]["playground"]["pairs"]["top half over everything"]
    assert pair["seeds"] == 1


def test_a_part_of_the_test_is_compared_alone(table):
    # Of every two items the second is of domain a: the hits of `gated` are half a, half b; `plain` has none.
    rows = [
        row(form, share, system="know_gate", data="documents")
        for form, share in (("gated", 20), ("plain", 0))
    ]
    items = {"i1": ids(1)["i1"].replace("a:", "asked:").replace("b:", "known:")}
    found = table.summary_of(rows, items)["know_gate"]["documents"]["pairs"]
    assert found["gated over plain, asked"]["points"]["mean"] == 50.0
    assert found["gated over plain, asked"]["percent"] == [50.0, 0.0]


def test_rows_of_other_constants_are_not_mixed_in(table):
    rows = [row("top half", 40, code="old"), row("top half", 20), row("everything", 20)]
    pair = table.summary_of(rows, ids(1))["ifd"]["playground"]["pairs"]["top half over everything"]
    assert pair["points"]["mean"] == 0.0
    assert pair["verdict"] == "not decided"


def test_what_is_unequal_or_not_measured_is_said(table):
    rows = [row("top half", 20), row("random half", 20, usd=0.05)]
    text = table.table(table.summary_of(rows, ids(1)))
    lines = [line for line in text.splitlines() if line.startswith("| IFD")]
    assert "0.100 / 0.050 **unequal** | 100 / 100 |" in lines[0]
    assert "not decided" in lines[0]
    assert "| top half over everything | playground | 0 |  | not measured yet |" in lines[1]
    assert all("not measured yet" in line for line in lines[1:])


def test_the_page_has_the_table_between_its_marks(table):
    text = f"before\n\n{table.BEGIN}\nold\n{table.END}\n\nbehind\n"
    found = table.page({"summary": {}}, text)
    assert found.startswith(f"before\n\n{table.BEGIN}\n\n| System |")
    assert found.endswith(f"|\n\n{table.END}\n\nbehind\n")
    assert table.page({"summary": {}}, found) == found


def test_the_page_is_current(table):
    assert table.PAGE.read_text(encoding="utf-8") == table.written(), "docs/recipes/related.md: make figures"


def test_the_committed_summary_is_what_the_rows_come_to(table):
    path = BENCHMARKS / "results" / "related.json"
    if not path.exists():
        pytest.skip("no row of this benchmark was made yet")
    result = json.loads(path.read_text())
    assert table.summary_of(result["runs"], result["items"]) == result["summary"]
