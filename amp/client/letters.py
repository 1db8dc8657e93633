"""Dead letters: what can never be delivered is written where a person finds it, a JSON object a line."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from amp.client.entries import Entry
from amp.client.tally import Tally
from amp.errors import AmpError

BYTES_MAX = 64 << 20
"""Then nothing more is kept: what came first tells most, and nobody looked."""


def add(path: Path, entry: Entry, error: AmpError, tally: Tally) -> None:
    """Adds one, with why it was refused; a file that cannot be written is said."""
    letter: dict[str, Any] = {
        "at": time.time(),
        "code": error.code,
        "message": str(error),
        "kind": entry.kind,
    }
    try:
        letter["body"] = msgspec.Raw(entry.body())
    except Exception:  # noqa: BLE001  what is no JSON is told as Python would print it
        letter["body"] = _printed(entry.said)
    line = msgspec.json.encode(letter) + b"\n"
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(file, "ab", buffering=0) as letters:  # in one write: several processes may add
            if letters.tell() + len(line) <= BYTES_MAX:
                letters.write(line)
                return
        tally.add("unkept")
        tally.warn_once("full", "refused reports are not kept any more: %s has %d bytes", path, BYTES_MAX)
    except OSError as trouble:
        tally.warn_once("letters", "a report that was refused could not be kept: %s", trouble)


def _printed(said: object) -> str:
    try:
        return repr(said)
    except Exception as odd:  # noqa: BLE001  nor must the host's own objects stop it
        return f"cannot be printed: {type(odd).__name__}"
