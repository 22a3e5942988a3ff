"""The defaults of released versions: one that changes stands in `experiment/defaults.py`, and no key goes."""

import json
import os
from pathlib import Path

import pytest
from pydantic_core import to_jsonable_python

from tuition.core.config import Section
from tuition.recipes import RECIPES
from tuition.tasks.load import source_types
from tuition.teachers.config import TeacherConfig

RELEASED = {1: Path(__file__).with_name("defaults_1.json")}
"""By `config_version`: the defaults of a program of that version, made by this file with its code."""
WHOLE = ("ask_teacher", "elad", "label_only", "tinyllm")
PARTS = {
    "teacher.": TeacherConfig,
    **{f"task.{name}.": one.config_type for name, one in source_types().items()},
}


def defaults_of(kind, place=""):
    """Every default by dotted place."""
    found = {}
    for name, field in kind.model_fields.items():
        own = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(own, Section):
            # The table's own default may differ from its section's, as in `elad`.
            inner = defaults_of(type(own), f"{place}{name}.")
            given = {f"{place}{name}.{key}": value for key, value in to_jsonable_python(own).items()}
            found |= {key: given.get(key, value) for key, value in inner.items()}
        else:
            found[f"{place}{name}"] = to_jsonable_python(own)
    return found


def everything():
    whole = {name: defaults_of(RECIPES[name].config_type) for name in WHOLE}
    return whole | {place: defaults_of(kind, place) for place, kind in PARTS.items()}


@pytest.mark.parametrize("version", RELEASED)
def test_every_default_is_what_it_was_or_is_in_the_table(version):
    if os.environ.get("TUITION_RENEW_GOLDEN") and not RELEASED[version].exists():
        RELEASED[version].write_text(json.dumps(everything(), indent=0, sort_keys=True) + "\n")
    # The code of 0.1.0, which made the first of them, has no such table.
    from tuition.experiment.defaults import CHANGED

    then, now = json.loads(RELEASED[version].read_text()), everything()
    for kind, places in then.items():
        for place, value in places.items():
            assert place in now[kind], f"{place} is gone: older files that have it are refused"
            held = "task." + place.rpartition(".")[2] if kind.startswith("task.") else place
            told = CHANGED[version].get(held, now[kind][place])
            assert told == value, f"{kind}: {place}; experiment/defaults.py does not say what it was"
