"""The report in a real browser: Debian's chromium, driven by Playwright."""

import json
import re
import shutil

import pytest

from tuition.core.records import Example
from tuition.core.splits import fingerprint
from tuition.recipes import RECIPES
from tuition.report import Material, write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium"),
    pytest.mark.timeout(300),
]
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

HOSTILE = (
    "</script><script>owned=1</script><img src=x onerror=owned=1><svg onload=owned=1> <!--<script> "
    "javascript:owned=1 <a href='javascript:owned=1'>x</a> {{ 7 * 7 }} ${7*7} &lt;b&gt; "
    "\x1b[31m\x1b]0;PWNED\x07 "
    "\u202eevil\u2066 \u2028\u2029 \x00\x9b2J"
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as found:
        opened = found.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Opens a page and gives it back; at the end nothing may have been complained of, or asked for."""
    contexts, faults = [], []

    def opened(path, *, width=1200, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: asked.url.startswith("file:") or faults.append(asked.url))
        page.goto(path.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def example(i, text=None):
    return Example(
        id=f"q{i}", question=text or f"Which thing is number {i}?", choices=(f"thing {i}", text or "another"),
        answer=f"thing {i}", domain=("coins", "dates")[i % 2],
    )  # fmt: skip


def answer(example, *, text, grade, split="test", **more):
    return {
        **{"split": split, "domain": example.domain, "label": example.answer, "label_source": "gold"},
        **{"fingerprint": fingerprint(example)[:16], "example_id": example.id, "text": text, "grade": grade},
        **{"answer": None if grade == "unreadable" else example.answer if grade == "right" else "another"},
        **{"option_scores": [], "confidence": 0.75, **more},
    }


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


GRADES = ("right", "wrong", "unreadable")


def written(root, write_run, *, n=60, texts=(), teacher_says="so it is"):
    """A page of two runs and a teacher over n questions; the texts stand in the last of them."""
    examples = [example(i) for i in range(n - len(texts))]
    examples += [example(n - 1 - i, text) for i, text in enumerate(texts)]
    folders = [
        write_run(root, "mine", "tinyllm", is_simulated=True, spend={"calls": 3}),
        write_run(root, "other", "label_only"),
        write_run(root, "teacher", "ask_teacher", test=0.9, teachers_of=["ada"]),
    ]
    for k, folder in enumerate(folders):
        said = [f"Because {i} of {folder.name}." for i in range(n - len(texts))] + list(texts)
        rows = [
            answer(one, text=text, grade=GRADES[(i // (k + 1)) % 3])
            for i, (one, text) in enumerate(zip(examples, said, strict=True))
        ]
        write(folder / "predictions.jsonl", rows)
    place = folders[0] / "rounds" / "01"
    draft = {"example_id": "q1", "text": "One is odd. So it is two.\nThe answer is two.", "answer": "two"}
    evidence = {"example_id": "q1", "step_logprobs": [-0.1, -3.0]}
    write(place / "looked.jsonl", [{"prediction": draft, "evidence": evidence}])
    revised = {
        **{"example_id": "q1", "teacher": "ada", "kind": "revision", "answer": "thing 1"},
        **{"rationale": "One is odd. So it is one.", "faults": [], "is_used": True, "is_forced": False},
        "history": ["ada: step 2 wrong"],
    }
    chain = {**revised, "kind": "chain", "teacher": "bela", "answer": "x", "history": []}
    spoken = [(one, teacher_says) for one in examples[1 : n if n > 60 else 2]]
    spoken += zip(examples[n - len(texts) :], texts, strict=True)
    chains = [{**chain, "example_id": one.id, "rationale": text} for one, text in spoken]
    write(place / "annotations.jsonl", [revised, *chains])
    known = {one.id: one for one in examples}
    material = Material(
        questions={folder.name: known for folder in folders}, rule=lambda text: "its last mark"
    )
    return write_page([folders[0].parent], RECIPES, material=material)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory, run_in):
    return written(tmp_path_factory.mktemp("sixty"), run_in)


def count(page):
    page.wait_for_timeout(300)
    return int(re.match(r"[\d,]+", page.inner_text("#count"))[0].replace(",", ""))


def open_first(page):
    page.click(".item summary")
    page.wait_for_selector(".item[open] .said")
    return page.inner_text(".item")


def test_filters_search_and_pages(open_page, sixty):
    page = open_page(sixty)
    assert page.inner_text("#count") == "60 of 60 questions"
    assert page.locator(".item").count() == 25
    page.click("#more")
    assert page.locator(".item").count() == 50
    for grade in GRADES:
        page.select_option("#grade", grade)
        assert count(page) == 20
        assert page.locator(f".item .grade.{grade}").count() >= 20
    page.select_option("#grade", "")
    page.select_option("#domain", "coins")
    assert count(page) == 30
    page.select_option("#domain", "")
    page.fill("#search", "BECAUSE 17 of mine")
    assert count(page) == 1
    assert "q17" in page.inner_text(".item")
    page.fill("#search", "which thing is number 4")
    # 4, 14, 24, 34, 54 and 40 to 49: all the words stand somewhere
    assert count(page) == 15
    page.fill("#search", "nowhere")
    assert count(page) == 0
    assert not page.locator("#more").is_visible()


def test_two_runs_side_by_side_and_where_they_differ(open_page, sixty):
    page = open_page(sixty)
    # At first the best student stands beside the teacher.
    assert page.locator("#right option:checked").inner_text() == "teacher"
    page.select_option("#left", label="mine")
    page.select_option("#right", label="other")
    page.select_option("#differ", "runs")
    assert 0 < count(page) < 60
    open_first(page)
    left, right = page.locator(".pair .said.left"), page.locator(".pair .said.right")
    assert "mine" in left.inner_text() and "other" in right.inner_text()
    assert left.bounding_box()["y"] == right.bounding_box()["y"]
    assert "rule: its last mark; it was 75 % sure" in left.inner_text()
    page.select_option("#differ", "teachers")
    assert count(page) == 1


def test_a_revision_is_a_diff_and_steps_are_shaded_by_uncertainty(open_page, sixty):
    page = open_page(sixty)
    page.fill("#search", "So it is two")
    assert count(page) == 1
    open_first(page)
    assert page.locator(".said del").all_inner_texts() == ["two.\nThe answer is two."]
    assert page.locator(".said ins").all_inner_texts() == ["one."]
    assert "ada: step 2 wrong" in page.inner_text(".item")
    shades = page.eval_on_selector_all(".step", "all => all.map((one) => one.style.getPropertyValue('--s'))")
    assert [float(one) for one in shades] == pytest.approx([0.095, 0.95])


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (390, "light"), (1400, "dark")])
def test_nothing_is_wider_than_the_screen_light_or_dark(open_page, hostile, width, scheme):
    page = open_page(hostile, width=width, scheme=scheme)
    page.fill("#search", "wwww")
    assert count(page) == 1
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    widths = page.locator("#rows svg").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().width)"
    )
    # One of the two drawings is shown, and it fits.
    assert sorted(one > 0 for one in widths) == [False, True] and max(widths) <= width
    style = "getComputedStyle(document.body)"
    ink, paper = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
    is_dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) < 384 for colour in (ink, paper)]
    assert is_dark == [scheme == "light", scheme == "dark"]
    label = page.locator("#rows svg:visible text").first.evaluate("one => getComputedStyle(one).fill")
    assert label == ink


LABELS = ("billing", "delivery", "technical issue", "returns", "praise", "spam", "other")


@pytest.fixture(scope="module")
def parted(tmp_path_factory, run_in):
    """A page of a run with labels, each confused with the next, and of one with fields."""
    counts = {
        name: {"n": 20, "said": 20, "right": 12 - i, "precision": 0.5, "recall": 0.5, "f1": 0.5}
        | {"confused": {LABELS[(i + 1) % 7]: 6 + i, "": 2}}
        for i, name in enumerate(LABELS)
    }
    fields = {
        "price": {"n": 8, "right": 5, "accuracy": 0.625, "unreadable": 0.125, "f1": 0.7},
        "urgent": {"n": 8, "right": 8, "accuracy": 1.0, "unreadable": 0.0, "f1": 1.0},
    }
    folders = [run_in(tmp_path_factory.mktemp("parted"), name) for name in ("labels", "fields")]
    for folder, found in zip(
        folders, ({"macro_f1": 0.5, "by_label": counts}, {"by_field": fields}), strict=True
    ):
        path = folder / "metrics.json"
        metrics = json.loads(path.read_text())
        path.write_text(json.dumps(metrics | {"test": metrics["test"] | found}))
    return write_page(folders, RECIPES)


def luminance(colour):
    """Relative luminance of `rgb(…)` or `color(srgb …)`, as WCAG defines it."""
    found = [float(one) for one in re.findall(r"[\d.]+", colour)[:3]]
    parts = [one / (1 if "srgb" in colour else 255) for one in found]
    return sum(
        weight * (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4)
        for weight, one in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1400, "light"), (1400, "dark")]
)
def test_what_was_confused_is_shaded_by_its_share_and_stays_readable(open_page, parted, width, scheme, media):
    page = open_page(parted, width=width, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.emulate_media(media=media)
    cells = page.eval_on_selector_all(
        ".matrix td[style]",
        """all => all.map((one) => {
          const canvas = new OffscreenCanvas(1, 1).getContext("2d");
          const style = getComputedStyle(one);
          const paper = getComputedStyle(document.body).backgroundColor;
          for (canvas.fillStyle of [paper, style.backgroundColor]) canvas.fillRect(0, 0, 1, 1);
          const behind = `rgb(${canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).join()})`;
          const share = Number(one.style.getPropertyValue("--s"));
          return [Number(one.textContent), share, behind, style.color, one.getBoundingClientRect().width];
        })""",
    )
    shown = [5, 2, 1, 8, *(n for i in range(6) for n in (12 - i, 6 + i, 2))]
    # The last label is confused with the first, whose column stands before its own.
    assert [count for count, *_ in cells] == [*shown, 12, 6, 2]
    paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    shades = {}
    for _, share, behind, ink, cell in cells:
        light, dark = sorted((luminance(behind), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5, "the number stays readable"
        assert cell > 20
        shades.setdefault(share, abs(luminance(behind) - paper))
    ordered = [shades[share] for share in sorted(shades)]
    assert len(ordered) > 5 and ordered == sorted(set(ordered)), "the larger the share, the stronger"
    framed = page.locator(".matrix .hit").all_inner_texts()
    assert framed == ["5", "8", *(str(12 - i) for i in range(7))]
    assert media == "print" or page.evaluate("document.documentElement.scrollWidth") == width


def test_what_a_mark_says_is_shown_where_it_is_pointed_at(open_page, sixty):
    page = open_page(sixty)
    page.locator('#rows svg:visible path[aria-label^="mine:"]').first.hover()
    assert page.inner_text("#tip").startswith(
        "mine: 50.0 % right on test, 10.0 % unreadable, 95 % interval 30 to 70"
    )


def test_it_prints_with_every_section_open(open_page, sixty, tmp_path):
    page = open_page(sixty)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator(".item .pair").count() == 25
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    pdf = page.pdf(path=tmp_path / "page.pdf")
    assert pdf.startswith(b"%PDF") and len(pdf) > 30_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, run_in):
    return written(tmp_path_factory.mktemp("hostile"), run_in, texts=(HOSTILE, "w" * 1_000_000 + HOSTILE))


def test_hostile_text_is_inert(open_page, hostile):
    source = hostile.read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", source)
    assert source.count("<script") == 2 and "<img" not in source
    # A line of a million letters stands there six times.
    assert len(source) < 400_000
    page = open_page(hostile)
    for query in ("q59", "q58"):
        page.fill("#search", query)
        assert count(page) == 1
        assert "bela, chain" in open_first(page)
        assert page.evaluate("typeof owned") == "undefined"
        assert page.locator("main img, main a[href^=javascript], main script").count() == 0
    page.fill("#search", "q59")
    assert count(page) == 1
    shown = open_first(page)
    assert r"</script><script>owned=1</script><img src=x onerror=owned=1>" in shown
    assert r"\x1b[31m\x1b]0;PWNED\x07 \u202eevil\u2066" in shown


def test_hostile_names_are_inert(open_page, run):
    name = "<script>owned=1<!--\x1b[31m\u202e"
    student = {"parameters": 1, "model": f"\ud800{HOSTILE}"}
    spend = {"by_teacher": {HOSTILE: {"answers": 3, "usd": 0.5}}}
    folder = run(name, student=student, spend=spend, objectives={})
    rows = [answer(example(i), text="a", grade="right") | {"domain": f"{i}{HOSTILE}"} for i in range(2)]
    write(folder / "predictions.jsonl", rows)
    page = open_page(write_page([folder], RECIPES))
    assert page.evaluate("typeof owned") == "undefined"
    assert r"<script>owned=1<!--\x1b[31m\u202e" in page.inner_text("h1")
    assert r"\ud800</script><script>" in page.inner_text("dl")
    page.select_option("#domain", index=1)
    assert count(page) == 1


@pytest.mark.slow
def test_five_thousand_items_open_in_seconds_and_weigh_less_than_15_mb(open_page, tmp_path, run_in):
    path = written(tmp_path, run_in, n=5_000, teacher_says="long " * 200)
    assert 4e6 < path.stat().st_size < 15e6
    page = open_page(path)
    assert page.inner_text("#count") == "5,000 of 5,000 questions"
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy():
        found = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "TaskDuration")

    # Seconds of its own thread, however many others there are.
    page.reload()
    assert page.inner_text("#count") == "5,000 of 5,000 questions"
    assert (opened := busy()) < 3
    page.fill("#search", "because 4711")
    playwright.expect(page.locator("#count")).to_have_text("1 of 5,000 questions", timeout=120_000)
    assert busy() - opened < 3
