"""Every code block of README does what the text around it says, as a new user runs it."""

import json
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from model_service import beside, judged, said
from running import COMMAND, environment, serving

from benchmarks.readme import PAGES, RESULTS, measured, with_pages

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:^<!-- ci: (\w+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)
ADDRESS = "http://127.0.0.1:8000"


def block(language, holding):
    """The one block of this language in which this stands; one that CI runs is not meant."""
    [code] = [code for mark, found, code in BLOCKS if found == language and holding in code and not mark]
    return code


SECOND_TERMINAL = block("bash", "activate")
LOOP = block("python", "reads AMP_API_KEY")
CLIENT = block("python", "amp.decision(")
FAKE = block("python", "FakeAmp")
CURL = block("bash", "/v1/outcome")
OWN = block("bash", "STUDIO_KEY")
SHOW = block("bash", "amp demo")
SIMULATE = block("bash", "amp simulate")
LIFT = block("bash", "amp lift")
JUDGE = block("bash", "amp evaluate")
AGAIN = block("bash", "python -m benchmarks")
LOOK = block("bash", "amp dashboard link")
LEDGER_KEY = block("bash", "REVENIUM_METERING_API_KEY")
LEDGER = block("python", "AgenticOutcomeClient")
GRADED_SERVE = block("bash", "amp serve\n")
GRADED_KEY = block("bash", "ANTHROPIC_API_KEY")
GRADED = block("python", "define_outcome")
GRADED_TERMINAL = block("bash", "amp rubric lint")
MODEL_ADDRESS = "http://127.0.0.1:11434/v1"


@contextmanager
def second_terminal(folder, **environ):
    """A second terminal in the clone, beside a served instance: it runs a block after README's lines."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "amp").write_text(f'#!/bin/sh\nexec "{COMMAND[0]}" {COMMAND[1]} "{COMMAND[2]}" "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{COMMAND[0]}" "$@"\n')
    (programs / "activate").write_text(f'export PATH="{programs}{os.pathsep}$PATH"\n')
    for program in ("amp", "python"):
        (programs / program).chmod(0o755)
    with serving(folder / "data", **environ) as (_, announced):

        def run(code):
            before = SECOND_TERMINAL.replace(ADDRESS, announced["url"])
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", before + code],
                env=environment() | {"AMP_DATA": str(folder / "data")},
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        yield run


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    with second_terminal(tmp_path_factory.mktemp("clone")) as run:
        yield run


@pytest.fixture(scope="module")
def played():
    with beside() as model:
        yield model


@pytest.fixture
def model(played):
    """The model service of README, played: it writes the report when it is told of a gap."""
    text = "| drink | euros |\n| --- | --- |\n| tea | 3 |\n| coffee | 4 |\n\nTogether 7 euros.\n"
    write = said(None, calls=[("write_file", {"path": "report.md", "content": text})])
    played.agent = [said("I would write a report."), write, said("There it is.")]
    played.grader = [said(judged(False, False)), said(judged(True, True))]
    played.asked = {"agent": [], "grader": []}
    return played


@pytest.fixture(scope="module")
def graded(played, tmp_path_factory):
    """A second terminal beside an instance that was served as README says, for graded outcomes."""
    name, _, address = GRADED_SERVE.split()[0].partition("=")
    assert f"{name}={MODEL_ADDRESS} amp serve\n" == GRADED_SERVE
    assert address == MODEL_ADDRESS
    folder = tmp_path_factory.mktemp("graded")
    with second_terminal(folder, **{name: played.url}) as run:
        run.folder = folder
        yield run


def test_the_install_commands_are_run_by_ci_as_they_stand():
    """`.ci/run` takes them out of README by their mark and runs them on a clean checkout."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    marked = {mark: code for mark, _, code in BLOCKS if mark}
    assert set(marked) == {"serve", "test"}
    assert all(f"block {mark}" in ci and len(code.splitlines()) == 1 for mark, code in marked.items())


def test_every_block_is_run_by_a_test():
    """A block that is added to README needs a test here."""
    run = [
        SECOND_TERMINAL,
        LOOP,
        CLIENT,
        FAKE,
        CURL,
        OWN,
        SHOW,
        SIMULATE,
        LIFT,
        JUDGE,
        AGAIN,
        LOOK,
        LEDGER_KEY,
        LEDGER,
    ]
    run += [GRADED_SERVE, GRADED_KEY, GRADED, GRADED_TERMINAL]
    assert sorted(code for mark, language, code in BLOCKS if not mark and language != "text") == sorted(run)


def test_the_loop_in_python_learns(terminal):
    """The ten lines, pasted: the last prints the interaction that the outcome made."""
    assert len(LOOP.splitlines()) == 10
    assert terminal(f"python - <<'LOOP'\n{LOOP}LOOP\n").splitlines()[-1] == "1"


def test_the_fake_server_serves_somebody_elses_test(tmp_path):
    (tmp_path / "test_agent.py").write_text(FAKE)
    command = [COMMAND[0], "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_loop_by_curl_learns(terminal):
    """A context, then its outcome."""
    told = terminal(CURL)
    assert '"requestId":"req_' in told
    assert '"success":true' in told


def test_the_ledgers_client_reports_with_the_key_that_readme_makes(terminal):
    """The job, its cost and its outcome, in the report that README names."""
    script = f"sed 's|{ADDRESS}|'$AMP_BASE_URL'|' > job.py <<'JOB'\n{LEDGER}JOB\n"
    told = terminal(LEDGER_KEY + script + "NO_PROXY=127.0.0.1 python job.py\namp ledger report\n")
    assert "Value Ratio 300" in told
    assert "1 job, 0 of them pending" in told


def test_the_client_decides_meters_tracks_and_corrects(terminal):
    """Three reports and two records have arrived, and the ledger has the job."""
    script = CLIENT.replace("amp.flush()", "import time; time.sleep(1.2); amp.flush()")
    told = terminal(f"python - <<'CLIENT'\n{script}CLIENT\namp ledger report --where type=coding\n")
    assert re.search(r"Counters\(sent=6, replayed=0, queued=0, failed=0, unkept=0, dropped=0", told)
    assert "1 job, 0 of them pending" in told


def test_an_outcome_is_worked_on_until_its_grader_is_satisfied(graded, model):
    """The vendor's client, address and key changed: two gradings, the report, and what it holds."""
    told = graded(f"{GRADED_KEY}NO_PROXY=127.0.0.1 python - <<'GRADED'\n{GRADED}GRADED\n")
    lines = told.splitlines()
    assert lines.count("span.outcome_evaluation_start") == lines.count("span.outcome_evaluation_end") == 2
    assert "session.status_idle" in lines
    assert "result='satisfied'" in told
    assert lines[-1].startswith("report.md b'| drink | euros |")
    assert {body["model"] for role in model.asked.values() for body in role} == {"qwen3"}


def test_an_outcome_is_run_from_a_terminal(graded, model):
    """Lint, run, try, draft, list, as they stand."""
    second = json.dumps({"result": "satisfied", "criteria": [{"id": 2, "passed": True}]})
    model.grader = [said(second.replace("true", "false")), said(second)]
    assert "AMP_LLM_BASE_URL" in GRADED_TERMINAL
    told = graded(GRADED_TERMINAL.replace(MODEL_ADDRESS, model.url))
    assert "Nothing to mend." in told
    assert "iteration 1: needs revision" in told
    assert "iteration 2: satisfied, 2 of 2 criteria" in told
    assert "Satisfied in 3 of 3 gradings" in told
    assert "There it is." in told, "the draft is what the model says"
    assert "satisfied (2)" in told
    assert (graded.folder / "work" / "report.md").read_text().startswith("| drink | euros |")


def test_a_tenant_makes_its_own_dimensions(terminal):
    """The policy, a context that has them, and the version that they made."""
    told = terminal(OWN)
    assert '"combinations":4' in told
    assert re.search(r'"requestId":"req_[^"]*","tone":"(warm|dry)","pace":"(slow|fast)"', told)
    assert "dimensions.pace" in told


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_commands_show_what_was_learned(terminal):
    """The demo's summary, and a posterior drawn."""
    terminal(f"python - <<'LOOP'\n{LOOP}LOOP\n")
    told = terminal(SHOW)
    assert "control" in told
    assert "suggestedFraming" in told


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_command_compares_policies(terminal):
    """The table, and a plot beside it."""
    told = terminal(SIMULATE + "head -c 4 captured.svg")
    assert "factored-beta" in told
    assert told.endswith("<svg")


def test_a_link_leads_to_the_dashboard(terminal):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in/link/[\w-]{43}\n", terminal(LOOK))


def test_asking_whether_it_works_is_answered(terminal):
    assert "What learning is worth  live data of default" in terminal(LIFT)


def test_another_policy_is_judged_on_the_log(terminal):
    """The log of the loop, exported, and what uniform choice would have earned on it."""
    terminal(f"python - <<'LOOP'\n{LOOP}LOOP\n")
    told = terminal(JUDGE + "wc -l < log.jsonl\n")
    assert "doubly robust" in told
    assert "effective sample size" in told
    assert int(told.split()[-1]) >= 1


def test_the_figures_in_readme_are_those_of_the_last_full_run():
    """`python -m benchmarks` writes results.json; README shows its main rows."""
    assert AGAIN.strip() == "python -m benchmarks"
    assert measured(json.loads(RESULTS.read_text(encoding="utf-8"))) in README


def test_the_pages_in_readme_are_those_of_the_last_full_run():
    """`python -m benchmarks.pages` writes pages.json; README shows its table."""
    assert with_pages(README, json.loads(PAGES.read_text(encoding="utf-8"))) == README
