"""Every way a command can end that is not the success of it, one class each.

CommandFailed          1  refused, or failed while running
├── StoreMissing       3  no store: none installed, none answering, or it does not start
└── SettingsRefused    4  a setting, the settings file or the data folder cannot be used

0 is success, and 2 belongs to the command line itself (unknown command, missing or malformed option).
"""

from typing import ClassVar


class CommandFailed(Exception):
    """What an operator reads when a command ends early: what is wrong, then what to do about it."""

    exit_code: ClassVar[int] = 1


class StoreMissing(CommandFailed):
    exit_code = 3


class SettingsRefused(CommandFailed):
    exit_code = 4


EXIT_CODES = {
    0: "done",
    CommandFailed.exit_code: "refused or failed",
    2: "the command line is wrong",
    StoreMissing.exit_code: "the store cannot be reached or started",
    SettingsRefused.exit_code: "a setting or the data folder cannot be used",
}
