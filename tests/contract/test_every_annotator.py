"""Asked of every annotator."""

import dataclasses

import pytest

from tuition.annotation import annotate
from tuition.annotation.revise import ANNOTATORS
from tuition.testing import check_annotator


def blind(cases, session):
    return annotate([case.example for case in cases], session.asker.how(forced=False))


@pytest.mark.parametrize("name", ANNOTATORS)
def test_it_keeps_the_contract(name):
    check_annotator(name)


def loses(cases, session):
    return blind(cases[1:], session)


def repeats(cases, session):
    found = blind(cases, session)
    return dataclasses.replace(found, annotations=(*found.annotations, *found.annotations[:1]))


def borrows(cases, session):
    found = blind(cases, session)
    lent = tuple(dataclasses.replace(item, teacher="bela") for item in found.annotations)
    return dataclasses.replace(found, annotations=lent)


def invents(cases, session):
    found = blind(cases, session)
    made = tuple(dataclasses.replace(item, request_keys=("none",)) for item in found.annotations)
    return dataclasses.replace(found, annotations=made)


@pytest.mark.parametrize(
    ("annotator", "words"),
    [
        (loses, "for 8 drafts; each must come back once"),
        (repeats, "for 8 drafts; each must come back once"),
        (borrows, "names 'bela' as the author, and 'ada' was asked"),
        (invents, "names calls that the store does not have"),
    ],
)
def test_what_is_careless_is_told(annotator, words):
    known = dict(ANNOTATORS)
    with pytest.raises(AssertionError, match=f"'{annotator.__name__} under test' .*{words}"):
        check_annotator(annotator)
    assert known == ANNOTATORS
