"""What may take for ever, or all memory, is done in a process of its own, which ends with its time.

Workbooks, PDFs and JSON Schemas come from agents and workers: a few kilobytes unpack to gigabytes, or ask for
comparisons without end. A thread cannot be stopped, and would hold up the loop of everybody's sessions. The
process knows no setting and no key of ours.
"""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from amp.grading import checks, texts
from amp.grading.texts import Unreadable

TIME_S_MAX = 30.0
BYTES_MAX = 1 << 30
"""Of memory."""
AT_ONCE = 2
_waiters = ThreadPoolExecutor(AT_ONCE, "apart")
_SOURCE = Path(__file__).parents[2]


class _Question(msgspec.Struct):
    """The text of a file, or the gap of a check."""

    path: str | None
    check: str
    files: dict[str, bytes]


class _Answer(msgspec.Struct):
    text: str
    readable: bool = True


async def text_of(path: str, data: bytes) -> str:
    """As `texts.text_of`.

    Raises:
        Unreadable: it is none, damaged, or takes too much time or memory.
    """
    if not texts.packed(path):
        return await asyncio.to_thread(texts.text_of, path, data)
    return await _asked(_Question(path, "", {path: data}))


async def decided(check: str, files: Mapping[str, bytes]) -> str:
    """As `checks.decided`: the gap, also of a check that takes too much time or memory."""
    try:
        named = checks.parse(check)
    except ValueError:
        return checks.decided(check, {})
    mine = {path: files[path] for path in named.paths if path in files}
    if named.verb != "json_schema" and not texts.packed(named.path):
        return await asyncio.to_thread(checks.decided, check, mine)
    try:
        return await _asked(_Question(None, check, mine))
    except Unreadable as error:
        return f"{named.path} cannot be checked: {error}."


async def _asked(question: _Question) -> str:
    """Asks a process; while AT_ONCE others run, it waits."""
    told = msgspec.msgpack.encode(question)
    answer = await asyncio.get_running_loop().run_in_executor(_waiters, _run, told)
    if not answer.readable:
        raise Unreadable(answer.text)
    return answer.text


def _run(question: bytes) -> _Answer:
    command = [sys.executable, "-m", "amp.grading.apart", f"{TIME_S_MAX:g}", str(BYTES_MAX)]
    known = {"PYTHONPATH": os.pathsep.join([str(_SOURCE), *filter(None, sys.path)])}
    try:
        done = subprocess.run(  # noqa: S603  our own module
            command, input=question, capture_output=True, timeout=TIME_S_MAX, env=known, check=False
        )
    except subprocess.TimeoutExpired:
        return _Answer(f"it takes longer than {TIME_S_MAX:g} s", readable=False)
    if done.returncode:
        return _Answer("it takes too much time or memory", readable=False)
    return msgspec.msgpack.decode(done.stdout, type=_Answer)


def _answer(question: _Question) -> _Answer:
    if question.path is None:
        return _Answer(checks.decided(question.check, question.files))
    try:
        return _Answer(texts.text_of(question.path, question.files[question.path]))
    except Unreadable as error:
        return _Answer(str(error), readable=False)


def main(time_s_max: float, bytes_max: int) -> None:
    """Answers the question on stdin; what is over its limits ends the process."""
    with suppress(ValueError, OSError):  # a system that has no such limit: whoever asks waits no longer
        resource.setrlimit(resource.RLIMIT_CPU, (int(time_s_max) + 1, int(time_s_max) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))
    answer = _answer(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Question))
    answer.text = answer.text.encode("utf-8", "replace").decode()  # a PDF may hold halves of characters
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
