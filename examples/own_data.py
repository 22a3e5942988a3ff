"""A file of your own, from reading it to answers in a file: offline, in seconds.

    python examples/own_data.py

Change the path and the columns, name teachers in place of the program, take out `steps`, and it is your run.
`tuition init FILE` guesses the same tables and writes them with their reasons.
"""

import csv
from pathlib import Path

import tuition

TICKETS = [
    ("I was charged twice for order {}.", "billing"),
    ("The invoice of order {} has the wrong name.", "billing"),
    ("Where is my parcel {}?", "delivery"),
    ("The courier did not find me with parcel {}.", "delivery"),
    ("The screen of phone {} stays black.", "technical"),
    ("Router {} loses the network every hour.", "technical"),
]


def write_file(path: Path) -> None:
    """Write sixty tickets with their category; yours is there already."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "category"])
        for i in range(60):
            text, category = TICKETS[i % len(TICKETS)]
            rows.writerow([i, text.format(1000 + i), category])


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
                "labels": {
                    "billing": "what was charged, invoices",
                    "delivery": "where a parcel is",
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
    for text in ("Parcel 77 has not come yet.", "I was charged for order 12, which I sent back."):
        said = student.answer(text)
        print(f"{said.answer} ({said.confidence:.2f}): {text}")


if __name__ == "__main__":
    main()
