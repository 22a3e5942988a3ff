"""Files and students that the runs of `related.py` begin with, made from a seed; no text is a real one."""

import json
import random
from pathlib import Path

from tuition.core.rows import read_rows
from tuition.playground import BASE_FOLDER
from tuition.playground.domains.knowledge import facts

VALUES = ("moss", "seeds", "fish", "roots")
ASKED = ("What does a {} eat?", "Here is a {}. What does it eat?", "You meet a {}. What does it eat?")
"""The first is asked of known facts in training; the test asks the others."""
TOPICS = {
    "Diet": "what does the {} eat?",
    "Habitat": "where does the {} live?",
    "Rhythm": "when is the {} awake?",
    "Stature": "how big is the {}?",
    "Enemy": "what does the {} fear?",
}
"""How passages and rationales call a topic, and how a question asks for it: without that word."""


def small_student(folder, seed):
    """A random student that reads with the base student's tokenizer and has a third of its weights."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig.from_pretrained(BASE_FOLDER)
    shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers = 96, 288, 2
    shape.num_attention_heads = shape.num_key_value_heads = 3
    shape.dtype = torch.float32
    torch.manual_seed(seed)
    LlamaForCausalLM(shape).save_pretrained(folder)
    AutoTokenizer.from_pretrained(BASE_FOLDER).save_pretrained(folder)


def documents(folder, seed, *, names=120, after=None):
    """Write what animals eat: a third labelled, a third with documents too, a third with documents alone.

    The student is to learn to read from the second third, and the facts of the last from its documents; the
    test asks without them about the first (`known`) and the last (`asked`).
    """
    draw = random.Random(f"documents/{seed}")
    animals = draw.sample(sorted(facts().kind_of), names)
    eats = {animal: draw.choice(VALUES) for animal in animals}
    third = len(animals) // 3

    def row(animal, part, *, asked=0, has_document=True, has_answer=True):
        lines = draw.sample([animal, *draw.sample([one for one in animals if one != animal], 2)], 3)
        told = " ".join(f"A {one} eats {eats[one]}." for one in lines)
        return {
            "id": f"{animal}-{part}-{asked}",
            "question": ASKED[asked].format(animal),
            "context": told if has_document else "",
            "answer": eats[animal] if has_answer else None,
            "domain": part,
        }

    known, read, asked = animals[:third], animals[third : 2 * third], animals[2 * third :]
    train = [row(one, "known", has_document=False) for one in known]
    train += [row(one, "read", asked=i) for one in read for i in range(3)]
    train += [row(one, "asked", has_answer=False) for one in asked]
    _write(folder, "train", train)
    _write(folder, "valid", [row(one, "asked", asked=0) for one in asked])
    of = (("known", known), ("asked", asked))
    _write(folder, "test", [row(one, part, asked=i) for part, ones in of for one in ones for i in (1, 2)])


def said(folder, seed, *, after, names=0):
    """What the student of a run of `know_gate` answered from its documents, as labels of bare questions."""
    data = after.parent / "data"
    asked = {row["id"]: row for row in read_rows(data / "train.jsonl")}
    told = [
        {**asked[row["example_id"]], "context": "", "answer": row["said"]}
        for row in read_rows(after / "gates.jsonl")
        if row["said"].strip()
    ]
    _write(folder, "train", told)
    for part in ("valid", "test"):
        rows = [{**row, "context": ""} for row in read_rows(data / f"{part}.jsonl")]
        _write(folder, part, rows)


def topics(folder, seed, *, names=80, after=None):
    """Five passages about every name; which is needed is said by the rationale and not by the question.

    No name of the test is in training, and what is true of one says nothing of another: without a passage
    there is only guessing.
    """
    draw = random.Random(f"topics/{seed}")
    parts = ("bo", "li", "mo", "ta", "ke", "zu", "fe", "da", "ni", "ru")
    ends = ("k", "x", "v", "rn", "lp", "sk", "nd", "gg")
    called = draw.sample([one + other for one in parts for other in ends], names)
    values = ("moss", "caves", "night", "tiny", "wolves")
    true = {(name, topic): draw.choice(values) for name in called for topic in TOPICS}
    passages = [f"{topic} of the {name}: {value}." for (name, topic), value in true.items()]
    draw.shuffle(passages)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "passages.txt").write_text("\n".join(passages) + "\n")

    def row(name, topic):
        value = true[name, topic]
        text = f"One asks for the {topic.lower()} of the {name}. {topic} of the {name}: {value}."
        return {
            "id": f"{name}-{topic}",
            "question": TOPICS[topic].format(name),
            "answer": value,
            "rationales": {"program": {"text": text, "answer": value}},
        }

    cut = len(called) * 3 // 4
    _write(folder, "train", [row(name, topic) for name in called[:cut] for topic in TOPICS])
    _write(folder, "valid", [row(called[cut], topic) for topic in TOPICS])
    _write(folder, "test", [row(name, topic) for name in called[cut + 1 :] for topic in TOPICS])


def _write(folder: Path, part: str, rows):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
