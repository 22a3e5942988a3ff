"""`make picture`: the picture of README, and its table of the real student, from `benchmarks/results`.

`docs/assets/results.svg` shows the rows of the demo as dots with their 95 % intervals, light or dark as the
screen is. Once `real_student.json` has rows, README's part `Results` gets their table, with a tag by which
`make figures` holds it to the file; until then that part stands as it is written.
"""

import json
import re
import sys
from html import escape
from pathlib import Path

import frame

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "assets" / "results.svg"
README = ROOT / "README.md"
GROUPS = {
    "No network": {"frequent answer": "the commonest answer", "linear": "linear (TF-IDF)"},
    "Student, 1 M weights": {
        "zero_shot": "untrained",
        "label_only": "trained on labels",
        "tinyllm": "TinyLLM: labels, rationales beside",
        "elad": "ELAD: half of the questions, no label",
        "step_by_step-chain-ada": "rationale first, then the answer",
    },
    "Simulated teachers": {"teacher-ada": "ada", "teacher-chen": "chen"},
}
LEFT, RIGHT, LINE, TOP, WIDTH = 300, 640, 22, 62, 720
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600 } .soft { fill: #59636e }
.grid { stroke: #d1d9e0 } .dot { fill: #0969da }
.whisker { stroke: #0969da; stroke-width: 2 } .page { fill: #fff }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d } .dot { fill: #4493f8 }
.whisker { stroke: #4493f8 } .page { fill: #0d1117 } }
"""
BEGIN, END = "<!-- results of real_student.json -->\n", "<!-- end of results -->\n"
SETS = {"last_letter": "last letters", "svamp": "SVAMP", "tracking": "tracking objects", "obqa": "OpenBookQA"}
COLUMNS = (
    ("labels", "percent", "labels alone"),
    ("one", "over_labels", "one teacher's chains"),
    ("mixed", "over_labels", "several: a chain a question"),
    ("all", "over_labels", "several: all chains"),
)
"""What README has of each set: the form, what it says of it, and the head."""
FORMS = {form for form, *_ in COLUMNS}


def picture(rows):
    """Draw the demo's rows as SVG."""

    def x(per_cent):
        return LEFT + (RIGHT - LEFT) * per_cent / 100

    lines, y = [], TOP
    for group, names in GROUPS.items():
        lines.append(f'<text class="head" x="12" y="{y + 5}">{escape(group)}</text>')
        y += LINE
        for name, told in names.items():
            right = rows[name]["right"]
            low, mean, high = (round(x(right[part]), 1) for part in ("low", "mean", "high"))
            money = f"${rows[name]['usd']:.2f}" if rows[name]["usd"] else "–"
            lines += [
                f'<text x="24" y="{y + 5}">{escape(told)}</text>',
                f'<line class="whisker" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>',
                f'<circle class="dot" cx="{mean}" cy="{y}" r="4"/>',
                f'<text x="{WIDTH - 12}" y="{y + 5}" text-anchor="end">{money}</text>',
            ]
            y += LINE
        y += 6
    grid = [
        f'<line class="grid" x1="{x(at)}" x2="{x(at)}" y1="{TOP - 12}" y2="{y - 10}"/>'
        f'<text class="soft" x="{x(at)}" y="{y + 6}" text-anchor="middle">{at} %</text>'
        for at in (0, 25, 50, 75, 100)
    ]
    title = "Right answers on 300 test questions of the playground, 95 % intervals"
    under = "The teachers are programs, and the money is simulated. One run of make demo, seed 0."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 20}" role="img" '
            f'aria-label="{title}. {under}">',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{y + 20}"/>',
            f'<text class="head" x="12" y="20">{title}</text>',
            f'<text class="soft" x="12" y="39">{under}</text>',
            f'<text class="soft" x="{WIDTH - 12}" y="39" text-anchor="end">answers cost</text>',
            *grid,
            *lines,
            "</svg>\n",
        ]
    )


def real_table(data):
    """Write a row a set of the real student's results; `figures.py` compares the table with the file."""
    whole = [name for name, forms in data.items() if {*forms} >= FORMS]
    heads = ["", *(head for *_, head in COLUMNS)]
    lines = [
        "<!-- table real_student",
        "rows: " + " | ".join(whole),
        "columns: - | " + " | ".join(f"data/{{}}/{form}/{what}" for form, what, _ in COLUMNS),
        "-->",
        "",
        f"|{' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    for name in whole:
        found = [data[name][form][what] for form, what, _ in COLUMNS]
        told = [frame.said(value) if isinstance(value, dict) else f"{value:.1f}" for value in found]
        cells = [SETS.get(name, name), *told]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def filled(readme, data):
    """Put the table of the real student in its place; without rows the page stays as it is."""
    if not any({*forms} >= FORMS for forms in data.values()):
        return readme
    pattern = re.escape(BEGIN) + r".*?" + re.escape(END)
    return re.sub(pattern, lambda _: f"{BEGIN}{real_table(data)}\n{END}", readme, count=1, flags=re.DOTALL)


def main():
    demo = json.loads((RESULTS / "demo.json").read_text(encoding="utf-8"))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(demo["summary"]["rows"]), encoding="utf-8")
    real = RESULTS / "real_student.json"
    if real.exists():
        data = json.loads(real.read_text(encoding="utf-8"))["summary"]["data"]
        README.write_text(filled(README.read_text(encoding="utf-8"), data), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
