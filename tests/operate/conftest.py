"""A data folder of the test's own and the command `amp` in this process."""

import sys
from typing import NamedTuple

import pytest

from amp.cli import main


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _in_a_folder_without_amp_toml(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


class Ended(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs one command to its end."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["amp", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run
