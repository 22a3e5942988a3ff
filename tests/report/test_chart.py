import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from tuition.core.errors import ConfigError
from tuition.report.chart import colours, draw, looks_of, whiskers
from tuition.report.curve import Line, curve_chart, folder_chart, lines_of, write_chart


def line(name="egss", *, n=3):
    shares = tuple(0.4 + 0.1 * i for i in range(n))
    return Line(
        name=name,
        usd=tuple(0.01 * i for i in range(n)),
        accuracy=shares,
        low=tuple(share - 0.05 for share in shares),
        high=tuple(share + 0.05 for share in shares),
    )


def texts(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]


class TestDrawn:
    def test_it_is_one_element_that_needs_nothing_but_itself(self):
        svg = curve_chart([line()], title="Curves")
        assert svg.startswith('<svg role="img" aria-label="Curves" ')
        assert svg.rstrip().endswith("</svg>")
        found = re.findall(r"https?://[^\"'<> ]+", svg)
        assert set(found) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert not re.search(r"<script|<image|<link|@import|@font-face|href=|url\(|var\(| id=", svg)
        assert len(svg) < 60_000

    def test_axes_names_and_title_are_text(self):
        found = texts(curve_chart([line("egss"), line("random")], title="Curves", split="test"))
        assert {
            "egss",
            "random",
            "Curves",
            "right on test, %",
            "cost of the answers used, US dollars",
        } <= set(found)

    def test_a_name_commands_nothing(self):
        svg = curve_chart([line("egss\x1b[31m\u202e\ud800")], title="Curves\x07\x9b")
        assert r"egss\x1b[31m\u202e\ud800" in texts(svg)
        assert r'aria-label="Curves\x07\u009b"' in svg

    def test_a_name_is_neither_markup_nor_a_formula(self):
        svg = curve_chart([line("<b>$x^2$ & \u4e2d")], title='"><script>')
        assert "<b>" not in svg
        assert "<script" not in svg
        assert "<b>$x^2$ & \u4e2d" in texts(svg)

    def test_equal_lines_give_equal_text(self):
        assert curve_chart([line()]) == curve_chart([line()]) != curve_chart([line("other")])

    def test_a_single_point_is_a_mark_and_ten_lines_have_ten_handles(self):
        found = texts(curve_chart([line(f"s{i}", n=1 + i % 2) for i in range(10)]))
        assert {f"s{i}" for i in range(10)} <= set(found)

    def test_every_row_has_one_look_and_its_mark_says_what_it_is(self):
        looks = looks_of([f"s{i}" for i in range(32)], quiet=["rule"])
        assert len({(look.colour, look.shape) for look in looks.values()}) == 33
        assert looks["rule"].colour == "var(--quiet)"
        row = {"name": "s1", "value": 40.0, "low": 30.0, "high": 50.0, "told": "s1: <40>"}
        rows = [{**row, "group": group} for group in ("students", "teachers")]
        svg = draw(whiskers(rows, looks=looks, title="right"), width=340, name="rows")
        assert [one for one in texts(svg) if one.endswith(":")] == ["students:", "teachers:"]
        marks = [node.get("aria-label") for node in ElementTree.fromstring(svg).iter()]
        assert marks.count("s1: <40>") == 4
        assert 'stroke="var(--c1)"' in svg and 'fill="var(--c1)"' in svg

    def test_an_image_and_a_page(self, tmp_path):
        svg = curve_chart([line()])
        image = write_chart(tmp_path / "new" / "curve.svg", svg, title="<Curves>")
        assert ElementTree.parse(image).getroot().tag.endswith("svg")
        page = write_chart(tmp_path / "curve.html", svg, title="<Curves>").read_text()
        assert page.startswith("<!doctype html>")
        assert "<title>&lt;Curves&gt;</title>" in page
        assert svg in page


# What eyes without the green, and without the red, receptor see of linear light (Machado 2009).
BLIND = {
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
}


def linear(colour):
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array([one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares])


def lab(light):
    xyz = np.array([(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)]) @ light
    x, y, z = np.cbrt(np.clip(xyz / (0.9505, 1.0, 1.089), 0.008856, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("paper", [0, 1], ids=["light", "dark"])
def test_colours_differ_for_the_colour_blind_and_stand_out_from_the_paper(paper):
    rules = re.findall(r":root \{(.*?)\}", colours())[paper]
    *rows, _, _, ground = map(linear, re.findall(r"--(?:c\d|quiet|ink|page):(#\w+)", rules))
    assert len(rows) == 8
    for one in rows:
        bright, dim = sorted(
            (one @ (0.2126, 0.7152, 0.0722), ground @ (0.2126, 0.7152, 0.0722)), reverse=True
        )
        assert (bright + 0.05) / (dim + 0.05) >= 3
    for seen in (np.eye(3), *(np.array(matrix) for matrix in BLIND.values())):
        for left, right in combinations(rows, 2):
            assert np.linalg.norm(lab(seen @ left) - lab(seen @ right)) > 15


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"ends in '\.png'; a chart is \.svg or \.html"):
        write_chart(tmp_path / "curve.png", "<svg></svg>", title="x")
    assert not list(tmp_path.iterdir())


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="there is no line to draw"):
        curve_chart([])


def reached(usd, right, **more):
    return {"usd": usd, "valid_accuracy": right, "ci95": [right - 0.1, right + 0.1]} | more


def a_run(*, rounds=(), usd=0.5, valid=0.5, student=True):
    figures = None if valid is None else {"accuracy": valid, "ci95": [0.25, 0.75]}
    return {
        "student": {"model": "base"} if student else None,
        "rounds": list(rounds),
        "valid": figures,
        "spend": {"usd": usd},
    }


class TestLinesOf:
    def test_a_run_in_rounds_is_a_line_by_rising_money_and_a_student_a_mark_behind_it(self):
        rounds = [reached(0.0, 0.25), reached(0.25, 0.5), reached(0.25, 0.75)]
        found = lines_of({"once": a_run(), "elad": a_run(rounds=rounds)})
        assert [line.name for line in found] == ["elad", "once"]
        # Two rounds of one cost: the later student counts.
        assert (found[0].usd, found[0].accuracy) == ((0.0, 0.25), (0.25, 0.75))
        assert found[1].usd == (0.5,) and found[1].low == (0.25,) and found[1].high == (0.75,)

    @pytest.mark.parametrize(
        "other",
        [a_run(student=False), a_run(usd=None), a_run(valid=None), a_run(rounds=[reached(None, 0.5)])],
    )
    def test_who_has_no_place_is_left_out(self, other):
        lines = lines_of({"elad": a_run(rounds=[reached(0.0, 0.25)]), "other": other})
        assert [line.name for line in lines] == ["elad"]

    def test_without_a_run_in_rounds_there_is_nothing_to_draw(self, run):
        assert lines_of({"once": a_run()}) == []
        assert folder_chart(run("once").parent) is None
