"""`amp sessions` and `amp rubric`, as a person types them."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from model_service import judged, said, serving

import amp

RUBRIC = "- It names the total\n- There is a table `check: csv_column costs.csv price numeric`\n"


@pytest.fixture
async def model():
    async with serving() as model:
        yield model


@pytest.fixture
def command(model, tmp_path):
    """Runs a command on a folder of the test: exit code, stdout, stderr."""
    (tmp_path / "rubric.md").write_text(RUBRIC)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMP_")}
    environ |= {
        "PYTHONPATH": str(Path(amp.__file__).parents[1]),
        "AMP_LLM_BASE_URL": model.url,
        "COLUMNS": "80",
    }
    environ |= {"AMP_DATA": str(tmp_path / "data"), "AMP_GRADER_MODEL": "openai:judge", "PYTHONUTF8": "1"}

    async def run(*words):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from amp.cli import main; main()", *words),
            env=environ,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


RUN = ("sessions", "run", "--rubric", "rubric.md", "--task", "Sum it up", "--model", "openai:small")


async def test_an_outcome_is_run_watched_and_looked_at_again(command, model, tmp_path):
    table = {"path": "costs.csv", "rows": [["item", "price"], ["paper", 3]]}
    model.agent = [said("A first idea."), said(None, calls=[("write_table", table)]), said("The total is 3.")]
    model.grader = [said(judged(False, gap="No total is named.")), said(judged(True))]
    code, out, err = await command(*RUN, "--out", "out")
    assert code == 0, err
    for words in ("iteration 1: needs revision, 0 of 2", "No total is named.", "✗ 1 It names the total"):
        assert words in out
    assert "iteration 2: satisfied, 2 of 2 criteria" in out
    assert (tmp_path / "out" / "costs.csv").read_text() == "item,price\npaper,3\n"
    _, listed, _ = await command("sessions", "list")
    (session,) = json.loads((await command("sessions", "list", "--json"))[1])
    assert session["id"] in listed
    assert "satisfied (2)" in listed
    _, shown, _ = await command("sessions", "show", session["id"])
    assert "costs.csv" in shown
    _, tail, _ = await command("sessions", "tail", session["id"], "--json")
    assert json.loads(tail.splitlines()[-1])["type"] == "session.status_idle"


async def test_an_outcome_that_is_not_met_is_a_failure_of_the_command(command, model):
    model.grader = [said(judged(False))]
    code, _, err = await command(*RUN, "--iterations", "1")
    assert code == 1
    assert "ended as max_iterations_reached" in err


async def test_a_rubric_is_linted_tried_and_drafted(command, model, tmp_path):
    code, out, _ = await command("rubric", "lint", "rubric.md")
    assert (code, out.strip()) == (0, "Nothing to mend.")
    (tmp_path / "bad.md").write_text("- Looks good\n- Is there `check: file_exist a`\n")
    code, out, err = await command("rubric", "lint", "bad.md", "--json")
    assert code == 1
    assert [each["rule"] for each in json.loads(out)] == ["untestable", "vague", "check"]
    (tmp_path / "costs.csv").write_text("item,price\npaper,3\n")
    model.grader = [
        said(judged(True)),
        said(judged(False, gap="Where?")),
        said(judged(True)),
        said(judged(True)),
    ]
    code, out, err = await command("rubric", "try", "rubric.md", "costs.csv", "--times", "4", "--json")
    assert code == 0, err
    tried = json.loads(out)
    assert tried["verdicts"] == ["satisfied", "needs_revision", "satisfied", "satisfied"]
    assert [row["agreement"] for row in tried["criteria"]] == [0.75, 1.0]
    model.agent = [said("- It names the total of 3 prices")]
    code, out, err = await command("rubric", "draft", "costs.csv")
    assert (code, out) == (0, "- It names the total of 3 prices\n")
