"""Training a student on several targets a question: Tuition beside TinyLLM's published loop and TRL.

Every row trains one student on the same texts, so many questions a step, and times what lies between the
ends of its first and its last step: no loading, no first step. `cpu_s` is the processor time of the process,
`wall_s` the clock's; both for one question with all its targets. Loops:

`before` and `once` are `Student.fit` with the instruction in front of the question, as published, and where
the question is read once for all its targets (`decoder` for an encoder-decoder, `behind` for a decoder).
`tinyllm` is TinyLLM's published loop as its code has it, written here on `transformers.Trainer`: a forward
pass an objective, inputs padded to the maximum, labels to the batch, micro-batches of 8.
`trl` and `trl_packed` are TRL's SFTTrainer with prompts and completions, without gradient checkpointing; they
run where trl can be imported.

Rows run one after the other, loops in turn, each in a process of its own; a row that the result has is not
run again. On a machine that does other work, `cpu_s` with one thread is what to compare, and `wall_s` is to
be repeated on an idle one. The encoder-decoder has FLAN-T5-small's shape, random weights, and a tokenizer
learnt from the texts. `--quick` needs no recorded data: the playground, the embedded student, a small T5.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import frame

DATA = Path(os.environ.get("TUITION_DATA", "data"))
TEACHERS = ("flan-t5-xl", "llama-2")
PREFIXES = ("predict: ", "explain: ", "reason: ")
FLAN = {"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6, "dropout_rate": 0.1}
VOCABULARY = 32_128
MICRO = 8  # questions in a forward pass of the peers


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained on what."""

    data: str
    student: str
    precision: str
    per_step: int
    limit: int  # tokens of an input


FULL = (
    Job(data="obqa", student="flan-t5-small", precision="fp32", per_step=32, limit=100),
    Job(data="obqa", student="flan-t5-small", precision="fp32", per_step=16, limit=100),
    Job(data="obqa", student="flan-t5-small", precision="bf16", per_step=16, limit=100),
    Job(data="pubmedqa", student="flan-t5-small", precision="bf16", per_step=8, limit=500),
    Job(data="playground", student="base", precision="fp32", per_step=16, limit=1024),
    Job(data="playground", student="base", precision="bf16", per_step=16, limit=1024),
    Job(data="obqa", student="decoder", precision="bf16", per_step=4, limit=1024),
)
QUICK = (
    Job(data="playground", student="t5-mini", precision="fp32", per_step=16, limit=200),
    Job(data="playground", student="base", precision="fp32", per_step=16, limit=1024),
)


def loops_of(job):
    if job.student in ("flan-t5-small", "t5-mini"):
        return ("tinyllm", "before", "once")
    return ("before", "once", *(("trl", "trl_packed") if find_spec("trl") else ()))


def targets_of(job, n):
    """An answer and two rationales of each of n questions that have all three."""
    from tuition.core.records import Example, Target
    from tuition.experiment.targets import question_text

    targets = []
    for row in (playground if job.data == "playground" else recorded)(job.data, n):
        example = Example(id=row["id"], question=row["question"], choices=(), context=row["context"])
        asked = Example(**{**asdict(example), "choices": tuple(row["choices"])})
        targets += [
            Target(
                example=example,
                prefix=prefix,
                input=question_text(asked),
                output=output,
                weight=1.0,
                objective=prefix,
            )
            for prefix, output in zip(PREFIXES, row["outputs"], strict=True)
        ]
    return targets


def recorded(name, n):
    rows = []
    with gzip.open(DATA / "tinyllm" / f"{name}.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            told = [row["rationales"].get(teacher, {}).get("text") for teacher in TEACHERS]
            if all(told) and len(rows) < n:
                about = {key: row[key] for key in ("id", "question", "choices")}
                rows.append({**about, "context": row.get("context") or "", "outputs": [row["answer"], *told]})
    return rows


def playground(_, n):
    from tuition.playground.world import PlaygroundSource, recognise

    rows = []
    for example in PlaygroundSource().load().train[:n]:
        steps = recognise(example.question)[1].solve().steps
        told = ("\n".join(f"{step.why}: {step.what}." for step in steps), " ".join(s.what for s in steps))
        about = {"id": example.id, "question": example.question, "choices": example.choices, "context": ""}
        rows.append({**about, "outputs": [example.answer, *told]})
    return rows


def model_in(job, folder, targets, decoder):
    """The name of the student, which is made in the folder where it is none that exists."""
    if job.student in ("base", "decoder"):
        return decoder if job.student == "decoder" else job.student
    import torch
    import transformers

    from tuition.student.fresh import Shape
    from tuition.student.load import make_model, train_tokenizer

    texts = [f"{t.example.context}\n{t.input}\n{t.prefix}{t.output}" for t in targets]
    if job.student == "t5-mini":
        model, tokenizer = make_model("t5-mini", texts, seed=0)
    else:
        shape = Shape(family="seq2seq", width=512, layers=8, heads=6, vocabulary=VOCABULARY)
        tokenizer = train_tokenizer(shape, texts)
        torch.manual_seed(0)
        marks = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
        config = transformers.T5Config(vocab_size=VOCABULARY, feed_forward_proj="gated-gelu", **FLAN, **marks)
        config.decoder_start_token_id = tokenizer.pad_token_id
        model = transformers.T5ForConditionalGeneration(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


class Clock:
    """Notes the time at the end of each step."""

    def __init__(self):
        self.ends = []

    def note(self, *_):
        self.ends.append((time.process_time(), time.perf_counter()))

    def callback(self):
        import transformers

        clock = self

        class Noting(transformers.TrainerCallback):
            def on_step_end(self, *_, **__):
                clock.note()

        return Noting()


def student_of(job, name, *, steps, where="before"):
    from tuition.playground import BASE_FOLDER
    from tuition.student.config import StudentConfig, TrainingConfig
    from tuition.student.load import load_student

    config = StudentConfig(
        model=name,
        device="cpu",
        threads=int(os.environ["OMP_NUM_THREADS"]),
        template="plain",
        instruction=where,
        max_input_tokens=job.limit,
    )
    training = TrainingConfig(steps=steps, batch_examples=job.per_step, precision=job.precision)
    return load_student(config, training, base_folder=BASE_FOLDER)


def ours(job, name, targets, *, where, steps, folder, clock):
    """Train with `Student.fit`."""
    learner = student_of(job, name, steps=steps, where=where)
    learner.fit(targets, folder / "fit", progress=clock.note)
    return steps * job.per_step


def arguments_of(job, folder, steps, **more):
    """The settings that every peer gets."""
    return {
        "output_dir": str(folder / "peer"),
        "max_steps": steps,
        "learning_rate": 5e-5,
        "lr_scheduler_type": "constant",
        "bf16": job.precision == "bf16",
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **more,
    }


def tinyllm(job, name, targets, *, steps, folder, clock):
    """TinyLLM's loop: a forward pass an objective, inputs at full length."""
    import torch
    import transformers

    learner = student_of(job, name, steps=steps)
    rows, tokenizer = learner._encoder.rows(targets), learner.tokenizer
    n, pad_id = len(PREFIXES), tokenizer.pad_token_id

    def collate(examples):
        passes = []
        for place in range(n):
            part = [example[place] for example in examples]
            width = max(len(row.output) for row in part)
            passes.append(
                {
                    "input_ids": [row.prompt + [pad_id] * (job.limit - len(row.prompt)) for row in part],
                    "attention_mask": [
                        [1] * len(row.prompt) + [0] * (job.limit - len(row.prompt)) for row in part
                    ],
                    "labels": [row.output + [-100] * (width - len(row.output)) for row in part],
                }
            )
        tensors = [{key: torch.tensor(value) for key, value in made.items()} for made in passes]
        return {"passes": tensors, "labels": tensors[0]["labels"]}

    class Published(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return sum(model(**part).loss for part in inputs["passes"])

    settings = arguments_of(
        job,
        folder,
        steps,
        per_device_train_batch_size=min(MICRO, job.per_step),
        gradient_accumulation_steps=max(1, job.per_step // MICRO),
        remove_unused_columns=False,
    )
    trainer = Published(
        learner.model,
        transformers.TrainingArguments(**settings),
        train_dataset=[rows[i : i + n] for i in range(0, len(rows), n)],
        data_collator=collate,
        callbacks=[clock.callback()],
    )
    learner.model.train()
    trainer.train()
    return steps * job.per_step


def trl(job, name, targets, *, steps, folder, clock, is_packed):
    """TRL's trainer, packed and not; the questions of a step are as many as the others have."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    learner = student_of(job, name, steps=steps)
    texts = [{"prompt": f"{t.prefix}{t.example.context}{t.input}\n", "completion": t.output} for t in targets]
    n = len(PREFIXES) * job.per_step
    lengths = [row.length for row in learner._encoder.rows(targets)]
    batch = max(b for b in range(1, MICRO + 1) if n % b == 0)
    if is_packed:
        batch = max(1, round(n * sum(lengths) / len(lengths) / job.limit))
    settings = arguments_of(
        job,
        folder,
        steps,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=1 if is_packed else n // batch,
        max_length=1024,
        packing=is_packed,
        completion_only_loss=True,
        gradient_checkpointing=False,
    )
    trainer = SFTTrainer(
        learner.model,
        SFTConfig(**settings),
        train_dataset=datasets.Dataset.from_list(texts),
        processing_class=learner.tokenizer,
        callbacks=[clock.callback()],
    )
    trainer.train()
    # Packed rows hold so many questions in the mean.
    questions = len(targets) / len(PREFIXES)
    rows = len(trainer.train_dataset)
    return steps * batch * questions / rows if is_packed else steps * job.per_step


def run_one(asked):
    """Run one row, in a process of its own."""
    job, loop, steps = Job(**asked["job"]), asked["loop"], asked["steps"]
    clock = Clock()
    targets = targets_of(job, asked["questions"])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        name = model_in(job, folder / "model", targets, asked["decoder"])
        common = {"steps": steps, "folder": folder, "clock": clock}
        match loop:
            case "tinyllm":
                questions = tinyllm(job, name, targets, **common)
            case "trl" | "trl_packed":
                questions = trl(job, name, targets, is_packed=loop == "trl_packed", **common)
            case "before":
                questions = ours(job, name, targets, where="before", **common)
            case _:
                where = "behind" if job.student in ("base", "decoder") else "decoder"
                questions = ours(job, name, targets, where=where, **common)
    timed = questions * (len(clock.ends) - 1) / steps
    cpu_s, wall_s = (last - first for first, last in zip(clock.ends[0], clock.ends[-1], strict=True))
    return {"questions": round(timed, 2), "cpu_s": cpu_s / timed, "wall_s": wall_s / timed}


def row_of(job, loop, *, steps, threads, decoder):
    asked = {
        "job": asdict(job),
        "loop": loop,
        "steps": steps,
        # Every question of the first steps once; packed rows take some more.
        "questions": job.per_step * (steps + 1),
        "decoder": decoder,
    }
    made = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(asked)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        sys.exit(f"{job} by {loop} failed:\n{made.stderr[-2000:]}")
    return json.loads(made.stdout.strip().rpartition("\n")[2])


def ratios_of(runs):
    """How many times faster ours is, by processor time: by job, and of which peer in which form."""
    ratios = {}
    names = ("data", "student", "precision", "per_step", "threads")
    for job in dict.fromkeys(tuple(r[name] for name in names) for r in runs):
        where = dict(zip(names, job, strict=True))
        data, student, precision, per_step, threads = job
        what = f"{data} {student} {precision}, {per_step} a step, {threads} thread(s)"
        there = {r["loop"] for r in runs if all(r[key] == value for key, value in where.items())}
        time_of = {loop: frame.median(runs, "cpu_s", loop=loop, **where) for loop in there}
        for peer in there & {"tinyllm", "trl", "trl_packed"}:
            for form in there & {"before", "once"}:
                ratios[f"{what}: {form} vs {peer}"] = round(time_of[peer] / time_of[form], 2)
        if {"before", "once"} <= there:
            ratios[f"{what}: once vs before"] = round(time_of["before"] / time_of["once"], 2)
    return dict(sorted(ratios.items()))


def main():
    told = frame.arguments(
        __doc__,
        one="internal: one row",
        threads="of each loop; 1",
        steps="of each loop, the first of which is not timed; 3",
        repetitions="of each row; 3",
        data="only jobs on this data",
        decoder="the folder of a decoder-only student, for the last job, which is left out without one",
    )
    if told.one:
        print(json.dumps(run_one(json.loads(told.one))))
        return
    steps, repetitions, threads = (
        int(n or d) for n, d in ((told.steps, 3), (told.repetitions, 3), (told.threads, 1))
    )
    before = {"runs": []} if told.quick else frame.kept("training")
    runs = list(before["runs"])
    if find_spec("trl") is None:
        print("trl is not installed, so its rows are left out; pip install trl in an environment of its own.")
    for repetition in range(1 if told.quick else repetitions):
        for job in QUICK if told.quick else FULL:
            if (job.student == "decoder" and not told.decoder) or told.data not in (None, job.data):
                continue
            for loop in loops_of(job):
                key = {**asdict(job), "loop": loop, "threads": threads, "repetition": repetition}
                if any(all(run[name] == value for name, value in key.items()) for run in runs):
                    continue
                found = row_of(job, loop, steps=steps, threads=threads, decoder=told.decoder)
                runs.append({**key, "steps": steps, **found})
                print(json.dumps(runs[-1]), flush=True)
                save(runs, quick=told.quick, before=before)


def save(runs, *, quick, before):
    ratios = ratios_of(runs)
    vs = {}
    for name, ratio in ratios.items():
        data, _, precision, *_ = name.replace(",", "").split()
        if name.endswith("once vs tinyllm"):
            for key in (data, f"{data}_{precision}"):
                vs[key] = min(ratio, vs.get(key, ratio))
    packed = [r for name, r in ratios.items() if "decoder" in name and "once vs trl_packed" in name]
    frame.write(
        "training",
        __doc__,
        runs=runs,
        ratios={"training_vs_tinyllm": vs, "training_vs_trl_packed": min(packed, default=None), **ratios},
        summary={},
        quick=quick,
        packages=("torch", "transformers", "accelerate", *(["trl"] if find_spec("trl") else [])),
        before=before,
    )


if __name__ == "__main__":
    main()
