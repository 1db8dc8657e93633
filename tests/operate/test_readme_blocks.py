"""Every code block of README does what the text around it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import COMMAND, environment, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:^<!-- ci: (\w+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)


def blocks(language):
    """The blocks of this language that a user runs beside a served instance."""
    return [code for marked, found, code in BLOCKS if found == language and not marked]


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The environment of a new user: a served instance, its key, and `amp` on the PATH."""
    folder = tmp_path_factory.mktemp("user")
    command = folder / "amp"
    command.write_text(f'#!/bin/sh\nexec "{COMMAND[0]}" {COMMAND[1]} "{COMMAND[2]}" "$@"\n')
    command.chmod(0o755)
    with serving(folder / "data") as (_, announced):
        yield environment() | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "AMP_BASE_URL": announced["url"],
            "AMP_API_KEY": announced["key"],
            "AMP_DATA": str(folder / "data"),
        }


def run(command, user, folder):
    done = subprocess.run(
        command, env=user, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_install_commands_are_run_by_ci_as_they_stand():
    """`.ci/run` takes them out of README by their mark and runs them on a clean checkout."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    marked = {mark: code for mark, _, code in BLOCKS if mark}
    assert set(marked) == {"serve", "test"}
    assert all(f"block {mark}" in ci and len(code.splitlines()) == 1 for mark, code in marked.items())


def test_the_loop_in_python_learns(user, tmp_path):
    """The ten lines, pasted: the last prints the interaction that the outcome made."""
    [loop] = blocks("python")
    assert len(loop.splitlines()) == 10
    assert run([sys.executable, "-c", loop], user, tmp_path).splitlines()[-1] == "1"


@pytest.mark.skipif(shutil.which("curl") is None, reason="README's curl needs curl")
def test_the_loop_by_curl_learns(user, tmp_path):
    """A context, then its outcome."""
    [loop] = [code for code in blocks("bash") if "curl" in code]
    told = run(["bash", "-euo", "pipefail", "-c", loop], user, tmp_path)
    assert '"requestId":"req_' in told
    assert '"success":true' in told


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_commands_show_what_was_learned(user, tmp_path):
    """The demo's summary, and a posterior drawn."""
    [commands] = [code for code in blocks("bash") if "amp demo" in code]
    told = run(["bash", "-euo", "pipefail", "-c", commands], user, tmp_path)
    assert "control" in told
    assert "suggestedFraming" in told
