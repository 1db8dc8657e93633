"""Reads a page of docs/ as its reader does: its blocks in order, in a shell and a Python that stay open.

A block is bash or Python and is run, or it has a mark on the line before it:

    <!-- serve -->              it starts a service, which the rest of the page talks to
    <!-- file: NAME -->         it is put into a file of that name
    <!-- output -->             what the block before it printed; `...` stands for anything
    <!-- fails: REASON -->      it is run, and ends with an error
    <!-- not run: REASON -->    it cannot be run here
    <!-- shown: REASON -->      it is only to be looked at

What is exported, written and defined stays for the blocks that follow. The address that pages name is that of
the service which was started for them.
"""

import doctest
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from running import COMMAND, environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ADDRESS = "http://127.0.0.1:8000"
MARKS = ("serve", "file", "output", "fails", "not run", "shown")
WITH_REASON = ("file", "fails", "not run", "shown")
SECONDS = 60
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>[a-z ]+?)(?:: (?P<reason>[^\n]+?))? -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_KEY = re.compile(r"amp_sk_test_\w+")
_DRIVER = """
import contextlib, io, json, os, sys, traceback
from amp.client import AMP, AsyncAMP
for client in (AMP, AsyncAMP):  # a busy machine must not make a fallback of what a page shows
    client.__init__.__kwdefaults__["context_deadline_s"] = 10.0
answers, sys.stdout = sys.stdout, sys.stderr
there = {"__name__": "__main__"}
for line in sys.stdin:
    told = json.loads(line)
    os.environ.update(told["environment"])
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            exec(compile(told["code"], "<a block>", "exec"), there)
            failed = ""
        except BaseException:
            failed = traceback.format_exc()
    print(json.dumps([said.getvalue(), failed]), file=answers, flush=True)
"""


class Block(NamedTuple):
    """One fenced block of a page."""

    line: int
    mark: str
    reason: str
    language: str
    code: str


def blocks(text):
    """Every fenced block of a page, in order."""
    return [
        Block(
            text.count("\n", 0, found.start("code")),
            found["mark"] or "",
            found["reason"] or "",
            found["language"],
            textwrap.dedent(found["code"]),
        )
        for found in _BLOCK.finditer(text)
    ]


def fences(text):
    """How many fences there are, closed or not, whatever stands around them."""
    return len(re.findall(r"^ *```", text, re.MULTILINE))


def programs(folder):
    """A folder with `amp`, `python` and `pytest` of the code under test, and `activate` for it."""
    there = folder / ".venv" / "bin"
    there.mkdir(parents=True, exist_ok=True)
    amp = f'"{COMMAND[0]}" {COMMAND[1]} "{COMMAND[2]}"'
    tests = f'"{sys.executable}" -m pytest -q -c "{os.devnull}" -p no:cacheprovider'
    for name, command in {"amp": amp, "python": f'"{sys.executable}"', "pytest": tests}.items():
        (there / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (there / name).chmod(0o755)
    (there / "activate").write_text(f'export PATH="{there}{os.pathsep}$PATH"\n')
    return there


class Reader:
    """Somebody who reads one page, and types what it shows."""

    def __init__(self, folder, instead=None):
        self.folder = folder
        self.url = ""
        self._instead = instead or {}
        self.printed = ""
        self._python = None
        self._served = []
        self._environment = environment() | {
            "PATH": f"{programs(folder)}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_PROXY": "127.0.0.1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def sits_at(self, url, key, data):
        """A second terminal beside this service, as the quick start leaves it."""
        self.url = url
        self._environment |= {"AMP_BASE_URL": url, "AMP_API_KEY": key, "AMP_DATA": str(data)}

    def read(self, block, where):
        """Runs one block, or holds it against what was printed.

        Raises:
            AssertionError: it fails, does not fail, or printed something else.
        """
        code = block.code.replace(ADDRESS, self.url or ADDRESS)
        for shown, real in self._instead.items():
            code = code.replace(shown, real)
        match block.mark or "run":
            case "file":
                (self.folder / block.reason).write_text(code)
            case "output":
                self._compare(block.code, where)
            case "serve":
                self._serve(code)
            case "fails":
                assert self.bash(code) != 0, f"{where}: it did not fail\n{self.printed}"
            case "run":
                self._run(block.language, code, where)

    def _run(self, language, code, where):
        failed = self.python(code) if language == "python" else "" if self.bash(code) == 0 else " "
        assert not failed, f"{where}: it failed\n{self.printed}{failed}"

    def bash(self, code):
        """The exit code; what is exported or set is there for the next block."""
        kept = self.folder / ".environment"
        script = f"set -aeuo pipefail\n{code}\nset +a\nenv -0 > {kept}\npwd > {kept}.folder\n"
        where = Path(f"{kept}.folder")
        done = subprocess.run(
            ["bash", "-c", script],
            env=self._environment,
            cwd=where.read_text().strip() if where.exists() else self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        self.printed = done.stdout
        if done.returncode == 0:
            pairs = (each.partition("=") for each in kept.read_text().split("\0") if each)
            self._environment = {name: value for name, _, value in pairs}
        return done.returncode

    def python(self, code):
        """The trace of what went wrong, or nothing."""
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _DRIVER],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        told = {"code": code, "environment": self._environment}
        self._python.stdin.write(json.dumps(told) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, "Python ended"
        self.printed, failed = json.loads(answer)
        return failed

    def _serve(self, code):
        """Starts what the block starts, on a free port, with data of its own."""
        data = self.folder / "data"
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", code],
            env=self._environment | {"AMP_PORT": "0", "AMP_DATA": str(data)},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._served.append(process)
        heard = []
        for line in process.stderr:
            heard.append(line)
            if key := _KEY.search(line):
                self.sits_at(_URL.search("".join(heard))[0], key[0], data)
                return
        pytest.fail(f"amp serve announced nothing:\n{''.join(heard)}")

    def _compare(self, wanted, where):
        got = _plain(self.printed.replace(self.url, ADDRESS) if self.url else self.printed)
        checked = doctest.OutputChecker().check_output(_plain(wanted), got, doctest.ELLIPSIS)
        assert checked, f"{where}: the page shows\n{wanted}\nand it printed\n{got}"

    def close(self):
        if self._python:
            self._python.stdin.close()
            self._python.wait(20)
            self._python.stdout.close()
        for process in self._served:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)


@contextmanager
def reading(folder, instead=None):
    """`instead`: what is at the addresses that the page names, beside that of the service."""
    reader = Reader(folder, instead)
    try:
        yield reader
    finally:
        reader.close()


def _plain(text):
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(line or "<BLANKLINE>" for line in lines).replace("<BLANKLINE>", "") + "\n"
