"""The pool of benchmarks/active.py: what a start student can and cannot do yet, in known shares.

A question is one of the playground's domain `phrases`, its story's acts replaced by one or two phrases drawn
evenly. The start student is the embedded one, taught on the commonest phrases alone. An item is within its
reach where its greedy chain ends in the right answer.
"""

import json
import shutil
import tomllib
from collections import Counter
from pathlib import Path
from random import Random

from tuition.core.records import Example, Grade
from tuition.experiment.config import resolve
from tuition.experiment.targets import RATIONALE_PREFIX, questions
from tuition.operate.execute import execute
from tuition.playground.domains.phrases import PHRASES
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student
from tuition.tasks import make_task

CONSTANTS = tomllib.loads(Path(__file__).with_name("active_pool.toml").read_text(encoding="utf-8"))
SPLITS = ("train", "valid", "test")
_ANSWERED_AT_ONCE = 2_000
_MOST_DRAWS = 20


def by_commonness():
    """The domain's phrases as questions have them, the commonest first."""
    (problems,) = PHRASES.make(Random("commonness"), [6_000])
    counts = Counter(
        phrase.text for problem in problems for phrase in PHRASES.recognise(problem.question).phrases
    )
    return [text for text, _ in counts.most_common()]


def draw(rng, carriers, phrases):
    """One question and its answer: a drawn story with acts of its own; None: no whole number came of it."""
    acts = [rng.choice(phrases) for _ in range(rng.choice((1, 2)))]
    for _ in range(30):
        story = rng.choice(carriers)
        told = ", then ".join(phrase.text for phrase in PHRASES.recognise(story).phrases)
        question = story.replace(told, ", then ".join(acts))
        puzzle = PHRASES.recognise(question)
        if puzzle is not None:
            return question, puzzle.solve().answer
    return None


class Questions:
    """Different questions without end, of one seed."""

    def __init__(self, seed):
        self._rng = Random(f"active/{seed}")
        (problems,) = PHRASES.make(self._rng, [6_000])
        self._carriers = [problem.question for problem in problems]
        self._drawn = set()

    def take(self, n, phrases):
        found = []
        while len(found) < n:
            drawn = draw(self._rng, self._carriers, phrases)
            if drawn is not None and drawn[0] not in self._drawn:
                self._drawn.add(drawn[0])
                found.append(drawn)
        return found


def prepare(folder, seed, constants):
    """Make a seed's start student and pool, unless they are there; returns their folder."""
    place = Path(folder) / f"seed-{seed}"
    if (place / "constants.json").exists():
        if json.loads((place / "constants.json").read_text()) != _made_of(constants):
            raise SystemExit(f"{place} was made with other constants; remove it or choose another --work")
        return place
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    drawn, phrases = Questions(seed), by_commonness()
    common = phrases[: constants["known_phrases"]]
    _teach(place, drawn.take(constants["start"]["examples"], common), seed, constants)
    kinds = _sorted_by_reach(place, drawn, (common, phrases), constants)
    _write_pool(place / "pool", kinds, Random(f"{seed}/pool"), constants)
    (place / "constants.json").write_text(json.dumps(_made_of(constants)))
    return place


def _made_of(constants):
    """The constants that a pool depends on."""
    return {key: constants[key] for key in ("known_phrases", "start", "sizes", "pool", "training")}


def _teach(place, rows, seed, constants):
    start = constants["start"]
    write_examples(place / "start.jsonl", rows)
    # A recipe wants something to validate on; nothing is chosen by it.
    write_examples(place / "start-valid.jsonl", rows[:1])
    files = {"train": str(place / "start.jsonl"), "valid": str(place / "start-valid.jsonl")}
    tables = {
        "recipe": "step_by_step",
        "rationale_as": "chain",
        "out": str(place / "start"),
        "store": str(place / "start.db"),
        "seed": seed,
        "task": {"source": "files", "drop_overlap": False, **files},
        "teacher": [{"kind": "playground", "name": start["teacher"], "max_tokens": 128}],
        "annotation": {"examples": 0, "forced": False},
        "student": student("base", constants),
        "training": {**constants["training"], "steps": start["steps"]},
    }
    execute(resolve(tables, where="start student"))


def student(model, constants):
    return {"model": model, "max_output_tokens": constants["look"]["max_tokens"]}


def _sorted_by_reach(place, drawn, kinds, constants):
    """Draw and answer until the pool can be filled: what the start student can do, and what it cannot."""
    sizes, reach = sum(constants["sizes"].values()), constants["pool"]["reach"]
    wanted = (round(sizes * reach) + 3, round(sizes * (1 - reach)) + 3)  # each split rounds
    # Common phrases are mostly within reach and all phrases together mostly not.
    found = ([], [])
    for _ in range(_MOST_DRAWS):
        for phrases, enough in zip(kinds, (len(found[j]) >= wanted[j] for j in (0, 1)), strict=True):
            if not enough:
                rows = drawn.take(_ANSWERED_AT_ONCE, phrases)
                for row, is_right in zip(rows, answered(place, rows, constants), strict=True):
                    found[0 if is_right else 1].append(row)
        if all(len(rows) >= n for rows, n in zip(found, wanted, strict=True)):
            return found
    raise SystemExit(f"the start student of {place} leaves too few questions of a kind: {[*map(len, found)]}")


def answered(place, rows, constants):
    """Whether the start student's chain ends right, a question each."""
    config = StudentConfig(**student(str(place / "start" / "student"), constants))
    start, task = load_student(config, TrainingConfig()), make_task("mixed")
    examples = [as_example(f"{i}", row) for i, row in enumerate(rows)]
    written = start.generate(questions(examples, RATIONALE_PREFIX), max_tokens=config.max_output_tokens)
    pairs = zip(written, examples, strict=True)
    return [task.grade(task.read(text.text, item), item) is Grade.RIGHT for text, item in pairs]


def _write_pool(folder, kinds, rng, constants):
    """Every split has the same share of questions within reach; no question is in two of them."""
    folder.mkdir()
    share = constants["pool"]["reach"]
    left = [rng.sample(rows, len(rows)) for rows in kinds]
    for split in SPLITS:
        size = constants["sizes"][split]
        counts = (round(size * share), size - round(size * share))
        rows = [(*left[kind].pop(), kind == 0) for kind in (0, 1) for _ in range(counts[kind])]
        rng.shuffle(rows)
        write_examples(folder / f"{split}.jsonl", [row[:2] for row in rows])
        reach = "".join("1" if row[2] else "0" for row in rows)
        (folder / f"{split}-within-reach.txt").write_text(reach)


def as_example(name, row):
    question, answer = row
    return Example(id=name, question=question, answer=answer, domain="phrases")


def write_examples(path, rows):
    texts = [as_example(f"{path.stem}-{i:05d}", row).to_json() for i, row in enumerate(rows)]
    path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
