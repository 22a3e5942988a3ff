"""A student that writes and scores, beside plain loops over `transformers`: the same work, texts and batches.

Jobs, over worked solutions of the playground, as an examination and a selection by reasoning ask for them:

- `exam` answers every question greedily; the plain loop is `transformers`' own generation.
- `samples` draws five explanations a question; plain: `num_return_sequences`.
- `write` goes on greedily from the first 0 .. n steps; plain: each beginning is a prompt of its own.
- `score` gives the likelihood of four answers behind a whole explanation and behind it without each step;
  the plain loop reads the four behind a beginning from one cache.
- `options` asks which of four answers follows the first 0 .. n steps: ours scores them behind "The answer
  is", the plain loop writes on as in `write`. Two ways to an answer: their seconds are compared, no outputs.

Rows hold processor seconds of one thread, ours and the plain loop's in turn, and how far both agree. Ratios
are of the least seconds of each, plain over ours; above 1, ours is faster. Students: `base`, in float32 and
with weights in bfloat16; a T5 of random weights, which writes to the bound; and, if TUITION_STUDENT names a
folder, that real one on few questions. A row that the result has is not made again.
"""

import itertools
import os
import time

import frame
import torch

from tuition.experiment.targets import RATIONALE_PREFIX, question_text, questions
from tuition.playground import BASE_FOLDER
from tuition.playground.world import PlaygroundSource, recognise
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.families import pad
from tuition.student.load import load_student
from tuition.student.predict import by_length, end_marks, score_outputs

ENDINGS = [" 7.", " 12.", " yes.", " (b)."]
MOST_STEPS = 6
MAX_TOKENS = 40
SAMPLES = {"samples": 5, "temperature": 0.7, "seed": 0}
GREEDY = {"samples": 1, "temperature": 0.0, "seed": 0}
REAL = os.environ.get("TUITION_STUDENT")
STUDENTS = {
    # by name: model, dtype, questions, jobs
    "base": ("base", "float32", 48, ("exam", "samples", "write", "score", "options")),
    "base bfloat16": ("base", "bfloat16", 48, ("exam", "write", "score", "options")),
    "t5-mini": ("fresh:t5-mini", "float32", 48, ("exam", "write", "score")),
    "real": (REAL, "float32", 4, ("exam", "write", "score", "options")),
    "real bfloat16": (REAL, "bfloat16", 4, ("exam", "write", "score", "options")),
}


def student_of(name, asked):
    model, dtype, _, _ = STUDENTS[name]
    config = StudentConfig(model=model, device="cpu", threads=1, dtype=dtype)
    texts = [question_text(target.example) for target in asked]
    return load_student(config, TrainingConfig(), base_folder=BASE_FOLDER, texts=texts)


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


def write_plainly(learner, pairs, *, most, copies=1, **drawing):
    """Continue prompts behind which an output has begun; an encoder-decoder takes those of one length."""
    model, pad_id = learner.model, learner.tokenizer.pad_token_id
    marks = end_marks(model, learner.tokenizer.eos_token_id)
    is_decoder = learner.family == "causal"
    prompts = [prompt + prefix if is_decoder else prompt for prompt, prefix in pairs]
    written = [[] for _ in pairs]
    widths = [0 if is_decoder else len(prefix) for _, prefix in pairs]
    for width in sorted(set(widths)):
        group = [i for i in range(len(pairs)) if widths[i] == width]
        for places in by_length([len(prompts[i]) for i in group], 128 // copies):
            rows = [group[j] for j in places]
            begun = {}
            if not is_decoder:
                start = model.config.decoder_start_token_id
                begun = {"decoder_input_ids": torch.tensor([[start, *pairs[i][1]] for i in rows])}
            with torch.inference_mode():
                out = model.generate(
                    input_ids=pad([prompts[i] for i in rows], pad_id, left=is_decoder),
                    attention_mask=pad([[1] * len(prompts[i]) for i in rows], 0, left=is_decoder),
                    max_new_tokens=most,
                    num_return_sequences=copies,
                    eos_token_id=marks,
                    pad_token_id=pad_id,
                    **(drawing or {"do_sample": False}),
                    **begun,
                )
            new = out[:, (max(len(prompts[i]) for i in rows) if is_decoder else 1 + width) :].tolist()
            for k, tokens in enumerate(new):
                end = next((n + 1 for n, token in enumerate(tokens) if token in marks), len(tokens))
                written[rows[k // copies]].append(tokens[:end])
    return written


class Work:
    """The jobs of one student; each gives two acts, ours and the plain one, and how far they agree."""

    def __init__(self, learner, asked):
        self.learner, self.asked = learner, asked
        pairs = [branches_of(target.example.question) for target in asked]
        self.first, self.without = ([*each] for each in zip(*pairs, strict=True))

    def pairs(self, beginnings):
        encoder = self.learner._encoder
        return [
            (prompt, prefix)
            for prompt, texts in zip(encoder.prompts(self.asked), beginnings, strict=True)
            for prefix in encoder.beginnings(texts)
        ]

    def plain(self, beginnings, *, most=MAX_TOKENS, **more):
        rows = write_plainly(self.learner, self.pairs(beginnings), most=most, **more)
        return [self.learner.tokenizer.decode(ids, skip_special_tokens=True).strip() for [ids] in rows]

    def score(self, beginnings):
        return self.learner.scores_from_prefixes(self.asked, beginnings, [ENDINGS] * len(self.asked))

    def acts(self, job):
        learner, asked, nothing = self.learner, self.asked, [[""]] * len(self.asked)
        match job:
            case "exam":
                ours = lambda: [row.text for row in learner.generate(asked, max_tokens=64)]  # noqa: E731
                return ours, lambda: self.plain(nothing, most=64)
            case "samples":
                drawn = {"copies": 5, "do_sample": True, "temperature": 0.7, "top_k": 0}
                return (
                    lambda: learner.explain(asked, max_tokens=64, **SAMPLES),
                    lambda: write_plainly(learner, self.pairs(nothing), most=64, **drawn),
                )
            case "write":
                return self.written, lambda: self.plain(self.first)
            case "score":
                return (
                    lambda: self.score(self.without),
                    lambda: score_plainly(learner, asked, self.without),
                )
            case _:
                closed = [[f"{text}The answer is" for text in texts] for texts in self.first]
                return lambda: self.score(closed), lambda: self.plain(self.first)

    def written(self):
        found = self.learner.answers_from_prefixes(self.asked, self.first, max_tokens=MAX_TOKENS, **GREEDY)
        return [row.text.strip() for branches in found for [row] in branches]

    def agreement(self, job, ours, plain):
        """What can be compared: shares of equal texts, the largest difference of log-probabilities."""
        if job in ("exam", "write"):
            equal = sum(a == b for a, b in zip(ours, plain, strict=True))
            return {"texts": len(ours), "equal_texts": equal}
        if job == "score":
            flat = [number for rows in ours for branch in rows for row in branch for number in row]
            other = [number for branch in plain for row in branch for number in row]
            return {"largest_difference": max(abs(a - b) for a, b in zip(flat, other, strict=True))}
        return {}


def least(act):
    start = time.process_time()
    return act(), time.process_time() - start


def compared(kept, dtypes):
    """How many of two dtypes' outputs are equal: texts, or which of the endings is the likeliest."""
    one, other = (kept[dtype] for dtype in dtypes)
    if isinstance(one[0], str):
        return {"equal": sum(a == b for a, b in zip(one, other, strict=True)), "of": len(one)}
    best = [
        [max(range(4), key=[sum(row) for row in branch].__getitem__) for rows in scores for branch in rows]
        for scores in (one, other)
    ]
    return {"equal": sum(a == b for a, b in zip(*best, strict=True)), "of": len(best[0])}


def ratios_of(runs):
    ratios = {}
    for name, job in dict.fromkeys((run["student"], run["job"]) for run in runs):
        rows = [run for run in runs if (run["student"], run["job"]) == (name, job)]
        fastest = [min(row[field] for row in rows) for field in ("plain_s", "ours_s")]
        ratios[f"{name}/{job}"] = fastest[0] / fastest[1]
    for name in ("base", "t5-mini"):
        rows = [run for run in runs if run["student"] == name and run["job"] in ("score", "write")]
        sums = [
            sum(min(row[field] for row in rows if row["job"] == job) for job in ("score", "write"))
            for field in ("plain_s", "ours_s")
            if {row["job"] for row in rows} == {"score", "write"}
        ]
        if sums:
            head = "" if name == "base" else f"{name}_"
            ratios[f"{head}branches_vs_plain_loop"] = sums[0] / sums[1]
    for job in ("exam", "write", "score"):
        for name in ("base", "real"):
            pair = [[r["ours_s"] for r in runs if r["student"] == n and r["job"] == job]
                    for n in (name, f"{name} bfloat16")]  # fmt: skip
            if all(pair):
                ratios[f"{name} bfloat16 vs float32/{job}"] = min(pair[0]) / min(pair[1])
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


def summary_of(runs):
    """How far ours and the plain loop agree, and how far bfloat16 and float32."""
    texts = [run for run in runs if "equal_texts" in run and "bfloat16" not in run["student"]]
    return {
        "largest_difference": max(
            (r["largest_difference"] for r in runs if "largest_difference" in r and "bf" not in r["student"]),
            default=None,
        ),
        "unequal_texts": sum(run["texts"] - run["equal_texts"] for run in texts),
        "texts": sum(run["texts"] for run in texts),
        "bfloat16_as_float32": {
            f"{run['student'].removesuffix(' bfloat16')}/{run['job']}": run["as_float32"]
            for run in runs
            if "as_float32" in run
        },
    }


def main():
    told = frame.arguments(
        __doc__, students="only these, by commas", repetitions="of each row; 3", questions="of each student"
    )
    names = told.students.split(",") if told.students else list(STUDENTS)
    names = [name for name in names if STUDENTS[name][0]]
    names = [name for name in names if name.startswith("base")] if told.quick else names
    before = {"runs": []} if told.quick else frame.kept("branches")
    runs = list(before["runs"])
    pool, kept = PlaygroundSource().load().train, {}
    for name in names:
        _, dtype, size, jobs = STUDENTS[name]
        size = 12 if told.quick else int(told.questions or size)
        asked = questions(pool[:size], RATIONALE_PREFIX)
        work = Work(student_of(name, asked), asked)
        for job, repetition in itertools.product(
            jobs, range(1 if told.quick else int(told.repetitions or 3))
        ):
            key = {"student": name, "job": job, "threads": 1, "questions": size, "repetition": repetition}
            if any(all(run.get(name) == value for name, value in key.items()) for run in runs):
                continue
            ours, plain = work.acts(job)
            (found, ours_s), (other, plain_s) = least(ours), least(plain)
            kept.setdefault((name.split()[0], job), {})[dtype] = found
            run = {**key, "dtype": dtype, "ours_s": ours_s, "plain_s": plain_s}
            run |= work.agreement(job, found, other)
            both = kept[name.split()[0], job]
            if len(both) == 2 and dtype == "bfloat16":
                run["as_float32"] = compared(both, ("float32", "bfloat16"))
            runs.append(run)
            print(f"{name} {job}: {plain_s / ours_s:.2f}", flush=True)
            save(runs, quick=told.quick, before=before)


def save(runs, *, quick, before):
    frame.write(
        "branches",
        __doc__,
        runs=runs,
        ratios=ratios_of(runs),
        summary=summary_of(runs),
        quick=quick,
        packages=("torch", "transformers"),
        before=before,
    )


if __name__ == "__main__":
    main()
