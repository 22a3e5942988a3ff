"""How far an active run has come: what its rounds have asked, learnt and reached so far, read back from disk.

Each round has a folder, `rounds/00` and so on; its `round.json` is written last and says that it is over.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tuition.annotation import Account
from tuition.core.records import Annotation, Example, Json
from tuition.core.rows import read_own_rows, read_rows
from tuition.experiment.bench import Bench
from tuition.experiment.rounds.allowance import Used, affordable
from tuition.experiment.rounds.check import open_panel
from tuition.experiment.rounds.config import Allowance, Elad
from tuition.experiment.teach.panel import Panel

__all__ = ["ActiveRun"]

_SEEDS_A_RUN = 10_000
"""So that no round of one seed draws what another round of the next seed draws."""


class ActiveRun:
    """What an active run has come to; it knows nothing of how examples are chosen, asked about or learnt."""

    def __init__(self, bench: Bench, config: Elad) -> None:
        """Read back the rounds that are over."""
        self.config = config
        self.pool = {example.id: example for example in config.shown(bench.train)}
        """The examples that may be asked about, by id, without their labels unless those are used."""
        # A tokenizer that is made for the run must not see the labels either.
        self.bench = dataclasses.replace(bench, train=tuple(self.pool.values()))
        self.rounds: list[dict[str, Any]] = []
        """What `round.json` says of every round that is over."""
        self.stop: dict[str, Json] | None = None
        """What ended the rounds, and the numbers behind it; None: they go on."""
        while (row := self.read_json("round.json")) is not None:
            self.rounds.append(row)
        if self.rounds:
            self.stop = self.rounds[-1]["stop"]

    @cached_property
    def panel(self) -> Panel:
        """The teachers; what could not be done is refused when they are first wanted."""
        return open_panel(self.config, has_valid=bool(self.bench.splits.valid))

    @property
    def number(self) -> int:
        """Of the round that is due, from 0."""
        return len(self.rounds)

    @property
    def folder(self) -> Path:
        """Of the round that is due."""
        return self.bench.run.path / self.place_of(self.number)

    def place_of(self, number: int) -> str:
        """Name the folder of a round."""
        return f"rounds/{number:02d}"

    @property
    def seed(self) -> int:
        """Of everything that is drawn in the round that is due."""
        return _SEEDS_A_RUN * self.config.seed + self.number

    @property
    def is_cold(self) -> bool:
        """Whether the round that is due is the cold start."""
        return self.number == 0 and self.config.rounds.cold.items != 0

    @property
    def allowance(self) -> Allowance:
        """Of the round that is due."""
        return self.config.rounds.cold if self.is_cold else self.config.rounds.each

    @property
    def is_blind(self) -> bool:
        """Whether a round before found so many first steps wrong that mending was given up."""
        return any(done["switched_to_blind"] for done in self.rounds)

    @property
    def account(self) -> Account:
        """Where the round that is due is paid."""
        account = self.bench.account
        return dataclasses.replace(account, place=dataclasses.replace(account.place, round=self.number))

    @property
    def left(self) -> list[Example]:
        """The examples that may still be asked about, in the order of the pool."""
        gone = {id_ for done in self.rounds for id_ in done["gone"]}
        return [example for id_, example in self.pool.items() if id_ not in gone]

    def replies_of(self, number: int) -> tuple[list[Annotation], list[Annotation]]:
        """Read what a round's asking came to."""
        kept: list[Annotation] = []
        dropped: list[Annotation] = []
        path = self.bench.run.path / self.place_of(number) / "annotations.jsonl"
        # A round that could ask nobody has none.
        for row in read_own_rows(path) if path.exists() else ():
            (kept if row["is_used"] else dropped).append(Annotation.from_json(row))
        return kept, dropped

    @property
    def annotations(self) -> list[Annotation]:
        """What the student learnt from in all rounds that are over."""
        return [item for number in range(self.number) for item in self.replies_of(number)[0]]

    def used(self, items: int) -> Used:
        """Count what the run has used so far."""
        return Used.of(self.bench.account.store.spend(self.bench.run.id), items=items)

    @property
    def used_before(self) -> Used:
        """What the run had used when the round that is due began; the same after a kill within the round."""
        if self.rounds:
            return Used.from_json(self.rounds[-1]["used"])
        begun = next((event for event in self.bench.run.events() if event["event"] == "rounds_begun"), None)
        if begun is None:
            used = self.used(0)
            self.bench.run.event("rounds_begun", used=used.to_json())
            return used
        return Used.from_json(begun["used"])

    def next_part(self, now: Used) -> int | None:
        """Say about how many more examples the round may ask at once; None: nothing is limited."""
        this_round, all_rounds = now.since(self.used_before), now.since(self._used_first)
        limits = [(self.allowance, this_round), (self.config.rounds.total, all_rounds)]
        return affordable(limits, so_far=all_rounds)

    def is_used_up(self, now: Used) -> bool:
        """Say whether all rounds together may ask not one more example."""
        all_rounds = now.since(self._used_first)
        return affordable([(self.config.rounds.total, all_rounds)], so_far=all_rounds) == 0

    @property
    def _used_first(self) -> Used:
        """What the run had used before its first round."""
        return Used.from_json(self.rounds[0]["used_before"]) if self.rounds else self.used_before

    def parts(self) -> list[int]:
        """List the parts that the round that is due began to ask before the run was broken off."""
        events = self.bench.run.events()
        return [event["n"] for event in events if event["event"] == "asks" and event["round"] == self.number]

    def write_rows(self, name: str, rows: Iterable[Mapping[str, Json]]) -> None:
        """Write a JSONL file into the round's folder, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bench.run.write_rows(f"{self.place_of(self.number)}/{name}", rows)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file into the round's folder, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bench.run.write_json(f"{self.place_of(self.number)}/{name}", value)

    def read_rows(self, name: str) -> list[dict[str, Any]]:
        """Read a JSONL file of the round's folder."""
        path = self.folder / name
        return list(read_rows(path)) if path.exists() else []

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the round's folder."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def close(self, row: Mapping[str, Any]) -> None:
        """Write down that the round that is due is over."""
        self.write_json("round.json", row)
        self.stop = row["stop"]
        self.rounds.append(dict(row))
