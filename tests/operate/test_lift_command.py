"""`amp lift`: the measurement drawn, from the store with or without the service, and published behind it."""

import json

import pytest
from rich.console import Console
from running import calling, serving, until

from amp.learning.insights import (
    DifferenceReply,
    NeededReply,
    PlaceReply,
    RateReply,
    WarningReply,
    nothing_yet,
)
from amp.tenancy import tenant
from amp.terminal import lift
from amp.terminal.lift import Seen

ACME = tenant("acme", "live")


def lived(service, users):
    """Learned users complete, control users do not."""
    for user in range(users):
        for _ in range(2):
            asked = {"userId": f"user {user}", "task": "test", "taskType": "coding"}
            told = service.post("/v1/context", json=asked).json()
            done = told["metadata"]["group"] == "learned"
            outcome = {"requestId": told["requestId"], "started": True, "completed": done}
            assert service.post("/v1/outcome", json=outcome | {"timeToStart": 60}).status_code == 200


def test_it_is_the_same_from_the_service_beside_it_and_without_it(data, run, monkeypatch):
    """The background publishes it, and the command finds the same in the store."""
    monkeypatch.setenv("AMP_CONTROL_SHARE", "0.4")
    with serving(data) as (_, announced):
        made = run(
            "keys", "create", "--env", "live", "--scopes", "context outcome read", "--json", "--data", data
        )
        with calling(announced, json.loads(made.stdout)["key"]) as service:
            lived(service, 110)

            def published():
                told = service.get("/v1/insights/lift").json()
                reporting = service.get("/v1/insights/reporting").json()
                return (told, reporting) if reporting["all"]["reported"] == 220 == told["outcomes"] else None

            told, reporting = until(published, within_s=30)
        beside = json.loads(run("lift", "--env", "live", "--json", "--data", data).stdout)
    assert told["verdict"].startswith("learned users do better")
    moving = {"computedAt": None}
    assert beside["lift"] | moving == told | moving
    assert beside["reporting"] | moving == reporting | moving
    after = json.loads(run("lift", "--env", "live", "--json", "--data", data).stdout)
    assert after["lift"] | moving == told | moving

    drawn = run("lift", "--env", "live", "--data", data).stdout
    assert max(map(len, drawn.splitlines())) <= 80
    assert "\x1b" not in drawn
    assert "Learned users do better: +" in drawn
    assert "coding" in drawn
    assert "100% of 220 decisions" in drawn


def test_nothing_yet_says_what_to_do(data, run):
    drawn = run("lift", "--data", data).stdout
    assert "No outcomes yet" in drawn
    assert "amp lift --env live" in drawn
    refused = run("lift", "--env", "prod", "--data", data)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "env: must be one of live, test" in refused.stderr


# The drawing


def difference(metric="completion", middle=0.04, low=-0.01, high=0.09, needed=None):
    return DifferenceReply(
        metric, 0.6, 0.56, middle, low, high, low > 0 or high < 0, "no effect shown yet", 900, 50, needed
    )


def drawn(*differences, where=(), warnings=(), encoding="utf-8", **fields):
    measured = nothing_yet()
    measured.lift.verdict, measured.lift.outcomes = "no effect shown yet", 5000
    measured.lift.learned_users, measured.lift.control_users = 900, 50
    measured.lift.differences, measured.lift.where = list(differences), list(where)
    measured.lift.warnings = list(warnings)
    for name, value in fields.items():
        setattr(measured.reporting, name, value)
    console = Console(width=200, highlight=False, record=True, file=Sink(encoding))
    lift.draw(Seen(ACME, measured), console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80, text
    return text


class Sink:
    def __init__(self, encoding):
        self.encoding = encoding

    def write(self, _):
        """Nothing is printed here."""

    def flush(self):
        """Nothing to flush."""


def bar(text, label):
    (line,) = [line for line in text.splitlines() if line.startswith(label) and "%" in line]
    return line[29 : 29 + lift.WIDTH]


def test_an_interval_about_zero_crosses_the_mark_and_one_beside_it_does_not():
    text = drawn(difference(), difference("start", 0.06, 0.03, 0.09))
    middle = lift.WIDTH // 2
    assert bar(text, "completion")[middle] == "┼"
    assert bar(text, "starts")[middle] == "│"
    assert bar(text, "completion").index("├") < middle < bar(text, "completion").index("●")
    assert middle < bar(text, "starts").index("├")


def test_an_interval_beyond_the_axis_ends_in_an_arrow():
    text = drawn(difference(), difference("timeToStart", -0.05, -0.6, 0.02))
    assert bar(text, "time to start")[0] == "<"
    assert "-5% (-60 to +2)" in text


def test_the_users_still_needed_are_told_of_what_is_not_shown():
    text = drawn(difference(needed=NeededReply(3200, 178)), difference("start", 0.06, 0.03, 0.09))
    assert "completion 3,200 + 178" in text
    assert "starts 3" not in text


def test_places_warnings_and_rates_are_told():
    place = PlaceReply(
        "taskType", None, 10, 2, None, None, None, None, None, 0.01, False, "no effect shown yet"
    )
    text = drawn(
        difference(),
        where=[place],
        warnings=[WarningReply("X", "Something is odd.", "Do this.")],
        all=RateReply(100, 40, 0.4),
        learned=RateReply(90, 36, 0.4),
        control=RateReply(10, 4, 0.4),
    )
    assert "unnamed type" in text
    assert "too few users" in text
    assert "Something is odd.\n  Do this." in text
    assert "learned 40% of 90 decisions, control 40% of 10 decisions" in text


def test_a_terminal_without_unicode_gets_marks_it_can_show():
    assert drawn(difference(), encoding="ascii").isascii()


@pytest.mark.parametrize(("seconds", "told"), [(45, "45 s"), (1800, "30 min"), (90_000, "25 h")])
def test_times_are_told_in_units_one_can_read(seconds, told):
    each = difference("timeToStart", -0.2, -0.3, -0.1)
    each.learned = seconds
    assert told in drawn(difference(), each)
