"""`amp log export`: what the log holds, one line a decision, for other tools."""

import json
import sys
from collections import Counter
from datetime import datetime

import pyarrow.parquet
import pytest
from running import calling, serving

from amp.learning.approaches import PUBLISHED

DIMENSIONS = [each.name for each in PUBLISHED.dimensions]


def used(announced):
    """Five users complete or leave three tasks each; one of them prefers something afterwards."""
    shown = {}
    with calling(announced) as service:
        for nth in range(15):
            ask = {"userId": f"user {nth % 5}", "task": "test", "taskType": "coding", "complexity": "high"}
            asked = service.post("/v1/context", json=ask).json()
            outcome = {"requestId": asked["requestId"], "started": True, "completed": nth % 2 == 0}
            assert service.post("/v1/outcome", json=outcome | {"timeToStart": 90}).status_code == 200
            shown[nth] = {name: asked[name] for name in DIMENSIONS}
        service.put("/v1/profile/user 4", json={"preferredFraming": "learning"}).raise_for_status()
    return shown


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A folder with fifteen decisions that nobody changes, and what was shown."""
    data = tmp_path_factory.mktemp("logged") / "data"
    with serving(data) as (_, announced):
        return data, used(announced)


def test_a_line_says_what_was_decided_how_likely_that_was_and_what_came_of_it(run, logged):
    data, shown = logged
    written = run("log", "export", "--data", data)
    lines = [json.loads(line) for line in written.stdout.splitlines()]
    assert len(lines) == 15
    assert "15 decisions with an outcome" in written.stderr
    assert sorted(map(str, shown.values())) == sorted(str(line["approach"]) for line in lines)
    assert len({line["user"] for line in lines}) == 5
    assert "user 1" not in written.stdout

    reasons = Counter(line["propensityReason"] for line in lines)
    assert reasons["preferences"] + reasons["degraded"] >= 3
    assert reasons[None] > 0, "but for what came within a millisecond of a decision, or too late for it"
    assert "preferences: a preference may have been stated or cleared since" in written.stderr
    for line in lines:
        assert (line["propensity"] is None) == (line["propensityReason"] is not None)
        assert line["propensity"] is None or 0.01 / 256 <= line["propensity"] <= 1.0
        assert line["context"]["taskType"] == "coding"
        assert line["context"]["complexity"] == "high"
        assert line["signals"]["timeToStart"] == 90
        assert (line["reward"] > 0.5) == line["signals"]["completed"]
        assert (line["group"], line["final"], line["step"]) == ("learned", True, 0)
        assert line["degraded"] or line["propensityReason"] != "degraded"
        assert datetime.fromisoformat(line["decidedAt"]) <= datetime.fromisoformat(line["reportedAt"])
        assert int(line["nonce"]) < 2**64


def test_parquet_holds_the_same(run, logged, tmp_path):
    data, _ = logged
    out = tmp_path / "log.parquet"
    said = run("log", "export", "--data", data, "--format", "parquet", "--out", out)
    assert said.exit_code == 0
    assert said.stdout == ""
    assert "amp evaluate --policy FILE" in said.stderr
    as_text = [json.loads(line) for line in run("log", "export", "--data", data).stdout.splitlines()]
    table = pyarrow.parquet.read_table(out).to_pylist()
    for columns, line in zip(table, as_text, strict=True):
        for name in ("offered", "exclude"):
            columns[name] = dict(columns[name])
        for moment in ("decidedAt", "reportedAt"):
            assert columns.pop(moment) == datetime.fromisoformat(line.pop(moment))
        assert columns == line
    assert [path.name for path in tmp_path.iterdir() if "log" in path.name] == ["log.parquet"]


def test_only_what_was_decided_since_then_is_written(run, logged):
    data, _ = logged
    assert len(run("log", "export", "--data", data, "--since", "1h").stdout.splitlines()) == 15
    assert run("log", "export", "--data", data, "--since", "2999-01-01").stdout == ""
    assert run("log", "export", "--data", data, "--env", "live").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "csv"), "--format: must be jsonl or parquet"),
        (("--format", "parquet"), "needs --out FILE"),
        (("--since", "yesterday"), "--since: must be a duration such as 30d or a date"),
        (("--out", "no/such/folder/log.jsonl"), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(arguments, says, data, run):
    refused = run("log", "export", "--data", data, *arguments)
    assert refused.exit_code == 1
    assert says in refused.stderr


def test_without_pyarrow_it_says_how_to_get_it(data, run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refused = run("log", "export", "--data", data, "--format", "parquet", "--out", tmp_path / "x")
    assert refused.exit_code == 1
    assert "pip install 'amp[parquet]'" in refused.stderr


def test_a_failure_on_the_way_leaves_the_file_that_was_there(run, logged, monkeypatch, tmp_path):
    data, _ = logged
    out = tmp_path / "log.jsonl"
    out.write_text("the export of yesterday\n")

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("amp.terminal.export._jsonl", fails)
    refused = run("log", "export", "--data", data, "--out", out)
    assert refused.exit_code == 1
    assert "No space left on device" in refused.stderr
    assert out.read_text() == "the export of yesterday\n"
    assert [path.name for path in tmp_path.iterdir() if "log" in path.name] == ["log.jsonl"]
