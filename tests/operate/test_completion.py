"""Shell completion: Typer's own, for bash, zsh and fish, and quick: no room is loaded to complete a word."""

import subprocess
import sys

import pytest
from running import environment

COMMAND = (sys.executable, "-c", "from amp.cli import cli; cli(prog_name='amp')")
HEAVY = ("numpy", "scipy", "litestar", "redis", "httpx", "cryptography", "msgspec", "amp.app", "amp.learning")


def completed(shell, words, *python):
    """What the shell is told, as its own script asks for it."""
    asked = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
        "fish": {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    return subprocess.run(
        [sys.executable, *python, *COMMAND[1:]],
        env=environment() | asked | {"_AMP_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed_in_every_shell(shell):
    assert "doctor" in completed(shell, "amp doc").stdout
    assert "--prune" in completed(shell, "amp doctor --pr").stdout
    assert "rotate" in completed(shell, "amp keys ro").stdout


@pytest.mark.parametrize("words", ["amp ", "amp keys ", "amp doctor --", "amp config show --o"])
def test_completing_loads_no_room_no_web_and_no_numbers(words):
    loaded = completed("bash", words, "-X", "importtime").stderr
    names = {
        line.rpartition("|")[2].strip() for line in loaded.splitlines() if line.startswith("import time:")
    }
    assert "amp.cli" in names
    assert {
        name for name in names for heavy in HEAVY if name == heavy or name.startswith(heavy + ".")
    } == set()


def in_bash(option, **environ):
    """What `amp OPTION` prints in a bash: Typer looks at who its parent is."""
    done = subprocess.run(
        ["bash", "-c", f'"$1" "$2" "$3" {option}; true', "bash", *COMMAND],
        env=environment() | {"SHELL": "/bin/bash"} | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_script_is_shown_for_the_shell_it_runs_in():
    assert "complete -o default -F _amp_completion amp" in in_bash("--show-completion")


def test_installing_writes_to_the_users_own_files_only(tmp_path):
    in_bash("--install-completion", HOME=str(tmp_path))
    written = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    assert written == {".bashrc", ".bash_completions/amp.sh"}
    assert "amp.sh" in (tmp_path / ".bashrc").read_text()
