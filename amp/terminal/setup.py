"""Writes a systemd unit and its file of settings, with a secret, for a machine that serves."""

import os
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from amp.exits import CommandFailed
from amp.origins import in_force
from amp.settings import CONFIG, Settings, load, sources, table
from amp.store.folder import SOCKET_BYTES_MAX
from amp.terminal import talk
from amp.terminal.envfile import envfile
from amp.terminal.unit import ENV_FILE, TEMPORARY, Place, unit

DATA = "/var/lib/amp"
ENV, UNIT = "amp.env", "amp.service"
DATA_LENGTH_MAX = SOCKET_BYTES_MAX - len(f"/{TEMPORARY}/amp-12345678/store.sock")


_PLAIN = re.compile(r"[A-Za-z0-9_./@+-]+")


class Made(NamedTuple):
    """What was written, and what comes next."""

    files: list[Path]
    commands: list[str]
    """For root's shell."""
    remarks: list[str]


def write(out: Path, user: str, flags: Mapping[str, str | None], *, force: bool) -> Made:
    """Writes both files to the folder; what is set here, by whatever means, is set there.

    Raises:
        CommandFailed: one is there already, or the folder cannot be written to.
        SettingsRefused: a setting is wrong.
    """
    program, given = _program(), dict(flags) | {"data": flags.get("data") or DATA}
    in_force(os.environ, flags=given)  # a bad value is refused by the name of what says it
    values = {name: value.strip() for name, (_, value) in sources(os.environ, given, Path()).items()}
    kept = secret_in(out / ENV) or _of_folder(Path(values["AMP_DATA"]))
    values.setdefault("AMP_SECRET", kept or secrets.token_urlsafe(48))
    settings = load(values | {CONFIG: os.devnull})
    values["AMP_DATA"] = str(settings.data)
    place = _place(settings, program, user)
    _check(place)
    texts = {ENV: envfile(table(), values, temporary=place.data / TEMPORARY), UNIT: unit(place)}
    there = [out / name for name in texts if (out / name).exists()]
    if there and not force:
        raise CommandFailed(
            f"{there[0]} is there already. Keep it, or write both anew with --force: their secret stays."
        )
    files = [_written(out / name, text) for name, text in texts.items()]
    return Made(files, _commands(place, out), _remarks(place, kept=kept))


def show(made: Made, *, as_json: bool) -> None:
    """The files to stdout, what to do with them to stderr."""
    if as_json:
        return talk.write_json({"files": [str(each) for each in made.files], "commands": made.commands})
    for each in made.files:
        talk.write(str(each))
    for remark in made.remarks:
        talk.say(remark)
    talk.say("\nLook at both, then as root:\n")
    for command in made.commands:
        talk.say(f"  {command}")
    return talk.say(
        "\nThe file of settings holds the secret: without it no key works. Keep a copy elsewhere."
    )


def _program() -> Path:
    beside = Path(sys.executable).parent / "amp"
    found = str(beside) if beside.exists() else shutil.which("amp")
    if found is None:
        raise CommandFailed("The command amp is not installed where this Python is: pip install amp.")
    return Path(found).absolute()


def _place(settings: Settings, program: Path, user: str) -> Place:
    drain_s = settings.drain_ms / 1000
    return Place(
        program, (Path(sys.prefix), Path(sys.base_prefix)), settings.data, user, settings.port, drain_s
    )


def _check(place: Place) -> None:
    """Raises `CommandFailed` for what a unit or a shell reads as several words, or a socket cannot lie in."""
    words = {"data folder": str(place.data), "command's path": str(place.program), "user": place.user}
    for what, word in words.items():
        if not _PLAIN.fullmatch(word):
            raise CommandFailed(f"The {what} {word!r} may have letters, digits and . _ / @ + - only.")
    more = len(str(place.data)) - DATA_LENGTH_MAX
    if more > 0:
        raise CommandFailed(
            f"The data folder {place.data} is too long by {more} characters: "
            "the socket of the store lies in it, and the path of a socket must be short."
        )


def secret_in(file: Path) -> str | None:
    """Of a file of settings that `write` made before."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.removeprefix("AMP_SECRET=") for line in lines if line.startswith("AMP_SECRET=")]
    return "".join(shlex.split(found[-1])) or None if found else None


def _of_folder(data: Path) -> str | None:
    """That of data which is there already, if we may read it: its keys go on working."""
    try:
        return (data / "secret").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _written(file: Path, text: str) -> Path:
    """Made readable by us alone before anything is in it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8") as opened:
            os.fchmod(opened.fileno(), 0o600 if file.name == ENV else 0o644)
            opened.write(text)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.") from error
    return file.absolute()


def _commands(place: Place, out: Path) -> list[str]:
    """In this order: the first key is made before the first start, which else shows one in its journal."""
    user, data = shlex.quote(place.user), shlex.quote(str(place.data))
    amp, env = shlex.quote(str(place.program)), shlex.quote(str((out / ENV).absolute()))
    service = shlex.quote(str((out / UNIT).absolute()))
    return [
        f"useradd --system --user-group --home-dir {data} --shell /usr/sbin/nologin {user}",
        f"install -D -m 600 -o {user} -g {user} {env} {ENV_FILE}",
        f"install -m 644 {service} /etc/systemd/system/{UNIT}",
        f"install -d -m 700 -o {user} -g {user} {data} {data}/{TEMPORARY}",
        f"runuser -u {user} -- sh -c 'set -a; . {ENV_FILE}; cd {data}; exec {amp} keys create --env live'",
        "systemctl daemon-reload",
        "systemctl enable --now amp",
        f"runuser -u {user} -- sh -c 'set -a; . {ENV_FILE}; cd {data}; exec {amp} doctor'",
    ]


def closed_to_others(file: Path) -> Path | None:
    """The first folder on the way to the file that not everybody may go through."""
    return next((each for each in reversed(file.parents) if not each.stat().st_mode & 0o001), None)


def _remarks(place: Place, *, kept: str | None) -> list[str]:
    remarks = ["The secret is the one that was there before: its keys go on working."] if kept else []
    closed = closed_to_others(place.program) or closed_to_others(Path(sys.executable).resolve())
    if closed:
        remarks.append(
            f"{closed} is closed to others, so {place.user} cannot run {place.program}. "
            "Install amp with a Python that every user can run: /usr/bin/python3 -m venv /opt/amp"
        )
    return remarks
