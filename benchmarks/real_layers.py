"""The second half of `real.py`: students whose two upper MiniLM layers learn.

The embeddings and the four lower layers are frozen, and their states of every text are computed once. Forms:
`decoder` (a fresh decoder of two layers writes the rationale from the states of the question and the vectors
of the options), `find` (question and right option must find their rationale among the batch's) and `masked`
(words of the rationale, three in ten masked once, are predicted from question and rationale).
"""

import itertools
import random

import numpy as np
import torch
from real_data import CLS, SEP
from torch import nn
from torch.nn import functional

FROZEN, STEPS, BATCH, LR, LR_BESIDE, WEIGHT = 4, 80, 16, 2e-4, 6e-4, 0.5
WIDTH, LONGEST, MASK, MASKED = 384, 40, 103, 0.3
FORMS = ("label", "decoder", "find", "masked")


def through(layer, states, seen):
    """One encoder layer; `seen` says which tokens are there, shape (B, T)."""
    out = layer(states, attention_mask=seen[:, None, None].expand(-1, 1, seen.shape[1], -1))
    return out[0] if isinstance(out, tuple) else out


class Lower:
    """The states of texts after the frozen layers, by their token ids."""

    def __init__(self, model):
        self.model, self.states = model, {}

    @torch.no_grad()
    def add(self, texts):
        new = sorted({tuple(text) for text in texts} - self.states.keys(), key=len)
        for part in in_parts(new, 64):
            ids = nn.utils.rnn.pad_sequence([torch.tensor([CLS, *text, SEP]) for text in part], True)
            seen = ids > 0
            with torch.autocast("cpu", torch.bfloat16):
                states = self.model.embeddings(input_ids=ids)
                for layer in self.model.encoder.layer[:FROZEN]:
                    states = through(layer, states, seen)
            for row, text in zip(states.bfloat16(), part, strict=True):
                self.states[text] = row[: len(text) + 2].clone()

    def batch(self, texts):
        rows = [self.states[tuple(text)] for text in texts]
        seen = torch.arange(max(map(len, rows)))[None] < torch.tensor([len(row) for row in rows])[:, None]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), seen


def in_parts(items, n):
    return (items[i : i + n] for i in range(0, len(items), n))


class Student(nn.Module):
    """The upper layers, scoring by the cosine of question and option; and what training alone needs."""

    def __init__(self, lower, layers, words):
        super().__init__()
        self.lower, self.layers = [lower], layers  # in a list: frozen, and no part of the weights
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.register_buffer("words", words)  # the rationales' words, as MiniLM embeds them
        self.guess = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        )
        self.often = nn.Parameter(torch.zeros(len(words)))
        layer = nn.TransformerDecoderLayer(WIDTH, 6, 768, 0.1, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, 2)
        self.places = nn.Parameter(0.02 * torch.randn(LONGEST + 1, WIDTH))
        self.level = nn.LayerNorm(WIDTH)

    def states(self, texts):
        states, seen = self.lower[0].batch(texts)
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers:
                states = through(layer, states, seen)
        return states.float(), seen

    def vectors(self, texts):
        """Means over the tokens, by length in four parts, so that little is padded; shape (texts, 384)."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        made = []
        for places in in_parts(order, max(16, -(-len(order) // 4))):
            states, seen = self.states([texts[i] for i in places])
            made.append((states * seen[..., None]).sum(1) / seen.sum(1, keepdim=True))
        return torch.cat(made)[torch.tensor(order).argsort()]

    def scores(self, rows):
        """Scores (B, K), and the vectors they come from; a set has the same number of options everywhere."""
        question = self.vectors([row["question_ids"] for row in rows])
        options = self.vectors([option for row in rows for option in row["option_ids"]])
        options = options.view(len(rows), -1, WIDTH)
        cosine = functional.cosine_similarity(question[:, None], options, dim=-1)
        return self.scale.exp() * cosine, question, options

    def word_loss(self, states, words):
        with torch.autocast("cpu", torch.bfloat16):
            logits = functional.linear(self.guess(states), self.words, self.often.bfloat16())
        return functional.cross_entropy(logits.float(), words)


# ---- the forms ----


def form_loss(form, student, rows, question, options):
    chosen = [i for i, row in enumerate(rows) if len(row["rationale_ids"]) > 3]
    told = [rows[i] for i in chosen]
    if form == "find":
        rationale = functional.normalize(student.vectors([row["rationale_ids"] for row in told]), dim=-1)
        right = options[chosen, [row["answer_index"] for row in told]]
        return sum(
            functional.cross_entropy(
                20 * functional.normalize(side, dim=-1) @ rationale.T, torch.arange(len(told))
            )
            for side in (question[chosen], right)
        )
    if form == "masked":
        states, _ = student.states([row["masked_ids"] for row in told])
        at = [(i, place) for i, row in enumerate(told) for place, _ in row["hidden"]]
        words = torch.tensor([word for row in told for _, word in row["hidden"]])
        return student.word_loss(states[[i for i, _ in at], [place for _, place in at]], words)
    return decoder_loss(student, told, options[chosen])


def decoder_loss(student, told, options):
    states, seen = student.states([row["question_ids"] for row in told])
    read = torch.cat([states, options], 1)
    seen = torch.cat([seen, torch.ones(options.shape[:2], dtype=torch.bool)], 1)
    wanted = nn.utils.rnn.pad_sequence([torch.tensor(row["words"]) for row in told], True, padding_value=-1)
    before = functional.pad(wanted[:, :-1].clamp(min=0), (1, 0))  # word 0 stands at the beginning
    n = wanted.shape[1]
    with torch.autocast("cpu", torch.bfloat16):
        written = student.decoder(
            10 * student.words[before] + student.places[:n],
            read,
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(n),
            tgt_is_causal=True,
            memory_key_padding_mask=~seen,
        )
    there = wanted >= 0
    return student.word_loss(student.level(written[there].float()), wanted[there])


# ---- the questions ----


def prepare(parts, teacher, encoder):
    """Add token ids to every row, and to those of training the rationale, also masked; give the words."""
    chance = random.Random(0)
    for split, rows in parts.items():
        for row in rows:
            row["question_ids"] = encoder.ids(row["question"], "question")
            row["option_ids"] = [encoder.ids(option, "option") for option in row["choices"]]
            if split == "train":
                row["rationale_ids"] = encoder.ids(row["texts"].get(teacher, ""), "rationale")[:LONGEST]
    vocabulary = [CLS, SEP, *sorted({word for row in parts["train"] for word in row["rationale_ids"]})]
    number = {word: i for i, word in enumerate(vocabulary)}
    for row in parts["train"]:
        start = len(row["question_ids"]) + 2  # after [CLS], the question and [SEP]
        row["words"] = [number[word] for word in [*row["rationale_ids"], SEP]]
        hidden = [i for i in range(len(row["rationale_ids"])) if chance.random() < MASKED] or [0]
        row["hidden"] = [(start + i, row["words"][i]) for i in hidden]
        shown = [MASK if i in hidden else word for i, word in enumerate(row["rationale_ids"])]
        row["masked_ids"] = [*row["question_ids"], SEP, *shown]
    return vocabulary


def students(name, parts, teacher, encoder, seeds):
    """The rows of a set: one student a seed and form, at equal steps on the same questions."""
    vocabulary = prepare(parts, teacher, encoder)
    words = encoder.model.embeddings.word_embeddings.weight[vocabulary].detach()
    lower = Lower(encoder.model)
    lower.add(
        text for rows in parts.values() for row in rows for text in [row["question_ids"], *row["option_ids"]]
    )
    lower.add(text for row in parts["train"] for text in (row["rationale_ids"], row["masked_ids"]))
    for seed, form in itertools.product(seeds, FORMS):
        torch.manual_seed(seed)
        student = Student(lower, encoder.fresh().encoder.layer[FROZEN:], words)
        train(student, form, parts["train"], seed)
        hits = evaluate(student, parts["test"])
        told_by = "none" if form == "label" else teacher
        about = {"seed": seed, "set": name, "form": f"{form}, upper layers", "teachers": told_by}
        valid = round(float(np.mean(evaluate(student, parts["valid"][:400]))), 4)
        accuracy = round(float(np.mean(hits)), 4)
        text = "".join(map(str, hits))
        yield {**about, "valid": valid, "n": len(hits), "accuracy": accuracy, "hits": text}


def train(student, form, rows, seed):
    weights = list(student.layers.parameters())
    known = {id(weight) for weight in weights}
    beside = [weight for weight in student.parameters() if id(weight) not in known]
    groups = [{"params": weights, "lr": LR}, {"params": beside, "lr": LR_BESIDE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    slower = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 8, 1 - step / STEPS))
    order = np.random.default_rng(seed).permutation(len(rows))
    student.train()
    for step in range(STEPS):
        batch = [rows[order[(step * BATCH + i) % len(rows)]] for i in range(BATCH)]
        scores, question, options = student.scores(batch)
        loss = functional.cross_entropy(scores, torch.tensor([row["answer_index"] for row in batch]))
        if form != "label":
            loss = loss + WEIGHT * form_loss(form, student, batch, question, options)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        slower.step()


@torch.no_grad()
def evaluate(student, rows):
    student.eval()
    hits = []
    for part in in_parts(rows, 64):
        guessed = student.scores(part)[0].argmax(1).tolist()
        hits += [int(guess == row["answer_index"]) for guess, row in zip(guessed, part, strict=True)]
    return hits
