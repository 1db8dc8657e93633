"""The data folder, the secret, and the file of settings, looked at without changing them."""

import os
import shutil
import stat
import tomllib
from pathlib import Path

from amp.parse import without_password
from amp.settings import SECRET_LENGTH_MIN, SECRETS, Settings
from amp.store.finding import Finding, fail, ok, size, unknown, warn

ROOM_FAIL_BYTES = 256 << 20
ROOM_WARN_BYTES = 2 << 30
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def findings(settings: Settings, file: Path | None, *, log_bytes: int = 0) -> list[Finding]:
    """Every check; `file` is the amp.toml in force, `log_bytes` the log's of a store that is here."""
    folder = settings.data
    return [_folder(folder), _room(folder, log_bytes), _secret(settings), _settings_file(file)]


def _folder(folder: Path) -> Finding:
    try:
        state = folder.stat()
    except FileNotFoundError:
        return warn("folder", f"{folder} is not there yet", "amp serve makes it.")
    except OSError as error:
        return fail("folder", f"{folder}: {error.strerror}", f"sudo chown -R $USER {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return fail("folder", f"{folder} cannot be written to by this user", f"sudo chown -R $USER {folder}")
    if state.st_mode & _OTHERS:
        mode = stat.S_IMODE(state.st_mode)
        return warn("folder", f"{folder} is open to others ({mode:04o})", f"chmod 700 {folder}")
    return ok("folder", f"{folder} is ours alone")


def _room(folder: Path, log_bytes: int) -> Finding:
    """A rewrite of the log needs its size again; a full disk ends a store that waits for each write."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    if there is None:
        return unknown("disk room", f"nothing of {folder} is there")
    try:
        total, _, free = shutil.disk_usage(there)
    except OSError as error:
        return unknown("disk room", f"{there}: {error.strerror}")
    found = f"{size(free)} of {size(total)} free"
    fix = "Make room, or move the folder (--data): a full disk stops the store."
    if free < ROOM_FAIL_BYTES:
        return fail("disk room", found, fix)
    if free < max(ROOM_WARN_BYTES, log_bytes):
        return warn("disk room", f"{found}, the store's log has {size(log_bytes)}", fix)
    return ok("disk room", found)


def _secret(settings: Settings) -> Finding:
    file = settings.data / "secret"
    try:
        kept = file.read_text(encoding="utf-8").strip() if file.exists() else None
    except OSError as error:
        return fail("secret", f"{file}: {error.strerror}", f"sudo chown $USER {file}")
    if settings.secret:
        return _given(settings, settings.secret, kept)
    return _no_secret(settings, file) if kept is None else _kept(file, kept)


def _given(settings: Settings, secret: str, kept: str | None) -> Finding:
    if kept and kept != secret and not settings.redis:
        fix = f"Set AMP_SECRET to what {settings.data / 'secret'} holds, or make all keys anew."
        return warn("secret", "AMP_SECRET is not what the folder holds: keys of one end with the other", fix)
    return ok("secret", f"AMP_SECRET, {len(secret)} characters")


def _kept(file: Path, kept: str) -> Finding:
    if stat.S_IMODE(file.stat().st_mode) & _OTHERS:
        return fail("secret", f"{file} can be read by others", f"chmod 600 {file}, then make all keys anew.")
    if len(kept) < SECRET_LENGTH_MIN:
        fix = (
            f"Put it back from a backup; a new one has {SECRET_LENGTH_MIN} characters or more, and new keys."
        )
        return fail("secret", f"{file} has {len(kept)} characters", fix)
    return ok("secret", f"{file}, {len(kept)} characters, ours alone")


def _no_secret(settings: Settings, file: Path) -> Finding:
    if (settings.data / "store" / "appendonlydir").exists():
        fix = "Put it back from a backup, or set AMP_SECRET to what it held."
        return fail("secret", f"{file} is gone, and no key of this data works without it", fix)
    return warn("secret", "none yet", "amp serve makes one at its first start.")


def _settings_file(file: Path | None) -> Finding:
    if file is None:
        return ok("amp.toml", "there is none")
    try:
        text, mode = file.read_text(encoding="utf-8"), stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        return unknown("amp.toml", f"{file}: {error.strerror}")
    kept = _secrets_in(text)
    if kept and mode & _OTHERS:
        found = f"{file} holds {' and '.join(kept)} and is open to others ({mode:04o})"
        return fail("amp.toml", found, f"chmod 600 {file}, then change what it held.")
    return ok("amp.toml", f"{file}{', with secrets, ours alone' if kept else ', nothing secret in it'}")


def _secrets_in(text: str) -> list[str]:
    """What in the file is nobody else's business; it was read as TOML before."""
    content = tomllib.loads(text)
    urls = [
        name
        for name, value in content.items()
        if name not in SECRETS and without_password(str(value)) != str(value)
    ]
    return [name for name in SECRETS if content.get(name)] + [f"the password in {name}" for name in urls]
