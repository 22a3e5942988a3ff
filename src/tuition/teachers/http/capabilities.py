"""What an endpoint takes: its table says, or its refusals teach."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from tuition.core.records import Json
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.connections import Answer
from tuition.teachers.http.faults import json_of, said_of
from tuition.teachers.http.forms import FORMS

__all__ = ["REFUSED", "SAMPLES_PER_CALL", "Capabilities"]

SAMPLES_PER_CALL = 8
"""Samples asked for in one call where an endpoint can: every one of them allows so many."""
REFUSED = (400, 422)
"""Statuses of a call that the endpoint does not take as it is."""

_LOG = logging.getLogger(__name__)
_OPTIONAL = {
    "temperature": "wire.has_temperature",
    "n": "wire.has_n",
    "logprobs": "wire.has_logprobs",
    "top_logprobs": "wire.has_logprobs",
    "response_format": "wire.has_json",
    "seed": "",
}
"""Parameters that a call can do without, and the switch that turns each off for good."""
_OUT_OF_RANGE = re.compile(
    r"between|range|at most|at least|(less|greater|lower|higher|larger|smaller) than|exceed|[<>]="
    r"|too (large|high|big|small|low|many|long)|maximum|minimum|above_max|below_min|context length",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"not support|unsupported|unknown|unrecogni[sz]ed|not permitted|not allowed", re.IGNORECASE
)


class Capabilities:
    """What one endpoint takes. What it refuses is left out from then on, with one warning for each name."""

    def __init__(self, config: TeacherConfig, *, hide: Callable[[str], str]) -> None:
        """Begin with what the table says; `hide` takes the key out of what an endpoint says."""
        wire, self._hide = config.wire, hide
        self._form = FORMS[wire.form]
        self._who = f"teacher {config.name!r} (model {config.model or config.name!r})"
        self._extra = wire.extra.keys()
        self._bound = wire.max_tokens_name or self._form.bounds[0]
        self._may_rename = wire.max_tokens_name is None and len(self._form.bounds) > 1
        self._lacks: list[str] = []
        self._off = set(self._form.absent)
        for name, switch in _OPTIONAL.items():
            has = getattr(wire, switch.removeprefix("wire."), None)
            if has is False or (has is None and name in self._form.declared):
                self._off.add(name)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What was wanted and is not sent, in the order it was noticed."""
        return tuple(self._lacks)

    def has(self, name: str) -> bool:
        """Whether a parameter, by OpenAI's name, is sent."""
        return name not in self._off

    def fit(self, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """Turn a request's parameters into those that are sent; the request's key keeps them as they were."""
        sent: dict[str, Json] = {}
        for name, value in parameters.items():
            if name in self._off and name not in self._extra:
                self.miss(name, why="and its table says so, or its form has none")
            else:
                sent[self._bound if name == "max_tokens" else name] = value
        return sent

    def learn(self, answer: Answer, sent: AbstractSet[str]) -> bool:
        """Learn from a refusal, and say whether it names a parameter that the next attempt goes without.

        What `wire.extra` adds is never left out, and a value out of range is the user's to mend.
        """
        if answer.status not in REFUSED:
            return False
        said = list(said_of(json_of(answer.text)))
        is_range = any(_OUT_OF_RANGE.search(text) for text in said)
        is_taught = False
        for name in _OPTIONAL:
            names = (name, *self._form.spelled.get(name, ()))
            is_named = any(_names(spelled, text) for text in said for spelled in names)
            # One sample a call is in every range.
            if name in sent and name not in self._extra and is_named and (name == "n" or not is_range):
                self.miss(name, why=f"and said: {said[0][:200]!r}")
                is_taught = True
        return self._rename(said, sent) or is_taught

    def miss(self, name: str, *, why: str) -> None:
        """Leave a parameter out from now on, and warn of it once."""
        self._off.add(name)
        if name in self._lacks:
            return
        self._lacks.append(name)
        switch = _OPTIONAL.get(name, "")
        advice = f" Set {switch} = false to have it so from the beginning." if switch else ""
        _LOG.warning("%s takes no %s, %s; it is asked without.%s", self._who, name, self._hide(why), advice)

    def _rename(self, said: list[str], sent: AbstractSet[str]) -> bool:
        """Whether the bound of the answer was refused for its name; then it gets the other one, once."""
        refused = next((name for name in self._form.bounds if name in sent), "")
        if not refused or not any(_names(refused, text) for text in said):
            return False
        if refused != self._bound:
            # Another call in flight has learned it already.
            return True
        other = next((name for name in self._form.bounds if name != refused), refused)
        if not self._may_rename or not any(_names(other, text) or _UNKNOWN.search(text) for text in said):
            return False
        self._bound, self._may_rename = other, False
        _LOG.info("%s takes its bound as %s; set wire.max_tokens_name = %r.", self._who, other, other)
        return True


def _names(name: str, text: str) -> bool:
    """Whether a text speaks of a parameter; one letter must stand in quotes or before a verb."""
    if text == name:
        return True
    if len(name) == 1:
        return re.search(rf"[`'\"]{name}[`'\"]|\b{name} (=|>|must|is|should)", text) is not None
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
