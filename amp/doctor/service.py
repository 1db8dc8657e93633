"""Whether a service answers where the settings say, which release it is, and whether it is ready."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any, cast

from amp import __version__
from amp.settings import Settings
from amp.store.finding import Finding, fail, ok, unknown, warn

WITHIN_S = 3.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  compared, not listened on


def findings(settings: Settings, *, here: bool) -> list[Finding]:
    """Every check; `here` when a service is known to run on this machine's data folder."""
    host, port = _EVERYWHERE.get(settings.host, settings.host), settings.port
    shown = f"{'[' + host + ']' if ':' in host else host}:{port}"
    if port == 0:
        why = "AMP_PORT is 0, a free one at each start"
        return [unknown("port", why), unknown("release", why), unknown("ready", why)]
    try:
        socket.create_connection((host, port), WITHIN_S).close()
    except OSError as error:
        return _nobody(shown, error, here=here)
    try:
        ready = _asked(host, port, "/readyz")
    except TimeoutError:
        fix = "It may be starting: run it again in some seconds; if it stays so, see the service's log."
        return [fail("port", f"something listens at {shown} and does not answer within {WITHIN_S:g} s", fix)]
    if "checks" not in ready:
        fix = "It is no amp: choose another port (--port, AMP_PORT), or stop what listens there."
        return [fail("port", f"{shown} is taken by something else", fix)]
    release = _release(_asked(host, port, "/schema/openapi.json"))
    return [ok("port", f"a service answers at {shown}"), release, _readiness(ready)]


def _nobody(shown: str, error: OSError, *, here: bool) -> list[Finding]:
    why = f"nothing answers at {shown} ({error.strerror or error})"
    if here:
        fix = "If it serves at another, say so: AMP_HOST and AMP_PORT, or --host and --port."
        found = warn("port", f"{why}, though a service has the data folder", fix)
    else:
        found = warn("port", why, "amp serve")
    return [found, unknown("release", "no service answers"), unknown("ready", "no service answers")]


def _release(document: dict[str, Any]) -> Finding:
    about: dict[str, Any] = document.get("info", {})
    version = about.get("version")
    if version is None:
        return unknown("release", "the service tells none")
    if version != __version__:
        found = f"the service is {version}, this command {__version__}"
        return warn(
            "release", found, "Restart the service with the release that is installed, or use its own."
        )
    return ok("release", f"{version}, as this command")


def _readiness(ready: dict[str, Any]) -> Finding:
    red = [each for each in ready["checks"] if not each.get("ok")]
    if red:
        named = "; ".join(f"{each['name']}: {each['found']}" for each in red)
        return fail("ready", f"/readyz is red: {named}", str(red[0].get("fix")))
    return ok("ready", f"/readyz is green, {len(ready['checks'])} checks")


def _asked(host: str, port: int, path: str) -> dict[str, Any]:
    """The JSON object that this path answers with; empty from what is not amp.

    Raises:
        TimeoutError: there is no answer in time.
    """
    connection = HTTPConnection(host, port, timeout=WITHIN_S)
    try:
        connection.request("GET", path)
        told: Any = json.loads(connection.getresponse().read())
    except TimeoutError:
        raise
    except (OSError, HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}
