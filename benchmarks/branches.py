"""The student's branches, common beginnings read once, beside a loop that reads each from its first token.

Two jobs over worked solutions of the playground, as a selection by reasoning asks for them: `score` gives the
likelihood of four answers behind a whole explanation and behind it without each step; `write` goes on from
its first 0 .. n steps, greedily. The loop beside it is batched as well: `transformers`' own generation for
`write`, and for `score` one that reads the four answers behind a branch from one cache. The embedded student
ends its texts; the T5 has random weights and writes to the bound. Ratios are medians of the loop's seconds
over medians of ours; above 1, ours is faster.
"""

import itertools
import time

import frame
import torch

from tuition.experiment.targets import RATIONALE_PREFIX, question_text, questions
from tuition.playground import BASE_FOLDER
from tuition.playground.world import PlaygroundSource, recognise
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student
from tuition.student.predict import end_marks, score_outputs, write

ENDINGS = [" 7.", " 12.", " yes.", " (b)."]
MOST_STEPS = 6
MAX_TOKENS = 40


def students(asked):
    texts = [question_text(target.example) for target in asked]
    for name in ("base", "fresh:t5-mini"):
        config = StudentConfig(model=name, device="cpu")
        yield name, load_student(config, TrainingConfig(), base_folder=BASE_FOLDER, texts=texts)


def branches_of(question):
    """Beginnings to go on from, and beginnings that lack a step and ask for the answer."""
    _, puzzle = recognise(question)
    steps = [f"{step.why}: {step.what}." if step.why else f"{step.what}." for step in puzzle.solve().steps]
    steps = steps[:MOST_STEPS]
    first = ["".join(f"{step}\n" for step in steps[:i]) for i in range(len(steps) + 1)]
    kept = [steps, *(steps[:i] + steps[i + 1 :] for i in range(len(steps)))]
    return first, ["\n".join([*part, "The answer is"]) for part in kept]


def score_plainly(learner, asked, beginnings):
    """Each branch is a prompt of its own; its endings share the reading of it."""
    prompts, outputs, cuts = [], [], []
    encoder = learner._encoder
    for prompt, texts in zip(encoder.prompts(asked), beginnings, strict=True):
        for text, prefix in zip(texts, encoder.beginnings(texts), strict=True):
            endings = encoder.endings([text] * len(ENDINGS), ENDINGS)
            is_decoder = learner.family == "causal"
            prompts.append(prompt + prefix if is_decoder else prompt)
            outputs.append(endings if is_decoder else [prefix + ending for ending in endings])
            cuts.append(0 if is_decoder else len(prefix))
    scored = score_outputs(
        learner.model, prompts, outputs, pad_id=learner.tokenizer.pad_token_id, batch_questions=32
    )
    return [[row[cut:] for row in rows] for cut, rows in zip(cuts, scored, strict=True)]


def write_plainly(learner, asked, beginnings):
    """Each branch is a prompt of its own; an encoder-decoder takes branches of one length at once."""
    encoder, model = learner._encoder, learner.model
    marks, pad_id = end_marks(model, learner.tokenizer.eos_token_id), learner.tokenizer.pad_token_id
    pairs = [
        (prompt, prefix)
        for prompt, texts in zip(encoder.prompts(asked), beginnings, strict=True)
        for prefix in encoder.beginnings(texts)
    ]
    if learner.family == "causal":
        written = write(
            model,
            [prompt + prefix for prompt, prefix in pairs],
            max_tokens=MAX_TOKENS,
            marks=marks,
            pad_id=pad_id,
            batch_questions=128,
        )
        return [len(tokens) for tokens in written]
    counts = {}
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][1]))
    for _, group in itertools.groupby(order, key=lambda i: len(pairs[i][1])):
        for places in batched(list(group), 128):
            read = learner.tokenizer.pad({"input_ids": [pairs[i][0] for i in places]}, return_tensors="pt")
            start = [model.config.decoder_start_token_id]
            out = model.generate(
                **read,
                decoder_input_ids=torch.tensor([start + pairs[i][1] for i in places]),
                max_new_tokens=MAX_TOKENS,
                do_sample=False,
            )
            new = out[:, 1 + len(pairs[places[0]][1]) :].tolist()
            for i, tokens in zip(places, new, strict=True):
                counts[i] = next((n + 1 for n, token in enumerate(tokens) if token in marks), len(tokens))
    return [counts[i] for i in range(len(pairs))]


def batched(items, size):
    return (items[i : i + size] for i in range(0, len(items), size))


def timed(act):
    start = time.perf_counter()
    result = act()
    return result, time.perf_counter() - start


def one_repetition(learner, asked, first, without):
    """Time both jobs both ways, and make sure that both ways say the same."""
    endings = [ENDINGS] * len(asked)
    greedy = {"samples": 1, "temperature": 0.0, "max_tokens": MAX_TOKENS, "seed": 0}
    scores, score_s = timed(lambda: learner.scores_from_prefixes(asked, without, endings))
    plain_scores, plain_score_s = timed(lambda: score_plainly(learner, asked, without))
    flat = [number for rows in scores for branch in rows for row in branch for number in row]
    plain = [number for branch in plain_scores for row in branch for number in row]
    texts, write_s = timed(lambda: learner.answers_from_prefixes(asked, first, **greedy))
    counts, plain_write_s = timed(lambda: write_plainly(learner, asked, first))
    tokens = [item.tokens for branches in texts for [item] in branches]
    return {
        "score_s": score_s,
        "plain_score_s": plain_score_s,
        "largest_difference": max(abs(a - b) for a, b in zip(flat, plain, strict=True)),
        "write_s": write_s,
        "plain_write_s": plain_write_s,
        "tokens": sum(tokens),
        "unequal_lengths": sum(a != b for a, b in zip(tokens, counts, strict=True)),
        "branches": len(tokens),
    }


def main():
    quick = frame.arguments(__doc__).quick
    size, repetitions = (24, 2) if quick else (96, 5)
    asked = questions(PlaygroundSource().load().train[:size], RATIONALE_PREFIX)
    pairs = [branches_of(target.example.question) for target in asked]
    first, without = zip(*pairs, strict=True)
    runs = []
    for name, learner in students(asked):
        for repetition in range(repetitions):
            run = one_repetition(learner, asked, first, without)
            runs.append({"student": name, "questions": size, "repetition": repetition, **run})
    ratios = {}
    for name in ("base", "fresh:t5-mini"):
        of = {field: frame.median(runs, field, student=name) for field in runs[0] if field.endswith("_s")}
        short = name.removeprefix("fresh:")
        ratios[f"{short}_score"] = of["plain_score_s"] / of["score_s"]
        ratios[f"{short}_write"] = of["plain_write_s"] / of["write_s"]
        both = (of["plain_score_s"] + of["plain_write_s"]) / (of["score_s"] + of["write_s"])
        ratios["branches_vs_plain_loop" if name == "base" else f"{short}_branches_vs_plain_loop"] = both
    frame.write(
        "branches",
        __doc__,
        runs=runs,
        ratios={name: round(ratio, 2) for name, ratio in ratios.items()},
        summary={
            "largest_difference": max(run["largest_difference"] for run in runs),
            "unequal_lengths": sum(run["unequal_lengths"] for run in runs),
        },
        quick=quick,
        packages=("torch", "transformers"),
    )


if __name__ == "__main__":
    main()
