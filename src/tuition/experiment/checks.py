"""What would end a run after money was spent, looked for before: in the configuration, the data, the student.

Asks no teacher and loads no student, but for `make_student`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuition.core.errors import ConfigError, DataError, MissingExtra, TeacherError, TrainingError, some_of
from tuition.core.protocols import FixedForm, Learner
from tuition.core.records import Example, Json
from tuition.core.splits import SealedTest, Splits
from tuition.evaluation.accuracy import accuracy
from tuition.experiment.config import Experiment, source_of, task_of
from tuition.experiment.knowledge import informed
from tuition.experiment.recipe import RECIPES
from tuition.experiment.targets import ANSWER_PREFIX, RATIONALE_PREFIX, question_text
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.tasks.check import Finding, blind_answers, check_labels, check_splits, finding
from tuition.tasks.kinds import MultipleChoice
from tuition.teachers.config import TeacherConfig
from tuition.teachers.recorded import barred_reply

if TYPE_CHECKING:
    from tuition.student.look import LookedAt

__all__ = [
    "Ready",
    "answer_way",
    "blind_notes",
    "check_abilities",
    "check_evaluation",
    "check_terms",
    "load_splits",
    "make_ready",
    "make_student",
    "named",
    "open_questions",
    "why_not_without_question",
]


def check_evaluation(config: Experiment, splits: Splits, findings: Sequence[Mapping[str, Json]]) -> None:
    """Refuse an examination that could not be held."""
    commas = [one["sentence"] for one in findings if one["kind"] == "decimal_comma"]
    for one in findings:
        if one["kind"] == "unreadable_label":
            raise DataError(
                f"{one['sentence']}. Such a label could never be answered rightly: mend it, or set "
                "task.kind to what the labels are. Of a worked solution the column must hold the answer "
                f"alone, or #### before it.{f' Decimal commas: {commas[0]}.' if commas else ''}"
            )
        is_graded = one["split"] in ("valid", "test")
        is_labelled = config.labels.source(str(one["split"])) != "gold"
        if one["kind"] == "no_answer" and is_graded and not is_labelled:
            raise DataError(
                f"{one['sentence']}. Nothing there can be graded: label them, name a labelled file, let "
                f"teachers label them (labels.{one['split']}), or set task.valid_share = 0 so that no "
                "validation is drawn from an unlabelled training split."
            )
    way = answer_way(config)
    if config.evaluation.scoring != "generate" and way == "chain":
        raise ConfigError(
            f"evaluation.scoring = {config.evaluation.scoring!r} wants the answer right behind the question, "
            "and a chain puts a rationale between them; set scoring = 'generate', or answer_by = 'answer' "
            "with rationale_as = 'task' or 'both'."
        )
    if config.evaluation.scoring == "options":
        graded = dataclasses.replace(splits, train=())
        _refuse_open(open_questions(graded), "evaluation.scoring is 'options'", "Set it to 'generate'.")
    if config.student.answer_form == "letter":
        bare = _ids(splits, lambda example: len(example.listed) < 2)
        _refuse_open(bare, "student.answer_form is 'letter'", "Set it to 'text'.")
        # Found now, and not after the teachers are paid.
        found = _ids(splits, lambda example: bool(example.answer) and example.answer_index is None)
        if found:
            raise DataError(
                f"student.answer_form is 'letter', but {len(found)} labels are none of their choices, so "
                f"they have no letter: {some_of(found)}. Mend them, or set it to 'text'."
            )
    if (config.evaluation.max_tokens or 0) > config.student.max_output_tokens:
        raise ConfigError(
            f"evaluation.max_tokens is {config.evaluation.max_tokens}, above student.max_output_tokens = "
            f"{config.student.max_output_tokens}, for which the student keeps room. Raise that one, or lower "
            "this."
        )
    if config.student.update == "none" and RECIPES[config.recipe].asks:
        raise ConfigError(
            f"student.update = 'none' trains nothing, so {config.recipe} would pay teachers for nothing; set "
            "it to 'full' or 'lora', or recipe = 'zero_shot' for the student as it is."
        )
    _check_training(config, splits)
    RECIPES[config.recipe].check(config, splits)


_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX")}
"""Of trackers, where they are not called alike."""


def _check_training(config: Experiment, splits: Splits) -> None:
    """Refuse a training that could not be validated or reported as configured."""
    recipe = RECIPES[config.recipe]
    if not recipe.has_student or config.student.update == "none":
        return
    models = {f"{name}.training": table.training for name, table in recipe.models(config).items()}
    for name, training in {"training": config.training, **models}.items():
        if training.keep == "best" and not splits.valid:
            raise ConfigError(
                f"{name}.keep = 'best' chooses on validation, and there is none. Nothing was asked: name a "
                "validation split, or set it to 'last'."
            )
        for tracker in training.report_to:
            specs = [importlib.util.find_spec(package) for package in _PACKAGES.get(tracker, (tracker,))]
            # a folder of that name in the working directory is found too, and has no origin
            if not any(spec is not None and spec.origin for spec in specs):
                raise ConfigError(
                    f"{name}.report_to names {tracker!r}, and that package is not installed. Nothing was "
                    f"asked: pip install {tracker}, or leave it out."
                )


def answer_way(config: Experiment) -> str:
    """Say how a student of this configuration is asked for an answer."""
    taught, asked = RECIPES[config.recipe].rationale_as(config), config.evaluation.answer_by
    # Where both are taught, the chain is what `auto` takes: explaining is what the student was taught for.
    ways = {"task": ("answer",), "chain": ("chain",), "both": ("chain", "answer")}[taught]
    way = ways[0] if asked == "auto" else asked
    if way not in ways:
        raise ConfigError(
            f"evaluation.answer_by = {asked!r}, but with rationale_as = {taught!r} the student is never "
            "taught to answer so; set it to 'auto', or rationale_as = 'both'."
        )
    return way


def check_abilities(config: Experiment, *, writes: bool, explains: bool) -> None:
    """Refuse a student that could not learn or be examined as configured."""
    wanted = {
        "student.answer_form = 'letter'": config.student.answer_form == "letter",
        "evaluation.scoring = 'exact'": config.evaluation.scoring == "exact",
    }
    for setting, is_set in wanted.items():
        if is_set and not writes:
            raise ConfigError(
                f"{setting} is about what a student writes, and {config.student.model!r} scores options and "
                "writes nothing; take another model, or leave that setting out."
            )
    if explains and not writes:
        raise ConfigError(
            f"[student] {config.student.model!r} scores options and writes no text, so it cannot learn "
            "rationales; nothing was asked. Take an encoder-decoder or decoder-only model, or recipe = "
            "'label_only'."
        )


def blind_notes(config: Experiment, splits: Splits) -> list[str]:
    """Warn where a rule that reads no question is right more often than chance, or cannot be tried."""
    notes: list[str] = []
    if "blind" in config.evaluation.baselines and (reason := why_not_without_question(splits)):
        notes.append(reason)
    closed = [example for example in splits.valid[: config.evaluation.limit] if len(example.choices) > 1]
    closed = [example for example in closed if example.answer is not None]
    if not closed:
        return notes
    chance = sum(1 / len(example.choices) for example in closed) / len(closed)
    task = MultipleChoice()
    for rule, answers in blind_answers(splits.train, closed).items():
        found = accuracy(task.grade(answer, example) for answer, example in zip(answers, closed, strict=True))
        if found.low > chance:
            notes.append(
                f"the blind rule {rule.replace('_', ' ')!r} is right on {100 * found.share:.0f} % of "
                f"{found.n} validation questions without reading them; chance is {100 * chance:.0f} %. A "
                "gain counts only above that rule"
            )
    return notes


def why_not_without_question(splits: Splits) -> str:
    """Say why no student can learn these examples from their choices alone."""
    bare = open_questions(splits)
    if not bare:
        return ""
    return (
        f"the row without_question is left out: it shows choices alone, and {len(bare)} questions have fewer "
        f"than two ({some_of(bare)})"
    )


def open_questions(splits: Splits) -> list[str]:
    """Find the questions that offer nothing to choose from."""
    return _ids(splits, lambda example: len(example.choices) < 2)


def _ids(splits: Splits, is_meant: Callable[[Example], bool]) -> list[str]:
    """Find the examples that are meant in all splits, the sealed test's too."""

    def look(examples: Sequence[Example]) -> list[str]:
        return [example.id for example in examples if is_meant(example)]

    return look(splits.train) + look(splits.valid) + (splits.test.check(look) if splits.test else [])


def _refuse_open(bare: Sequence[str], setting: str, way_out: str) -> None:
    if bare:
        raise DataError(
            f"{setting}, but {len(bare)} questions have fewer than two choices: {some_of(bare)}. {way_out}"
        )


def check_terms(teachers: Sequence[TeacherConfig]) -> None:
    """Refuse teachers whose texts must not be trained on."""
    for table in teachers:
        where = barred_reply(table) if table.kind == "recorded" and table.train_on_outputs else ""
        if where or not table.train_on_outputs:
            raise TeacherError(
                f"teacher {table.name!r} has train_on_outputs = false{where and f' ({where})'}: its terms "
                "forbid training on them. Nothing was asked; take it out of the configuration."
            )


@contextmanager
def named(table: str) -> Generator[None]:
    """Say of a fault in [student] or [training] in which table of a second model it is."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"[{table}] {error}") from None


def make_student(
    config: StudentConfig, training: TrainingConfig, *, texts: Sequence[str] | None = None
) -> Learner:
    """Load a student; one that cannot be loaded is a fault of the configuration."""
    # torch is loaded when a student is, and not before.
    from tuition.student.load import load_student

    try:
        return load_student(config, training, base_folder=BASE_FOLDER, texts=texts)
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None


_TOO_LONG = (
    "longer than the {0} tokens that the student reads beside its output (student.max_input_tokens = {0} or "
    "less cuts them instead)"
)
_AT_ONCE = 4096
_CUT = "are longer than {} tokens with the instruction, and lose their end, the context's first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A configuration that nothing known beforehand stands against."""

    splits: Splits
    """Without the training questions that the student cannot read."""
    findings: list[dict[str, Json]]
    """From the data check, and what is too long."""
    unread: frozenset[tuple[str, str]]
    """Split and id of the questions that the student cannot read; those of validation and test stay, and
    count as unreadable."""


def load_splits(config: Experiment) -> tuple[Splits, list[dict[str, Json]]]:
    """Load the examples and look them over before anything else."""
    source, task = source_of(config), task_of(config)
    splits = source.load()
    if isinstance(task, FixedForm):
        splits = Splits(
            train=tuple(map(task.prepared, splits.train)),
            valid=tuple(map(task.prepared, splits.valid)),
            test=splits.test and splits.test.in_form(task.prepared),
        )
    findings = [*getattr(source, "findings", ()), *check_splits(splits), *check_labels(splits, task)]
    splits = informed(splits, config.knowledge)
    return splits, [finding.to_json() for finding in findings]


def make_ready(config: Experiment) -> Ready:
    """Load the data and look at the student, and refuse what could only end a run after money was spent."""
    splits, findings = load_splits(config)
    check_evaluation(config, splits, findings)
    recipe = RECIPES[config.recipe]
    if not recipe.has_student:
        return Ready(splits=splits, findings=findings, unread=frozenset())
    student = _look(config, splits, explains=recipe.asks and not recipe.scores)
    if recipe.scores and student.family != "options":
        raise ConfigError(
            f"[student] {config.student.model!r} writes text, and {config.recipe} needs a student that "
            "scores options; nothing was asked. Take an encoder, such as 'fresh:bert-mini'."
        )
    if student.family == "options" and not recipe.scores:
        scores = f"[student] {config.student.model!r} scores options"
        _refuse_open(open_questions(splits), scores, "Take a student that writes.")
    try:
        unread, found = _too_long(config, splits, student)
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None
    for name, table in recipe.models(config).items():
        # What is too long for a second model is cut, so that its limits take no question from the student.
        alike = student if name == recipe.imitated(config) else None
        with named(name):
            _look(
                config.model_copy(update={"student": table.student}),
                splits,
                explains=table.explains,
                alike=alike,
            )
    aside = set(unread["train"])
    kept = tuple(example for example in splits.train if example.id not in aside)
    return Ready(
        splits=dataclasses.replace(splits, train=kept),
        findings=[*findings, *(one.to_json() for one in found)],
        unread=frozenset((split, id) for split, ids in unread.items() for id in ids),
    )


def _look(config: Experiment, splits: Splits, *, explains: bool, alike: LookedAt | None = None) -> LookedAt:
    """Look at the student without loading it, and refuse one that could not learn or be examined.

    One that is imitated must cut text as the student does, which is `alike`.
    """
    # the student's room is opened only where there is a student, and some have installed none of it
    try:
        from tuition.student.look import check_alike, look_at
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "train") from None

    def texts() -> list[str]:
        return [text for item in splits.train for text in (question_text(item), item.answer) if text]

    try:
        student = look_at(config.student, base_folder=BASE_FOLDER, texts=texts)
        if alike is not None:
            check_alike(*((one.family, one.tokenizer().get_vocab()) for one in (alike, student)))
    except TrainingError as error:
        raise ConfigError(f"[student] {error}") from None
    check_abilities(config, writes=student.family != "options", explains=explains)
    return student


def _too_long(
    config: Experiment, splits: Splits, student: LookedAt
) -> tuple[dict[str, list[str]], list[Finding]]:
    """Find the questions that the student cannot read, by split; tell them, and the inputs that are cut."""
    prefix = max(ANSWER_PREFIX, RATIONALE_PREFIX, *(table.prefix or "" for table in config.writers), key=len)

    def longer(examples: Sequence[Example], limit: int, *, whole: bool) -> list[str]:
        if len(examples) > _AT_ONCE:
            # Part by part, so that the inputs of all are not in memory at once.
            parts = (examples[i : i + _AT_ONCE] for i in range(0, len(examples), _AT_ONCE))
            return [id for part in parts for id in longer(part, limit, whole=whole)]
        inputs = []
        # a chat template has the earlier turns of a conversation apart
        earlier = [example.messages[:-1] for example in examples] if student.write else ()
        for example in (item.last_turn if student.write else item for item in examples):
            context = f"{example.context}\n" if whole and example.context else ""
            # One that scores options reads the longest of them once more.
            behind = max(example.choices, key=len, default="") if student.family == "options" else ""
            inputs.append(f"{prefix}{context}{question_text(example)}\n{behind}")
        return [examples[i].id for i in student.longer(inputs, limit, earlier=earlier)]

    def cannot_read(examples: Sequence[Example]) -> list[str]:
        # a question that the user's own limit cuts to what can be read is cut, as published
        is_cut = student.reads is None or config.student.max_input_tokens <= student.reads
        return [] if is_cut else longer(examples, student.cut_at, whole=False)

    def is_cut(examples: Sequence[Example]) -> list[str]:
        return longer(examples, student.cut_at, whole=True)

    unread: dict[str, list[str]] = {}
    found: list[Finding] = []
    for split, examples in (("train", splits.train), ("valid", splits.valid), ("test", splits.test)):
        plain = examples or ()
        see = plain.check if isinstance(plain, SealedTest) else lambda look, them=plain: look(them)
        long = see(is_cut)
        gone = frozenset(long)
        # What has no context was looked at already, as it is.
        unread[split] = see(lambda all_, ids=gone: cannot_read([e for e in all_ if e.context or e.id in ids]))
        if examples is not None and len(examples) and len(unread[split]) == len(examples):
            raise DataError(
                f"{split}: every question is longer than what the student reads, {student.reads} tokens "
                f"beside student.max_output_tokens = {config.student.max_output_tokens}. Lower that, cut the "
                f"questions with student.max_input_tokens = {student.reads}, or take a student that reads "
                "more."
            )
        done = "are set aside" if split == "train" else "count as unreadable"
        found += finding("too_long", split, unread[split], words=f"{done}, {_TOO_LONG.format(student.reads)}")
        gone = set(unread[split])
        cut = [id for id in long if id not in gone]
        found += finding("cut", split, cut, words=_CUT.format(student.cut_at))
    return unread, found
