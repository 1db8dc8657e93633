"""The page of all commands, from the command line itself."""

import html
from collections.abc import Iterable
from typing import Any

from typer.main import get_command

from amp.cli import cli
from amp.exits import EXIT_CODES

_HIDDEN = {"help", "install_completion", "show_completion"}

_BEFORE = """\
# Commands

Data goes to stdout, talk to stderr, and `--json` is for machines. Without `--env live` every command means test data.
Commands that read the store do so whether or not the service runs. `amp --help` and `amp COMMAND --help` tell the same.

"""


def page() -> str:
    """Every command with its arguments and options."""
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    table = f"| exit code | |\n| --- | --- |\n{codes}\n\n"
    return _BEFORE + table + "\n".join(_commands("amp", get_command(cli)))


def commands() -> list[str]:
    """The full name of every command."""
    return [name for name, _ in _leaves("amp", get_command(cli))]


def _leaves(name: str, command: Any) -> Iterable[tuple[str, Any]]:
    found = getattr(command, "commands", None)
    if not found:
        yield name, command
        return
    if getattr(command, "invoke_without_command", False):
        yield name, command
    for word, each in sorted(found.items()):
        if not each.hidden:
            yield from _leaves(f"{name} {word}", each)


def _commands(name: str, command: Any) -> Iterable[str]:
    for full, each in _leaves(name, command):
        arguments = "".join(
            f" {_metavar(parameter)}" for parameter in each.params if parameter.param_type_name == "argument"
        )
        yield from (f"## {full} {{ #{full.replace(' ', '-')} }}", "", f"`{full}{arguments}`", "")
        yield from ("\n\n".join(_unwrapped(each.help or "")), "")
        rows = [row for parameter in each.params if (row := _row(parameter))]
        if rows:
            yield from ("| option | |", "| --- | --- |", *rows, "")


def _unwrapped(text: str) -> Iterable[str]:
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.replace("\b", "").split())


def _row(parameter: Any) -> str:
    if parameter.name in _HIDDEN or getattr(parameter, "hidden", False):
        return ""
    text = _cell(getattr(parameter, "help", "") or "")
    if parameter.param_type_name == "argument":
        return f"| {_code(_metavar(parameter))} | {text} |"
    flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    told = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    written = _code(flags if parameter.is_flag else f"{flags} {_metavar(parameter)}")
    return f"| {written} | {text}{f' Default `{default}`.' if told else ''} |"


def _metavar(parameter: Any) -> str:
    """What stands for the value: our own word, or its name."""
    return parameter.metavar or parameter.name.upper()


def _code(text: str) -> str:
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
