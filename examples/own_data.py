"""A file of your own, from reading it to answers in a file: offline, in seconds.

    python examples/own_data.py

Change the path, the columns and the labels, name language models as teachers in place of the program, which
knows the playground's tickets alone, and take out `steps`: it is your run. `tuition init FILE` guesses the
same tables and writes them with their reasons.
"""

import csv
from pathlib import Path

import tuition
from tuition.playground.world import playground_splits


def write_file(path: Path) -> None:
    """Write sixty tickets with their category; yours is there already."""
    made = playground_splits(seed=0, train=60, valid=0, test=1, kind="label")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "category"])
        rows.writerows([i, one.question, one.answer] for i, one in enumerate(made.train))


def main() -> None:
    """Check the file, train a student on it, and let it answer two new tickets."""
    path = Path("tickets.csv")
    write_file(path)
    config = tuition.load_config(
        {
            "recipe": "tinyllm",
            "out": "runs/own_data",
            "store": "runs/own_data.db",
            "task": {
                "source": "files",
                "train": str(path),
                "kind": "label",
                "question_column": "text",
                "answer_column": "category",
                "id_column": "id",
                "test_share": 0.2,
                "valid_share": 0.1,
                "instruction": "Sort each ticket of a shop into one category.",
                # what each means, for the teachers
                "labels": {
                    "account": "logging in, personal data",
                    "billing": "what was charged",
                    "delivery": "where a parcel is",
                    "returns": "sending something back",
                    "sales": "questions before buying",
                    "technical": "something does not work",
                },
            },
            "teacher": [{"kind": "playground", "name": "ada"}],
            "budget": {"usd": 1.0},
            "student": {"model": "base", "max_output_tokens": 48, "threads": 1},
            "training": {"steps": 6, "batch_examples": 8, "optimizer": "muon", "lr": 1e-3},
            "evaluation": {"scoring": "options"},
        }
    )
    for finding in tuition.plan(config).findings:
        print("data:", finding)
    done = tuition.run(config)
    found = done.metrics["test"]
    print(f"test: {100 * found['accuracy']:.0f} % right of {found['n']}")

    student = tuition.Student.load(done.path)
    for text in ("Where is my parcel? It is about my phone.", "I was charged twice for order 12."):
        said = student.answer(text)
        print(f"{said.answer} ({said.confidence:.2f}): {text}")


if __name__ == "__main__":
    main()
