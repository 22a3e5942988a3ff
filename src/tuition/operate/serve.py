"""A saved student behind the server, which asks its tokenizer and model."""

from __future__ import annotations

import atexit
import copy
import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import TemplateError

from tuition.core.errors import ConfigError, DataError, TrainingError
from tuition.core.store import Store
from tuition.experiment.targets import choices_in, option_texts
from tuition.operate.cascade.ask import Cascade, CascadeConfig
from tuition.operate.student import reading_of, saved_config, student_folder
from tuition.serving import Limits, Prompt, Second, Writer, app, is_loopback, listen
from tuition.serving.writer import Told
from tuition.student.config import TrainingConfig
from tuition.student.look import describe, family_of, find_model
from tuition.student.template import read_form

__all__ = ["Limits", "StudentWriter", "load_second", "load_writer", "read_token", "serve"]

_LEAST = 16
"""Letters of a token; a shorter one can be guessed."""


class StudentWriter:
    """A student that writes, as the server knows it."""

    def __init__(self, place: Path, *, name: str) -> None:
        """Load the student in a folder; one that scores options is refused before that."""
        if family_of(describe(find_model(str(place), None))) == "options":
            raise TrainingError(
                f"the student in {str(place)!r} scores options and writes no text, so it cannot be served; "
                "ask it in Python, or train an encoder-decoder or decoder-only student"
            )
        from tuition.student.load import load_student
        from tuition.student.look import most_positions
        from tuition.student.predict import end_marks

        form = read_form(place) or {}
        self._config = config = saved_config(place, form)
        self._student = student = load_student(config, TrainingConfig())
        self._model, self._tokenizer = student.model, student.tokenizer
        self._scores_options = form.get("scoring") == "options"
        self._labels = tuple(form.get("labels") or ())
        # A tokenizer may be changed for a moment while it reads; another thread decodes texts meanwhile.
        self._decoder = copy.deepcopy(student.tokenizer)
        self._reading = threading.Lock()
        if self._tokenizer.chat_template is None:
            raise TrainingError(
                f"the tokenizer in {str(place)!r} has no chat template, which says how the student is asked; "
                "students saved by this version of tuition have one: run 'tuition run' again, or add "
                "chat_template.jinja to the folder"
            )
        self.name = name
        [self._head] = student.heads([form.get("prefix", "")])
        self.marks = end_marks(self._model, self._tokenizer.eos_token_id)
        positions = most_positions(self._model.config.to_dict())
        self.positions = positions if student.family == "causal" else None
        self.reads = min(config.max_input_tokens, positions or config.max_input_tokens)
        self.writes = int(form.get("max_tokens") or form.get("max_output_tokens") or 256)

    def render(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Write messages in the template that the student was saved with."""
        turns = [dict(message) for message in messages]
        try:
            with self._reading:
                text = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
                return list(self._tokenizer(str(text), add_special_tokens=False)["input_ids"])
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise DataError(f"the student's chat template refuses these messages: {error}") from None

    def options(self, messages: Sequence[Mapping[str, str]]) -> list[list[int]]:
        """Encode the options of a question, where the student was examined by scoring them."""
        [asked, *others] = messages
        # a student of labels knows its options; the others are named by each question
        choices = self._labels or choices_in(asked["content"])
        choices = () if others or asked["role"] != "user" else choices
        if not self._scores_options or len(choices) < 2:
            return []
        with self._reading:
            ids = self._student.outputs(option_texts(choices, form=self._config.answer_form))
        if any(option[-1] not in self.marks for option in ids):
            raise DataError(
                f"an option has more tokens than the student learnt to write, "
                f"{self._config.max_output_tokens} with the end mark; shorten it"
            )
        return ids

    def decode(self, ids: Sequence[int], *, with_marks: bool = False) -> str:
        """Read token ids."""
        return str(self._decoder.decode(list(ids), skip_special_tokens=not with_marks))

    def stream(self, prompts: Sequence[Prompt], told: Told) -> None:
        """Write the texts, and tell each token; an option that is the likeliest is told at once."""
        from tuition.student.predict import option_score, score_outputs
        from tuition.student.stream import Wish, stream

        pad_id = self._tokenizer.pad_token_id
        scored = [i for i, prompt in enumerate(prompts) if prompt.options]
        rows = score_outputs(
            self._model,
            [list(prompts[i].ids) for i in scored],
            [[list(option) for option in prompts[i].options] for i in scored],
            heads=[self._head] * len(scored),
            pad_id=pad_id,
            batch_questions=self._config.batch_questions,
        )
        for i, options in zip(scored, rows, strict=True):
            scores = [option_score(logprobs, by=self._config.option_score) for logprobs in options]
            best = scores.index(max(scores))
            sure = 1 / sum(math.exp(score - scores[best]) for score in scores)
            for token, logprob in zip(prompts[i].options[best], options[best], strict=True):
                if not told(i, token, {} if prompts[i].top is None else {token: logprob}, confidence=sure):
                    break
        free = [i for i, prompt in enumerate(prompts) if not prompt.options]
        wishes = [
            Wish(
                ids=prompts[i].ids,
                max_tokens=prompts[i].max_tokens,
                temperature=prompts[i].temperature,
                seed=prompts[i].seed,
                top=prompts[i].top,
            )
            for i in free
        ]
        stream(
            self._model,
            wishes,
            marks=self.marks,
            pad_id=pad_id,
            told=lambda place, *more: told(free[place], *more),
            head=self._head,
        )


def load_writer(given: Path) -> StudentWriter:
    """Load the student that a folder is, or that a run folder holds; it is called as the run."""
    place = student_folder(given)
    resolved = place.resolve()
    return StudentWriter(place, name=(resolved.parent if resolved.name == "student" else resolved).name)


def read_token(name: str | None, *, host: str) -> str | None:
    """Read the token that clients must show; an address that others can reach needs one."""
    if name is None:
        if is_loopback(host):
            return None
        raise ConfigError(
            f"--host {host} lets other machines ask the student; name the environment variable of a token "
            "that they must show, with --token-env NAME, or leave --host out"
        )
    token = os.environ.get(name, "")
    if len(token) < _LEAST or not token.isascii() or not token.isprintable() or " " in token:
        # The name is not repeated: it may be the token itself in the wrong place.
        raise ConfigError(
            "the environment variable that --token-env names must hold a token of at least "
            f"{_LEAST} letters, digits or signs, without blanks; there are {len(token)} in it. Make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token


def load_second(given: Path, config: CascadeConfig) -> Second:
    """Load whom a server asks where the student in a folder is unsure."""
    place = student_folder(given)
    form = read_form(place)
    if form is None:
        raise TrainingError(f"{str(place)!r} has no tuition.json, so nobody knows how its answers are read")
    task, way = reading_of(place, form)
    store = Store(Path(config.store))
    atexit.register(store.close)
    return Cascade(config, place, task=task, way=way, store=store).second


def serve(
    writer: Writer, *, host: str, port: int, token: str | None, limits: Limits, second: Second | None = None
) -> None:
    """Serve until interrupted."""
    application = app(writer, limits, hosts=[host], token=token, second=second)
    listen(application, host=host, port=port, connections=8 * (limits.batch + limits.queue))
