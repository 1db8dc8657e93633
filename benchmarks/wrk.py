"""wrk as the load generator, where it is installed: https://github.com/wg/wrk."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import CONNECTIONS, Load, Refused

# the bodies are read once, before the clock starts; a body that holds a line break cannot be sent so
_SCRIPT = """
local requests, at = {}, 0
function init(args)
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. args[3] }
  for body in io.lines(args[1]) do
    if args[4] then headers["Idempotency-Key"] = string.format("%s%08d", args[4], #requests) end
    requests[#requests + 1] = wrk.format("POST", args[2], headers, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format("RESULT %d %d %d", summary.requests, summary.duration, failed))
end
"""
_RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+)$", re.MULTILINE)


def drive(port: int, path: str, bodies: Sequence[bytes], key: str, seconds: float, *, once: str = "") -> Load:
    """Sends the bodies in turn on 64 connections, each waiting for its answer, for so many seconds.

    With `once` each has an idempotency key of its own that begins so.
    """
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "script.lua"), Path(folder, "bodies")
        script.write_text(_SCRIPT)
        lines.write_bytes(b"\n".join(bodies))
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        told = subprocess.run(
            [
                "wrk",
                *options,
                f"http://127.0.0.1:{port}",
                "--",
                str(lines),
                path,
                key,
                *([once] if once else []),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = _RESULT.search(told)
    if not found or int(found[3]):
        raise Refused(told)
    return Load(int(found[1]), int(found[2]) / 1e6)
