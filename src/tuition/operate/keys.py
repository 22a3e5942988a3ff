"""Every key that a configuration may have, as recipes and sources declare it; and every method."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuition.annotation.revise.annotators import repair
from tuition.annotation.routing import least_surprising, similar_success, vote
from tuition.annotation.routing.cascade import cascade
from tuition.core.errors import ConfigError, nearest, some_of
from tuition.core.protocols import Align, Imitate
from tuition.core.records import Json
from tuition.evaluation.gate import judge
from tuition.experiment.answer import vote as majority_of_samples
from tuition.experiment.knowledge import KnowledgeConfig
from tuition.experiment.rounds.exam import examined, tailored
from tuition.experiment.teach.keep import following_difficulty
from tuition.operate.cascade.ask import Cascade
from tuition.operate.examine.errors import explain_errors
from tuition.operate.examine.stepwise import stepwise
from tuition.recipes import RECIPES
from tuition.recipes.mentor_kd import lessons_apart
from tuition.selection import STRATEGIES, scores
from tuition.student.training.passes import kappas
from tuition.tasks.load import source_types

__all__ = ["Key", "Method", "find", "keys", "methods"]

_SIMPLE = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "not shorter than",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key, or the table it stands in."""

    name: str
    """As on the command line, without the number in a list of tables: `training.steps`, `teacher.weight`."""
    type: str
    """In plain words."""
    is_table: bool
    is_required: bool
    default: Json
    """None: left out, or required."""
    meaning: str
    source: str
    """The kind of source whose `[task]` has it; empty: it is no key of a task."""
    recipes: tuple[str, ...] = field(default=())

    @property
    def table(self) -> str:
        """The name of the table it stands in; empty: it stands at the top."""
        return self.name.rpartition(".")[0]

    @property
    def where(self) -> str:
        """Which configurations have it."""
        recipes = "every recipe" if len(self.recipes) == len(RECIPES) else ", ".join(self.recipes)
        return f'{recipes}, with task.source = "{self.source}"' if self.source else recipes

    @property
    def written(self) -> str:
        """The default as a configuration has it."""
        if self.default is None:
            return "required" if self.is_required else "left out"
        return json.dumps(self.default, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A recipe, a strategy, a switch within a recipe, or a command about a finished run."""

    kind: str
    """recipe, strategy, switch, command."""
    name: str
    """As a configuration gives it."""
    does: str
    source: str


_SWITCHES: Mapping[str, Callable[..., Any]] = {
    'annotation.keep_by = "ifd"': following_difficulty,
    'route = "similarity"': similar_success,
    'route = "familiar"': least_surprising,
    'route = "vote"': vote,
    "allocation.escalate = true": cascade,
    'annotator = "repair"': repair,
    "exam.samples = 4": examined,
    "[lesson.contrast]": tailored,
    "[lesson.imitate]": Imitate,
    "[lesson.align]": Align,
    "--ablate lessons": lessons_apart,
    'training.meter = "objectives"': kappas,
    "[knowledge]": KnowledgeConfig,
    "evaluation.votes = 5": majority_of_samples,
    "selection.leave_known = true": judge,
}
"""What is switched on within a recipe, and what its code says of it."""
_COMMANDS: Mapping[str, Callable[..., Any]] = {
    "tuition cascade, predict --cascade, serve --cascade": Cascade,
    "tuition stepwise": stepwise,
    "tuition errors": explain_errors,
}


_PROMPT = Method(
    kind="switch",
    name='student.update = "prompt"',
    does="Learn prompts in the attention of the upper layers, and leave the model as it is.",
    source="LLaMA-Adapter (arXiv 2303.16199), as peft has it",
)
"""Its code loads torch, so what it says stands here."""


def methods() -> list[Method]:
    """List every method, with what its own code says it does, and its source."""
    found: list[tuple[str, str, Any]] = [("recipe", name, recipe.run) for name, recipe in RECIPES.items()]
    found += [("strategy", name, getattr(scores, name, None)) for name in STRATEGIES]
    found += [("switch", name, part) for name, part in _SWITCHES.items()]
    found += [("command", name, part) for name, part in _COMMANDS.items()]
    listed = [
        Method(kind=kind, name=name, does=_does(part), source=_source(part)) for kind, name, part in found
    ]
    return [*listed, _PROMPT]


def _does(part: Any) -> str:
    if part is None:
        return "Score all alike; ties are drawn by the seed."
    return (inspect.getdoc(part) or "").partition("\n\n")[0].replace("\n", " ")


def _source(part: Any) -> str:
    """Read what stands behind `Source:`, in a part or else in its module, to its first full stop."""
    texts = () if part is None else (inspect.getdoc(part), inspect.getdoc(sys.modules[part.__module__]))
    for text in texts:
        said = re.search(r"Source:\s*(.+?)(?:\.\s|\.$|\n\n|$)", (text or "") + "\n\n", re.S)
        if said:
            return " ".join(said[1].split())
    return "none is named"


def keys() -> list[Key]:
    """Read the keys of all recipes, by table; one that differs between recipes comes twice."""
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    sources = [_walk(kind.config_type, source=name) for name, kind in source_types().items()]
    of_tasks = [one for source in sources for one in source]
    for recipe, method in RECIPES.items():
        for one in [*_walk(method.config_type), *of_tasks]:
            found.setdefault(json.dumps(one, sort_keys=True), (one, []))[1].append(recipe)
    every = [Key(**one, recipes=tuple(recipes)) for one, recipes in found.values()]
    # Within a table the keys keep the order in which its section declares them.
    place = {name: i for i, name in reversed(list(enumerate(key.name for key in every)))}
    return sorted(every, key=lambda key: (key.table, place[key.name]))


def find(name: str) -> list[Key]:
    """Find a key by its name, or a table with every key in it; `teacher.0.weight` is `teacher.weight`."""
    plain = ".".join(part for part in name.strip("[]").split(".") if not part.isdigit())
    every = keys()
    if found := [key for key in every if key.name == plain or key.name.startswith(f"{plain}.")]:
        return found
    names = list(dict.fromkeys(key.name for key in every))
    elsewhere = sorted(
        (known for known in names if known.endswith(f".{plain}")), key=lambda known: known.count(".")
    )
    hint = f"; did you mean {some_of(elsewhere)}?" if elsewhere else nearest(plain, names) or "."
    raise ConfigError(f"unknown key {name!r}{hint} `tuition keys` lists every key of a configuration.")


def _walk(section: Any, *, source: str = "") -> Iterator[dict[str, Any]]:
    """The keys of a section and its tables; a list of tables that stands at the top too is opened once."""
    whole = section.model_json_schema()
    definitions = whole.get("$defs", {})
    at_top = {_table_of(field, definitions) for field in whole["properties"].values()}
    left = [("task." if source else "", whole, {})]
    while left:
        prefix, table, defaults = left.pop(0)
        for name, declared in table["properties"].items():
            default = defaults.get(name, declared.get("default"))
            inner = _table_of(declared, definitions)
            is_again = "items" in declared and bool(prefix) and inner in at_top
            is_opened = inner is not None and not is_again
            if is_opened:
                above = default if isinstance(default, Mapping) else {}
                left.append((f"{prefix}{name}.", definitions[inner], above))
            yield {
                "name": f"{prefix}{name}",
                "type": _words(declared, definitions),
                "is_table": is_opened,
                "is_required": name in table.get("required", ()),
                "default": None if is_opened else default,
                "meaning": " ".join(declared.get("description", "").split()),
                "source": source,
            }


def _table_of(declared: Mapping[str, Any], definitions: Mapping[str, Any]) -> str | None:
    """The section that a key holds, alone or in a list."""
    declared = declared.get("items", declared)
    name = declared.get("$ref", "").rpartition("/")[2]
    return name if "properties" in definitions.get(name, {}) else None


def _words(declared: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "anyOf" in declared:
        parts = [_words(part, definitions) for part in declared["anyOf"] if part.get("type") != "null"]
        return ", or ".join(parts)
    if "enum" in declared or "const" in declared:
        values = declared.get("enum", [declared.get("const")])
        return ("one of " if len(values) > 1 else "") + ", ".join(json.dumps(value) for value in values)
    if declared.get("type") == "array":
        entry = declared.get("items") or declared["prefixItems"][0]
        words = _words(entry, definitions)
        return f"list of {words}s" if words in ("table", *_SIMPLE.values()) else f"list, each entry {words}"
    if "$ref" in declared or declared.get("type") == "object":
        return "table"
    limits = [f"{words} {declared[limit]}" for limit, words in _BOUNDS.items() if limit in declared]
    return ", ".join([_SIMPLE.get(declared.get("type", ""), "any value"), *limits])
