"""A user's own words: a system message, an instruction, and prompts of their own as Jinja templates.

A template is a text with blanks. It may repeat and choose, within bounds; it can call nothing, and compute
nothing. Everything that is wrong with one is told when the configuration is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tuition.annotation.prompts import blanks_of, role_of
from tuition.core.errors import ConfigError, near_name
from tuition.core.records import Example, Message

if TYPE_CHECKING:
    import jinja2

__all__ = ["BLANKS", "OwnWords", "Template", "template_of", "unmarked"]

_MOST_LETTERS: Final = 1_000_000
"""Of a prompt that is filled in."""
_CLOSING: Final = "The answer is"

BLANKS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]]] = {
    "rationale": (("label",), ("examples",), ""),
    "solve": ((), ("examples",), _CLOSING),
    "answer": ((), ("examples",), _CLOSING),
    "verify": (("explanation",), (), _CLOSING),
    "judge": (("explanations",), ("label",), "The best explanation is"),
    "judge_step": (("steps",), ("k",), "is wrong"),
    "revise": (("steps",), ("k",), _CLOSING),
    "confirm": (("steps", "stated"), (), _CLOSING),
    "locate": (("steps",), (), "first wrong step"),
    "clear": (("steps",), (), "first_wrong_step"),
    "repair": (("steps", "label"), (), _CLOSING),
}
"""By what a prompt is for: the blanks that it must have beside `question`, those that it may have beside
`_EVERYWHERE`, and the words by which the reader finds what it looks for in the reply."""

_EVERYWHERE: Final = ("question", "context", "choices", "options", "instruction")
_LISTS: Final = frozenset({"choices", "examples", "steps", "explanations"})
_PARTS: Final = frozenset({"question", "context", "choices", "options", "label"})
"""What a demonstration has."""
_LOOP: Final = frozenset({"index", "index0", "first", "last", "length"})
_FILTERS: Final = ("join", "length", "lower", "trim", "upper")
_NODES: Final = frozenset(
    {"And", "Compare", "Concat", "CondExpr", "Const", "Filter", "For", "Getattr", "If"}
    | {"Name", "Not", "Operand", "Or", "Output", "TemplateData"}
)
"""The parts of Jinja's language that a template may use: none calls, computes, assigns or includes."""
_LONGEST_JOIN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """What a user adds to the prompts of one teacher; nothing: they are sent as they are."""

    system: str = ""
    instruction: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Templates by what they are for, such as `solve`."""

    def around(
        self, messages: Sequence[Message], *, prompt: str = "", blanks: Mapping[str, object] | None = None
    ) -> tuple[tuple[Message, ...], str]:
        """Give the messages that are sent, and the name of their prompt.

        The instruction begins the last message, or stands where the template has its blank: some models read
        no system message. The teacher's system message and that of a conversation become one.
        """
        *earlier, asked = messages
        text, before = asked.content, self.instruction
        own = None if blanks is None else self.prompts.get(role_of(prompt))
        if own is not None and blanks is not None:
            template = template_of(role_of(prompt), own)
            text, prompt = template.fill({**blanks, "instruction": self.instruction}), template.name
            before = "" if template.has_instruction else before
        systems = [self.system, *(turn.content for turn in earlier if turn.role == "system")]
        system = "\n\n".join(filter(None, systems))
        sent = (
            *((Message(role="system", content=system),) if system else ()),
            *(turn for turn in earlier if turn.role != "system"),
            Message(role=asked.role, content=f"{before}\n\n{text}" if before else text),
        )
        return sent, prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A prompt of a user's own, read and found good."""

    name: str
    """What it is for, and the beginning of its content's hash."""
    has_instruction: bool
    """Whether it says where the instruction stands."""
    compiled: jinja2.Template

    def fill(self, blanks: Mapping[str, object]) -> str:
        """Write the prompt."""
        import jinja2

        parts: list[str] = []
        letters = 0
        try:
            for part in self.compiled.generate(**blanks):
                parts.append(part)
                letters += len(part)
                if letters > _MOST_LETTERS:
                    raise ConfigError(
                        f"prompts.{role_of(self.name)} becomes longer than {_MOST_LETTERS:,} letters; "
                        "shorten the template or what it is filled with."
                    )
        except jinja2.TemplateError as error:
            raise ConfigError(f"prompts.{role_of(self.name)} cannot be filled in: {error}.") from None
        return "".join(parts).strip()


@cache
def template_of(role: str, text: str) -> Template:
    """Read a template of a user's own; everything that is wrong with it is a ConfigError."""
    import jinja2
    from jinja2 import meta

    if role not in BLANKS:
        raise ConfigError(near_name(role, BLANKS, kind="prompt in [prompts]"))
    environment = _environment()
    try:
        tree = environment.parse(text)
        _refuse_odd(tree, role)
        compiled = environment.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        said = str(error.message).rstrip(".")
        raise ConfigError(f"prompts.{role}, line {error.lineno}: {said}.") from None
    except (RecursionError, SyntaxError, MemoryError):
        raise ConfigError(f"prompts.{role} is nested too deeply; write it flat.") from None
    needed, more, _ = BLANKS[role]
    found, known = meta.find_undeclared_variables(tree), {*_EVERYWHERE, *needed, *more}
    for name in sorted(found - known):
        raise ConfigError(near_name(name, known, kind=f"blank in prompts.{role}"))
    absent = [name for name in ("question", *needed) if name not in found]
    if absent:
        blanks = ", ".join(f"{{{{ {name} }}}}" for name in absent)
        raise ConfigError(f"prompts.{role} lacks {blanks}; without that nobody can answer it.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    template = Template(
        name=f"{role}/own-{digest}", has_instruction="instruction" in found, compiled=compiled
    )
    shown = Example(id="", question="q", context="c", choices=("a", "b"), answer="a")
    texts = dict.fromkeys(("steps", "explanations"), ("t", "u")) | {"explanation": "t", "stated": "a", "k": 1}
    template.fill(blanks_of(shown, [shown, shown], **texts, instruction="i"))
    return template


def unmarked(role: str, text: str) -> str:
    """Say that a prompt does not ask for the form that its reader needs. Empty: it does, or needs none."""
    mark = BLANKS[role][2]
    if mark.casefold() in text.casefold():
        return ""
    return (
        f"prompts.{role} does not mention {mark!r}, by which the reply is read; say in the template in which "
        "form the reply is to be, as docs/how-to/own-words.md has it"
    )


def _environment() -> jinja2.Environment:
    from jinja2 import StrictUndefined, TemplateRuntimeError
    from jinja2.sandbox import SandboxedEnvironment

    def text_of(value: Any) -> Any:
        if isinstance(value, list | tuple | dict):
            raise TemplateRuntimeError("a list is no text; repeat over it with {% for … %}, or join it")
        return value

    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=text_of
    )
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.globals.clear()
    environment.tests.clear()
    return environment


def _refuse_odd(tree: Any, role: str) -> None:
    """Refuse what could call, compute, or write without bound."""
    from jinja2 import nodes

    def is_list(node: nodes.Node) -> bool:
        return (node.name if isinstance(node, nodes.Name) else getattr(node, "attr", None)) in _LISTS

    def deep(loop: nodes.For) -> bool:
        return any(list(inner.find_all(nodes.For)) for inner in loop.find_all(nodes.For))

    for node in tree.find_all(nodes.Node):
        why = ""
        match node:
            case _ if type(node).__name__ not in _NODES:
                why = f"{type(node).__name__.lower()} is not allowed; blanks, for, if and ~ are"
            case nodes.Name(name="self"):
                why = "there is no blank 'self'"
            case nodes.Getattr() if node.attr not in _PARTS | _LOOP:
                why = f"there is no part {node.attr!r}; a demonstration has {', '.join(sorted(_PARTS))}"
            case nodes.For() if not is_list(node.iter) or deep(node) or node.recursive:
                why = f"for repeats over {', '.join(sorted(_LISTS))}, at most two deep"
            case nodes.Filter(name="join") if not is_list(node.node) or any(
                not isinstance(one, nodes.Const) or len(str(one.value)) > _LONGEST_JOIN for one in node.args
            ):
                why = "join takes a list and a short text"
            case nodes.Filter() if node.kwargs or node.dyn_args or (node.args and node.name != "join"):
                why = f"{node.name} takes nothing more"
        if why:
            raise ConfigError(f"prompts.{role}, line {node.lineno}: {why}.")
