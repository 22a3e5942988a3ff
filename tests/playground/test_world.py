from dataclasses import replace

import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError, DataError
from tuition.core.splits import fingerprint
from tuition.playground.config import PlaygroundConfig
from tuition.playground.domains import DOMAINS
from tuition.playground.world import PlaygroundSource, playground_splits, recognise


def test_equal_seeds_make_equal_splits_and_others_do_not():
    first, again = (playground_splits(seed=3, train=60, valid=12, test=24) for _ in range(2))
    other = playground_splits(seed=4, train=60, valid=12, test=24)
    assert first.train == again.train
    assert first.valid == again.valid
    assert first.test.id == again.test.id
    assert first.train != other.train


def test_splits_share_no_question_and_no_id():
    splits = playground_splits(seed=0, train=600, valid=120, test=240)
    test = splits.test.open("this test")
    everyone = [*splits.train, *splits.valid, *test]
    assert len({fingerprint(example) for example in everyone}) == 960
    assert len({example.id for example in everyone}) == 960
    assert {example.split for example in splits.valid} == {"valid"}
    assert {example.split for example in test} == {"test"}


def test_domains_share_the_count_evenly_and_are_mixed():
    splits = playground_splits(seed=0, train=62, valid=6, test=6)
    counts = [sum(example.domain == name for example in splits.train) for name in DOMAINS]
    assert sorted(counts) == [0, 10, 10, 10, 10, 11, 11]
    assert len({example.domain for example in splits.train[:12]}) >= 3
    assert all(example.id.startswith(f"{example.domain}-0") for example in splits.train)


def test_chosen_domains_alone_and_no_test():
    splits = playground_splits(seed=0, train=10, valid=4, test=0, domains=["dates"])
    assert {example.domain for example in splits.train} == {"dates"}
    assert splits.test is None


def test_an_unknown_domain_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown playground domain 'date'; did you mean 'dates'"):
        playground_splits(seed=0, train=1, valid=1, test=1, domains=["date"])


def test_a_domain_named_twice_is_refused():
    with pytest.raises(ConfigError, match="named twice"):
        playground_splits(seed=0, train=1, valid=1, test=1, domains=["dates", "dates"])


def test_too_many_questions_name_the_domain():
    with pytest.raises(DataError, match=r"playground domain 'knowledge': .* ask for fewer"):
        playground_splits(seed=0, train=9000, valid=0, test=0, domains=["knowledge"])


def test_recognise_finds_the_domain_of_every_example():
    for example in playground_splits(seed=5, train=120, valid=0, test=0).train:
        domain, puzzle = recognise(example.question)
        assert domain.name == example.domain
        assert puzzle.solve().answer == example.answer
    assert recognise("Which gas do plants take in?") is None


def test_source_reads_its_configuration():
    config = parse(PlaygroundConfig, {"train": 12, "valid": 6, "test": 0, "domains": ["coins"]}, where="here")
    splits = PlaygroundSource(config).load()
    assert (len(splits.train), len(splits.valid), splits.test) == (12, 6, None)
    assert len(PlaygroundSource().load().train) == 600


def test_configuration_refuses_no_training():
    with pytest.raises(ConfigError, match="'train' is 0"):
        parse(PlaygroundConfig, {"train": 0}, where="here")


def test_labels_can_be_left_out_and_nothing_else_changes():
    there, hidden = (
        playground_splits(seed=3, train=60, valid=6, test=6, hide_answers=hides) for hides in (False, True)
    )
    for left, right in ((there.train, hidden.train), (there.valid, hidden.valid)):
        assert [replace(example, answer=None) for example in left] == list(right)
    assert [replace(example, answer=None) for example in there.test.open("a")] == list(hidden.test.open("b"))
    source = PlaygroundSource(PlaygroundConfig(train=60, valid=0, test=0, hide_answers=True))
    assert {example.answer for example in source.load().train} == {None}
