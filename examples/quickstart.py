"""Plan, run, compare and ask: the whole way in Python, offline, in seconds.

Two programs of the playground stand in for language models, and a tiny student learns from them:

    python examples/quickstart.py
"""

import tuition

TABLES = {
    "store": "runs/quickstart.db",
    "task": {"source": "playground", "train": 16, "valid": 6, "test": 8, "domains": ["coins"]},
    "student": {"model": "base", "max_output_tokens": 32, "threads": 1},
    "training": {"steps": 6, "batch_examples": 8, "optimizer": "muon", "lr": 1e-3},
}
TEACHERS = [{"kind": "playground", "name": "ada"}, {"kind": "playground", "name": "bela"}]


def main() -> None:
    """Train one student on labels and one on rationales, and hold them against each other."""
    labels = tuition.load_config({**TABLES, "recipe": "label_only", "out": "runs/quickstart-labels"})
    chains = tuition.load_config(
        {**TABLES, "recipe": "tinyllm", "out": "runs/quickstart-chains", "teacher": TEACHERS},
        "rationale_as=chain",
        "route=random",
    )

    planned = tuition.plan(chains)
    print(f"expected: ${planned.expected_usd:.4f}, for")
    for row in planned.teachers:
        print(f"  {row.teacher}, {row.role}: {row.calls:.0f} calls")

    tuition.run(labels)
    done = tuition.run(chains)
    print(f"paid: ${done.metrics['spend']['paid_usd']:.4f} (play money)")

    for row in tuition.compare(["runs/quickstart-labels", "runs/quickstart-chains"]):
        low, high = row["ci95"]
        print(f"{row['run']}: {100 * row['accuracy']:.0f} % right [{100 * low:.0f}, {100 * high:.0f}]")

    student = tuition.Student.load("runs/quickstart-chains")
    print(student.answer("A coin shows heads. Ada flips it. Does it show heads?").text)


if __name__ == "__main__":
    main()
