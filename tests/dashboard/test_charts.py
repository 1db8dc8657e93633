"""Charts are text: what they show, what they say to who cannot see them, and that nothing in them is raw."""

import re
from xml.etree import ElementTree as ET

import pytest

from amp.dashboard import words
from amp.dashboard.bars import Bar, bars, composition, funnel
from amp.dashboard.drawing import Scale, fitted, labels_in_lines, round_step, scale_of, told
from amp.dashboard.intervals import Interval, interval_chart
from amp.dashboard.lines import Series, line_chart
from amp.dashboard.matrix import Mark, matrix
from amp.dashboard.zoom import zoomable


def read(drawn):
    """The first svg of a chart, as XML."""
    return ET.fromstring(re.search(r"<svg.*</svg>", drawn, re.DOTALL)[0])


def of_class(svg, kind):
    return [each for each in svg.iter() if kind in each.get("class", "").split()]


def texts(svg):
    return ["".join(each.itertext()) for each in svg.iter("text")]


DAYS = ("1 Nov", "2 Nov", "3 Nov", "4 Nov", "5 Nov")
EVERY = [
    line_chart("a", "T <1>", DAYS, [Series("S&1", [0.1, 0.2, None, 0.3, 0.4])], tell=words.percent),
    interval_chart("c", "T <1>", [Interval("S&1", 0.1, -0.1, 0.3)], tell=words.points),
    bars("d", "T <1>", [Bar("S&1", 3, "three"), Bar("none", None, "unknown")]),
    funnel("e", "T <1>", [Bar("S&1", 10, "10"), Bar("some", 4, "4")]),
    composition("f", "T <1>", [Bar("S&1", 3, "three"), Bar("rest", 1, "one", "s2")]),
    matrix("g", "T <1>", ["1", "2"], [("S&1", [Mark("good", "✓", "met"), None])]),
]


@pytest.mark.parametrize("drawn", EVERY)
def test_every_chart_is_an_image_with_a_title_and_a_description_and_has_no_width_of_its_own(drawn):
    svg = read(drawn)
    assert (svg.get("role"), svg.get("width")) == ("img", "100%")
    assert svg.get("viewBox") is None, "text would be scaled"
    ids = svg.get("aria-labelledby").split()
    title, description = [next(each for each in svg if each.get("id") == name) for name in ids]
    assert (title.tag, title.text, description.tag) == ("title", "T <1>", "desc")
    assert description.text
    assert not [each for each in svg.iter() if each.get("style")], "the policy of our pages allows none"


def test_a_line_goes_where_its_values_are_and_has_gaps_where_there_are_none():
    svg = read(EVERY[0])
    paths = [each.get("d") for each in of_class(svg, "line")]
    assert len(paths) == 2
    assert paths[0].startswith("M0.0 750.0L250.0 500.0"), "of 0 to 0.4, 0.1 is a quarter"
    assert paths[1] == "M750.0 250.0L1000.0 0.0"
    assert svg[1].text == "S&1: 10.0\u202f% on 1 Nov, 40.0\u202f% on 5 Nov."


def test_a_band_lies_between_its_ends():
    series = Series("S", [1, 1], low=[0, 0], high=[2, 2])
    (band,) = of_class(read(line_chart("a", "T", DAYS[:2], [series], tell=str)), "band")
    assert band.get("d") == "M0.0 0.0L1000.0 0.0L1000.0 1000.0L0.0 1000.0Z"


def test_a_value_alone_is_a_dot_and_several_lines_have_a_legend():
    drawn = line_chart(
        "a", "T", DAYS, [Series("One", [None, 1, None, None, None]), Series("Two", [None] * 5)], tell=str
    )
    (dot,) = of_class(read(drawn), "dot")
    assert dot.get("cx") == "25.00%"
    assert drawn.startswith('<ul class="legend">')
    assert "Two: nothing known." in drawn


def test_an_interval_that_leaves_out_zero_is_good_or_bad_and_one_that_holds_it_is_neither():
    rows = [
        Interval("better", 0.2, 0.1, 0.3),
        Interval("worse", -0.2, -0.3, -0.1),
        Interval("open", 0.0, -0.1, 0.1),
        Interval("none", None, None, None),
    ]
    svg = read(interval_chart("a", "T", rows, tell=words.points))
    kinds = [each.get("class").split()[1] for each in of_class(svg, "span")]
    assert kinds == ["good", "bad", "quiet"]
    assert "+20.0 (+10.0 to +30.0)" in texts(svg)
    assert "no estimate yet" in texts(svg)
    assert len(of_class(svg, "zero")) == 4, "beside each row"
    assert svg[1].text.endswith("none: no estimate yet.")


def test_an_interval_lies_at_its_ends():
    svg = read(interval_chart("a", "T", [Interval("x", 0.0, -1.0, 1.0)], tell=words.points))
    (span,) = of_class(svg, "span")
    assert (span.get("x1"), span.get("x2")) == ("2.00%", "98.00%"), "the margin is 2 % at both ends"


def test_rows_that_would_be_too_full_on_a_phone_have_a_line_more():
    def height(note):
        drawn = read(
            interval_chart(
                "a", "T", [Interval("Time to start", -0.26, -0.35, -0.15, note)], tell=words.change
            )
        )
        return float(drawn.get("height"))

    assert height("555 / 240") == height("1") + 18


def test_a_long_label_goes_on_in_a_new_line_and_nothing_of_it_is_cut():
    name = "achievement/detailed_explanatory/break_into_steps/moderate"
    rows = [Interval(name, 2.0, 1.0, 3.0, "9 jobs"), Interval("a/b/c/d", 2.0, 1.0, 3.0, "9 jobs")]
    svg = read(interval_chart("a", "T", rows, tell=str, zero=None, apart=True))
    shown = texts(svg)
    at = shown.index("achievement/detailed_explanatory/")
    assert "".join(shown[at : at + 2]) == name
    assert max(map(len, shown)) <= 44
    short = read(interval_chart("a", "T", rows[1:] * 2, tell=str, zero=None, apart=True))
    assert float(svg.get("height")) == float(short.get("height")) + 18, "only the row that is longer"
    assert labels_in_lines("x" * 60) == ["x" * 43 + "…"], "where it may not be broken it is cut"


def test_what_is_cut_is_told_by_its_title():
    svg = read(bars("a", "T", [Bar("a type of jobs with a name that is far too long", 1, "1")]))
    (label,) = of_class(svg, "label")
    assert label.find("title").text == "a type of jobs with a name that is far too long"


def test_no_line_crosses_the_words_of_an_axis():
    svg = read(line_chart("a", "T", DAYS[:2], [Series("One", [0.1, 0.2])], tell=str))
    kinds = [each.get("class") for each in svg]
    assert kinds.index("tick") > kinds.index("plot")


def test_bars_are_as_long_as_their_values_against_the_longest():
    svg = read(bars("a", "T", [Bar("half", 2, "2"), Bar("whole", 4, "4"), Bar("unknown", None, "–")]))
    assert [each.get("width") for each in of_class(svg, "bar")] == ["50.00%", "100.00%"]


def test_a_funnel_tells_each_steps_share_of_the_one_before():
    svg = read(funnel("a", "T", [Bar("jobs", 200, "200"), Bar("won", 100, "100"), Bar("paid", 25, "25")]))
    assert [each.get("width") for each in of_class(svg, "bar")] == ["100.00%", "50.00%", "12.50%"]
    assert "25 (25\u202f% of won)" in texts(svg), "of what it is a share"
    assert "nothing" not in svg[1].text
    assert of_class(read(funnel("a", "T", [Bar("jobs", 0, "0"), Bar("won", 0, "0")])), "bar") == []


def test_parts_stand_side_by_side_and_make_the_whole():
    svg = read(composition("a", "T", [Bar("model", 3, "3", "s1"), Bar("tool", 1, "1", "s2")]))
    whole = [
        (each.get("x"), each.get("width")) for each in of_class(svg, "bar") if each.get("height") == "14"
    ]
    assert whole == [("0.00%", "75.00%"), ("75.00%", "25.00%")]


def test_a_cell_has_a_sign_beside_its_colour():
    svg = read(EVERY[-1])
    (cell,) = of_class(svg, "cell")
    assert cell.find("title").text == "met"
    assert "✓" in texts(svg)
    assert svg[1].text == "S&1: 1 met."


def test_a_zoomable_chart_carries_its_numbers():
    drawn = zoomable(EVERY[0], ["2026-11-01", "2026-11-02"], [Series("S", [1.5, None])], unit="×")
    root = ET.fromstring(drawn)
    assert root.get("data-zoom") == (
        '{"names":["S"],"data":[[1793491200.0,1793577600.0],[1.5,null]],"unit":"×"}'
    )
    assert zoomable(EVERY[0], ["2026-11-01"], []) == EVERY[0], "one day has nothing to look closely at"


@pytest.mark.parametrize(
    ("least", "step"), [(0.07, 0.1), (0.1, 0.1), (0.11, 0.2), (0.21, 0.5), (3, 5), (51, 100), (1000, 1000)]
)
def test_steps_are_round(least, step):
    assert round_step(least) == pytest.approx(step)


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [-3.0, 7.0], [1e-9], [1e9, 2e9]])
def test_a_scale_holds_all_values_and_has_few_round_ticks(values):
    scale = scale_of(values)
    assert all(scale.low <= value <= scale.high for value in [*values, 0.0])
    assert 2 <= len(scale.ticks()) <= 7
    assert scale.at(scale.low) == 0.0
    assert scale.at(scale.high) == 1.0


def test_ticks_have_no_decimals_that_none_needs():
    assert told([-0.5, 0.0, 0.5], words.points) == ["−50", "0", "+50"]
    assert told([0.0, 2.5], words.ratio) == ["0.00×", "2.50×"]
    assert Scale(0, 1).ticks(2) == [0.0, 0.5, 1.0]


def test_a_label_is_cut_where_it_would_meet_its_value():
    assert fitted("short") == "short"
    assert len(fitted("a" * 80)) == 26


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.count(1234567), "1,234,567"),
        (words.count(None), "–"),
        (words.percent(0.4567), "45.7\u202f%"),
        (words.percent(0.9998), "99.9\u202f%"),
        (words.percent(1.0), "100.0\u202f%"),
        (words.points(-0.033), "−3.3"),
        (words.change(-0.2), "−20\u202f%"),
        (words.ratio(3.4156), "3.42×"),
        (words.ratio(12345.6), "12,346×"),
        (words.money(1234.5, "USD"), "1,234.50\u202fUSD"),
        (words.money("0.000123"), "0.00012"),
        (words.money(0), "0.00"),
        (words.money(None, "USD"), "–"),
        (words.seconds(5400), "1.5\u202fh"),
        (words.seconds(310.2), "310\u202fs"),
        (words.seconds(1623), "27\u202fmin"),
        (words.day("2026-11-05"), "5 Nov"),
        (words.sentence("no effect shown yet"), "No effect shown yet."),
    ],
)
def test_numbers_are_said_the_same_way_everywhere(said, expected):
    assert said == expected


def test_a_moment_is_a_time_element():
    assert words.moment("2026-11-05T07:04:00.000Z") == (
        '<time datetime="2026-11-05T07:04:00.000Z">5 Nov 2026, 07:04 UTC</time>'
    )


def test_an_interval_beside_another_is_drawn_and_said():
    row = Interval("warm", 0.6, 0.5, 0.7, kind="s1", beside=(0.4, 0.2, 0.9))
    drawn = interval_chart("i", "t", [row], tell=lambda value: f"{value:.1f}", zero=None)
    assert drawn.count('class="span s1"') == drawn.count('class="span quiet"') == 1
    assert "warm: 0.6, between 0.5 and 0.7; beside it 0.4, between 0.2 and 0.9." in drawn
    assert ">0.9<" in drawn or ">1.0<" in drawn, "the axis holds both"
