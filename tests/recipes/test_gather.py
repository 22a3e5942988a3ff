import json
import time
from collections import Counter
from pathlib import Path

import pytest
from tiny import attempts, experiment, lines, rows, teachers

from tuition.core.errors import ConfigError, TeacherError
from tuition.core.run import Run
from tuition.experiment.bench import open_bench
from tuition.experiment.config import dump
from tuition.experiment.teach.gather import gather
from tuition.operate.execute import baselines, execute

FREE = {"examples": 1, "filters": ["empty"], "forced": False}


def calls(store, role="rationale"):
    """Answers by teacher, for one role."""
    query = "SELECT teacher, COUNT(*) FROM uses WHERE role = ? GROUP BY teacher"
    return dict(rows(store, query, role))


def gathered(config):
    """Gather twice, the second time from what is written; both must give the same."""
    run = Run(Path(config.out), config_text=dump(config))
    try:
        with open_bench(config, run) as bench:
            first = gather(bench, route=config.route, routing=config.routing)
            made = attempts(config.store)
            assert gather(bench, route=config.route, routing=config.routing) == first
            assert attempts(config.store) == made
        return first
    finally:
        run.close()


def trained(folder):
    return [row for row in lines(folder / "run" / "annotations.jsonl") if row["is_used"]]


def test_route_all_learns_from_everything_that_is_kept(tmp_path):
    found = gathered(experiment(tmp_path))
    written = lines(tmp_path / "run" / "annotations.jsonl")
    assert [row["is_used"] for row in written] == [row["is_kept"] for row in written]
    assert len(found.annotations) == len(written) == 24
    assert found.routed["teachers"]["ada"] == {"asked": 12, "kept": 12, "used": 12, "redrawn": 0}
    assert (found.routed["route"], found.routed["without"]) == ("all", 0)


def test_random_pays_the_drawn_teacher_alone(tmp_path):
    found = gathered(experiment(tmp_path, "route=random"))
    paid = calls(tmp_path / "tuition.db")
    assert sum(paid.values()) == attempts(tmp_path / "tuition.db") == 12
    assert paid == Counter(item.teacher for item in found.annotations)
    assert set(paid) == {"ada", "bela"}
    assert len({item.example_id for item in found.annotations}) == 12


def test_similarity_asks_the_probe_of_all_and_the_rest_of_one(tmp_path):
    config = experiment(tmp_path, "route=similarity", "routing.probe=0.25")
    found = gathered(config)
    assert attempts(tmp_path / "tuition.db") == 3 * 2 + 9
    assert len({item.example_id for item in found.annotations}) == len(found.annotations) == 12
    asked = {name: counts["asked"] for name, counts in found.routed["teachers"].items()}
    assert sum(asked.values()) == 15 and min(asked.values()) >= 3


def test_similarity_finds_who_knows_the_domain(tmp_path):
    """dara cannot read tracking, and on dates it is the cheaper."""
    settings = ["route=similarity", "routing.probe=0.4", "task.train=60", 'task.domains=["dates","tracking"]']
    two = teachers("ada") + teachers("dara")
    found = gathered(experiment(tmp_path, *settings, teacher=two, annotation=FREE))
    rest = Counter((item.teacher, item.example_id.split("-")[0]) for item in found.annotations)
    assert rest["ada", "tracking"] > 4 * rest["dara", "tracking"]
    assert found.routed["teachers"]["dara"]["asked"] < 60


def test_a_second_try_asks_the_next_where_the_first_was_dropped(tmp_path):
    settings = ["route=random", "task.train=40", 'task.domains=["tracking"]']
    two = teachers("ada") + teachers("dara")
    once = gathered(experiment(tmp_path / "once", *settings, teacher=two, annotation=FREE))
    twice = gathered(
        experiment(tmp_path / "twice", *settings, "routing.tries=2", teacher=two, annotation=FREE)
    )
    assert once.routed["without"] > twice.routed["without"]
    assert attempts(tmp_path / "once" / "tuition.db") == 40
    made = attempts(tmp_path / "twice" / "tuition.db")
    assert made == 40 + once.routed["without"]


def test_familiar_takes_one_rationale_an_example_by_the_untrained_student(tmp_path):
    found = gathered(experiment(tmp_path, "route=familiar"))
    assert attempts(tmp_path / "tuition.db") == 24
    assert Counter(item.example_id for item in found.annotations).most_common(1)[0][1] == 1
    assert sum(counts["used"] for counts in found.routed["teachers"].values()) == 12
    chains = gathered(experiment(tmp_path / "chain", "route=familiar", "rationale_as=chain"))
    assert len(chains.annotations) == 12


def test_judge_names_the_best_and_is_paid_for_it(tmp_path):
    three = [*teachers("ada", "emil"), *teachers("chen", weight=0)]
    settings = ["route=judge", "routing.judge=chen", "task.train=40", 'task.domains=["tracking"]']
    found = gathered(experiment(tmp_path, *settings, teacher=three))
    assert calls(tmp_path / "tuition.db") == {"ada": 40, "emil": 40}
    assert calls(tmp_path / "tuition.db", "judge") == {"chen": 40}
    assert (found.routed["judged"], found.routed["unreadable_verdicts"]) == (40, 0)
    used = {name: counts["used"] for name, counts in found.routed["teachers"].items()}
    assert used["ada"] > used["emil"] and sum(used.values()) == 40
    given = lines(tmp_path / "run" / "judgements.jsonl")
    assert {(row["example_id"], row["teacher"], row["sample"]) for row in given} == {
        (item.example_id, item.teacher, item.sample) for item in found.annotations
    }


def test_a_verdict_that_cannot_be_read_is_counted_and_the_first_kept_stands(tmp_path):
    three = [*teachers("ada", "bela"), *teachers("chen", weight=0, max_tokens=1)]
    found = gathered(experiment(tmp_path, "route=judge", "routing.judge=chen", teacher=three))
    assert (found.routed["judged"], found.routed["unreadable_verdicts"]) == (12, 12)
    assert {item.teacher for item in found.annotations} == {"ada"}


def test_vote_learns_from_the_majority(tmp_path):
    three = teachers("ada", "bela", "emil")
    settings = ["route=vote", "task.train=40", 'task.domains=["tracking"]']
    how = {**FREE, "answer_check": False}
    found = gathered(experiment(tmp_path, *settings, teacher=three, annotation=how))
    written = lines(tmp_path / "run" / "annotations.jsonl")
    assert len(found.annotations) == 40
    for item in found.annotations:
        said = [row["answer"] for row in written if row["example_id"] == item.example_id]
        assert said.count(item.answer) == max(map(said.count, said))
    checked = gathered(experiment(tmp_path / "checked", *settings, teacher=three, annotation=FREE))
    assert checked.routed["without"] == sum("wrong" in row["faults"] for row in trained(tmp_path))


def test_a_second_look_drops_what_does_not_lead_to_the_answer_and_says_how_much(tmp_path):
    how = {"examples": 1, "filters": ["empty", "unverified"], "verify": "chen"}
    two = [*teachers("emil"), *teachers("chen", weight=0)]
    found = gathered(experiment(tmp_path, "task.train=40", teacher=two, annotation=how))
    assert calls(tmp_path / "tuition.db", "verify") == {"chen": 40}
    [row] = found.health
    assert row["verified"] == 40
    assert 0.15 < row["unverified_of_verified"] == row["shares"]["unverified"] < 0.6
    assert len(found.annotations) == round(40 * (1 - row["unverified_of_verified"]))
    checks = lines(tmp_path / "run" / "verifications.jsonl")
    assert Counter(check["outcome"] for check in checks) == found.routed["verified"]
    assert {check["verifier"] for check in checks} == {"chen"}


def test_a_second_look_that_is_cut_off_is_not_asked_for_longer(tmp_path):
    how = {"examples": 1, "filters": ["empty"], "verify": "chen", "longer": 2}
    two = [*teachers("emil"), *teachers("chen", weight=0, max_tokens=4)]
    gathered(experiment(tmp_path, "task.train=12", teacher=two, annotation=how))
    looks = "SELECT COUNT(*) FROM attempts WHERE role = 'verify'"
    assert rows(tmp_path / "tuition.db", looks) == [(12,)]


def test_a_look_that_no_filter_asks_for_is_counted_and_drops_nothing(tmp_path):
    how = {"examples": 1, "filters": ["empty"], "verify": "self", "longer": 1}
    found = gathered(experiment(tmp_path, "task.train=40", teacher=teachers("emil"), annotation=how))
    assert calls(tmp_path / "tuition.db", "verify") == {"emil": 40}
    assert len(found.annotations) == 40
    assert found.health[0]["shares"]["unverified"] > 0.1


def test_what_was_dropped_is_asked_again(tmp_path):
    how = {"examples": 1, "filters": ["empty", "unverified"], "verify": "chen", "redraws": 2, "longer": 1}
    two = [*teachers("emil"), *teachers("chen", weight=0)]
    once = experiment(tmp_path, "task.train=40", "annotation.redraws=0", teacher=two, annotation=how)
    first = gathered(once)
    again = gathered(
        experiment(tmp_path, "task.train=40", f"out={tmp_path / 'again'}", teacher=two, annotation=how)
    )
    assert len(again.annotations) > len(first.annotations)
    redrawn = again.routed["teachers"]["emil"]["redrawn"]
    assert calls(tmp_path / "tuition.db")["emil"] == 40 + 40 + redrawn
    assert 40 - len(first.annotations) <= redrawn <= 2 * (40 - len(first.annotations))
    assert {item.sample for item in again.annotations} == {0, 1, 2}
    assert max(Counter(item.example_id for item in again.annotations).values()) == 1


def test_what_was_redrawn_and_looked_at_is_not_paid_twice(tmp_path):
    how = {"examples": 1, "filters": ["empty", "unverified"], "verify": "self", "redraws": 1}
    config = experiment(tmp_path, "route=similarity", teacher=teachers("ada", "emil"), annotation=how)
    first = gathered(config)
    made = attempts(tmp_path / "tuition.db")
    second = gathered(config.model_copy(update={"out": str(tmp_path / "second")}))
    assert attempts(tmp_path / "tuition.db") == made
    assert second == first


def test_a_whole_run_says_whom_it_asked_and_goes_on_for_nothing(tmp_path):
    config = experiment(tmp_path, "route=similarity")
    metrics = execute(config).metrics
    assert metrics["routed"]["route"] == "similarity"
    assert metrics["objectives"]["rationale"] == 12
    made = attempts(tmp_path / "tuition.db")
    for name in ("done", "metrics.json"):
        (tmp_path / "run" / name).unlink()
    assert execute(config).metrics["routed"] == metrics["routed"]
    assert attempts(tmp_path / "tuition.db") == made


def test_the_budget_ends_a_route_as_it_ends_any_asking(tmp_path):
    found = gathered(experiment(tmp_path, "route=random", "routing.tries=2", "budget.calls=5"))
    assert found.is_spent
    assert len(found.annotations) == attempts(tmp_path / "tuition.db") == 5


def test_a_judge_writes_nothing_and_its_texts_are_not_learnt(tmp_path):
    closed = teachers("chen", weight=0, train_on_outputs=False)
    config = experiment(tmp_path, "annotation.verify=chen", teacher=[*teachers("ada"), *closed])
    assert {item.teacher for item in gathered(config).annotations} == {"ada"}
    open_ = experiment(tmp_path / "b", teacher=teachers("chen", train_on_outputs=False))
    with pytest.raises(TeacherError, match="its terms forbid training on them"):
        execute(open_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["route=judge"], "route = 'judge' needs routing.judge"),
        (["route=judge", "routing.judge=adda"], "routing.judge: unknown teacher 'adda'; did you mean 'ada'"),
        (["annotation.verify=belo"], "annotation.verify: unknown teacher 'belo'; did you mean 'bela'"),
        (["route=vote"], "set annotation.forced = false"),
        (["teacher.0.weight=0", "teacher.1.weight=0"], r"every \[\[teacher\]\] has weight = 0"),
        (["route=vote", "annotation.verify=x"], "annotation.verify: unknown teacher 'x'.*; route = 'vote'"),
    ],
)
def test_what_no_teacher_could_do_is_refused_before_anything_is_asked(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        execute(experiment(tmp_path, *settings))
    assert attempts(tmp_path / "tuition.db") == 0


def test_recorded_replies_cannot_look_at_anything(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps({"id": "x", "rationales": {"old": {"text": "So it is."}}}) + "\n")
    old = {"kind": "recorded", "name": "old", "file": str(path), "weight": 0}
    for settings in (["annotation.verify=old"], ["route=judge", "routing.judge=old"]):
        config = experiment(tmp_path, *settings, teacher=[*teachers("ada"), old])
        config = config.model_copy(update={"out": f"{config.out}-{settings[0]}"})
        with pytest.raises(ConfigError, match="are recorded, so it can neither verify nor judge"):
            execute(config)
    own = experiment(tmp_path, "annotation.verify=self", teacher=[{**old, "weight": 1.0}])
    with pytest.raises(ConfigError, match="are recorded"):
        execute(own)
    assert attempts(tmp_path / "tuition.db") == 0


def test_a_single_teachers_run_has_the_verifier_beside_it(tmp_path):
    names = 'evaluation.baselines=["single_teacher"]'
    three = [*teachers("ada", "bela"), *teachers("chen", weight=0)]
    for verifier in ("chen", "ada"):
        config = experiment(tmp_path / verifier, names, f"annotation.verify={verifier}", teacher=three)
        found = baselines(config)
        assert sorted(found) == ["step_by_step-ada", "step_by_step-bela"]
        execute(found["step_by_step-bela"])
        assert calls(tmp_path / verifier / "tuition.db") == {"bela": 12}
        assert calls(tmp_path / verifier / "tuition.db", "verify") == {verifier: 12}


def test_step_by_step_counts_the_teachers_that_write(tmp_path):
    two = [*teachers("ada"), *teachers("chen", weight=0)]
    metrics = execute(experiment(tmp_path, recipe="step_by_step", teacher=two)).metrics
    assert metrics["objectives"] == {"answer": 12, "rationale:ada": 12}
    with pytest.raises(ConfigError, match="learns from one teacher, 0 are given"):
        experiment(tmp_path, recipe="step_by_step", teacher=teachers("ada", weight=0))


@pytest.mark.parametrize("settings", [["annotation.verify=far"], ["route=judge", "routing.judge=far"]])
def test_a_verifier_of_unknown_price_is_refused_before_the_writers_are_paid(tmp_path, settings):
    far = {"kind": "chat", "name": "far", "base_url": "http://127.0.0.1:9/v1", "weight": 0}
    config = experiment(tmp_path, "budget.usd=1", *settings, teacher=[*teachers("ada", "bela"), far])
    with pytest.raises(TeacherError, match=r"the price of teacher 'far' .* is unknown"):
        execute(config)
    assert attempts(tmp_path / "tuition.db") == 0


DEAD = {"kind": "chat", "name": "far", "model": "m", "base_url": "http://127.0.0.1:9/v1", "max_tokens": 8}
FAST = {"examples": 0, "max_attempts": 1, "filters": ["empty"]}


def test_a_teacher_out_of_reach_ends_the_run_before_anything_is_learnt(tmp_path):
    two = [*teachers("ada"), {**DEAD, "price_prompt": 1.0, "price_completion": 1.0}]
    with pytest.raises(
        TeacherError, match=r"'far' answered none of 12 calls \(12 connection\)[^$]*Nothing was trained"
    ):
        execute(experiment(tmp_path, teacher=two, annotation=FAST))
    assert not (tmp_path / "run" / "student").exists()
    assert execute(experiment(tmp_path, f"out={tmp_path / 'one'}", teacher=two[:1], annotation=FAST)).is_new
    assert calls(tmp_path / "tuition.db") == {"ada": 24}, "two runs use them"
    assert len(set(rows(tmp_path / "tuition.db", "SELECT key FROM replies"))) == 12, "and pay for them once"


@pytest.mark.parametrize("route", ["all", "random", "similarity"])
def test_an_endpoint_where_nobody_answers_ends_the_run_before_the_others_are_paid(tmp_path, route):
    two = [*teachers("ada"), {**DEAD, "price_prompt": 1.0, "price_completion": 1.0}]
    config = experiment(tmp_path, f"route={route}", teacher=two, annotation={"examples": 0})
    begun = time.monotonic()
    with pytest.raises(
        TeacherError, match=r"'far' accepts no call: .*nobody at http://127.0.0.1:9/v1 has answ"
    ):
        execute(config)
    assert time.monotonic() - begun < 20
    assert set(calls(tmp_path / "tuition.db")) <= {"far"}
    assert not rows(tmp_path / "tuition.db", "SELECT key FROM replies")


def test_redraws_of_a_teacher_at_temperature_nought_are_refused(tmp_path):
    cold = teachers("ada", temperature=0.0)
    with pytest.raises(
        ConfigError, match=r"redraws asks teacher 'ada' again, which answers at temperature 0"
    ):
        execute(experiment(tmp_path, "annotation.redraws=1", teacher=cold))
    assert attempts(tmp_path / "tuition.db") == 0


def test_the_licence_of_a_teacher_stands_in_its_annotations(tmp_path):
    two = [*teachers("ada", licence="Terms of ada"), *teachers("bela")]
    execute(experiment(tmp_path, teacher=two))
    found = {(row["teacher"], row["licence"]) for row in lines(tmp_path / "run" / "annotations.jsonl")}
    assert found == {("ada", "Terms of ada"), ("bela", "")}
