"""What an operator can set: default < amp.toml < AMP_* environment < command-line flag.

A setting is one line of `Settings`: its name, default, sentence and parser. `outcome_window_ms` is
AMP_OUTCOME_WINDOW in the environment, `outcome_window` in amp.toml and `--outcome-window` as a flag.
"""
# ruff: noqa: RUF009  `_setting` makes a field with an immutable default, as `field` itself does

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import platformdirs

from amp import parse
from amp.exits import SettingsRefused

PREFIX = "AMP_"
CONFIG = "AMP_CONFIG"
SECRET_LENGTH_MIN = 32
_OF_THE_CLIENT = ("AMP_API_KEY", "AMP_BASE_URL")
FILE = "amp.toml"
SECRETS = ("secret", "llm_api_key")

Value = TypeVar("Value")


class Row(NamedTuple):
    """One setting, for documentation."""

    name: str
    default: str
    doc: str


def _setting(default: str, parser: Callable[[str], Value], doc: str) -> Value:
    """A field of `Settings`; an empty default is "not set" and parses to None."""
    value = parser(default) if default else None
    metadata = {"default": default, "parse": parser, "doc": doc}
    return cast("Value", field(default=value, metadata=metadata))


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """Every setting, parsed."""

    host: str = _setting("127.0.0.1", parse.text, "Address to listen on; 0.0.0.0 is every network.")
    port: int = _setting("8000", parse.whole(0, 65535), "Port to listen on; 0 takes a free one.")
    data: Path = _setting(
        platformdirs.user_data_dir("amp", appauthor=False),
        parse.path,
        "Folder of the embedded store, its log, the secret, and the ledger's chain heads.",
    )
    redis: str | None = _setting(
        "",
        parse.store_url,
        "Redis or Valkey to use instead of the embedded store (`redis://host:6379/0`; "
        "`redis+sentinel://one:26379,two:26379/SERVICE/0`; `redis+cluster://one:6379,two:6379`).",
    )
    ack_replicas: int = _setting(
        "0",
        parse.whole(0, 16),
        "Replicas that must have a write before it is answered; 0 waits for none. Needs `AMP_REDIS`.",
    )
    workers: int = _setting("1", parse.whole(1, 256), "Worker processes.")
    drain_ms: int = _setting(
        "6s",
        parse.pause_ms,
        "How long a service that is to stop waits for others to notice; longer than your readiness checks.",
    )
    durability: str = _setting(
        "always",
        parse.one_of("always", "everysec"),
        "When the embedded store writes to disk: `always` before each answer, `everysec` may lose a second.",
    )
    rate_limit: int = _setting(
        "0", parse.whole(0, 1_000_000_000), "Requests a key may make in a minute; 0 is no limit."
    )
    monthly_quota: int = _setting(
        "0",
        parse.whole(0, 1_000_000_000_000),
        "Decisions a tenant may ask in a calendar month (UTC), live and test each; 0 is no quota.",
    )
    policy: str = _setting(
        "hierarchical",
        parse.one_of("hierarchical", "beta"),
        "What decides: the model, or `beta`, counts of each user alone; a tenant's own policy goes first.",
    )
    control_share: float = _setting(
        "0.05",
        parse.share,
        "Share of users who get the population's default, to measure the gain; live keys.",
    )
    outcome_window_ms: int = _setting(
        "24h", parse.duration_ms, "How long after a context its outcome counts."
    )
    bridge_window_ms: int = _setting(
        "30d", parse.duration_ms, "How long after a context a job's outcome or a grade may teach it."
    )
    explore_floor: float = _setting("0.01", parse.share, "Share of decisions drawn uniformly.")
    log_retention_ms: int = _setting("30d", parse.duration_ms, "How long events stay in the log.")
    llm_base_url: str | None = _setting(
        "",
        parse.http_url,
        "OpenAI-compatible service of agents and graders `openai:NAME`, with its path (`http://host:8080/v1`).",
    )
    llm_api_key: str | None = _setting("", parse.text, "Its key, if it wants one.")
    llm_model: str | None = _setting(
        "", parse.text, "What it calls the model of agents whose `model` names no provider."
    )
    llm_timeout_ms: int = _setting("2m", parse.duration_ms, "How long one answer of a model may take.")
    grader_model: str | None = _setting(
        "", parse.text, "Who grades, when the agent's metadata names no `grader`; else the agent's own model."
    )
    grader_mode: str = _setting(
        "all",
        parse.one_of("all", "each"),
        "Whether a grader judges all criteria at once, or `each` in a context of its own.",
    )
    grader_heartbeat_seconds: float = _setting(
        "5", parse.seconds(0.05, 300), "Between the signs of life of a grader at work."
    )
    grading_plugins: str | None = _setting(
        "", parse.callables, "Callables that may play `python:pkg.mod:fn`, separated by commas."
    )
    grading_scripts: int = _setting(
        "0",
        parse.whole(0, 1),
        "1 lets agents of the model `script` play a plan: for tests and demonstrations.",
    )
    secret: str | None = _setting(
        "",
        parse.text_of(SECRET_LENGTH_MIN),
        "What keys and request ids are sealed with; made in the data folder, needed with `AMP_REDIS`.",
    )

    def __repr__(self) -> str:
        """Never shows the secret, nor the password in a store's URL."""
        shown = vars(self) | {
            "secret": self.secret and "***",
            "llm_api_key": self.llm_api_key and "***",
            "redis": self.redis and parse.without_password(self.redis),
        }
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def environment(self) -> dict[str, str]:
        """The AMP_* variables from which a child process loads these very settings."""
        given = {
            name_of(item): f"{value}ms" if item.name.endswith("_ms") else str(value)
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        }
        return given | {
            CONFIG: os.devnull
        }  # an amp.toml edited while we run must not meet a restarted worker


def load(
    environ: Mapping[str, str], *, flags: Mapping[str, str | None] | None = None, folder: Path | None = None
) -> Settings:
    """The settings in force; `flags` are named like the fields, without `_ms`; None is "not given".

    Raises:
        SettingsRefused: an unknown name or a bad value, and what was meant or is allowed.
    """
    raw = sources(environ, flags or {}, folder or Path())
    known = {name_of(item): item for item in fields(Settings)}
    values = {known[name].name: parsed(known[name], *given) for name, given in raw.items()}
    settings = Settings(**values)
    if settings.redis and not settings.secret:
        raise SettingsRefused(
            f"AMP_SECRET is needed with AMP_REDIS: at least {SECRET_LENGTH_MIN} characters, the same "
            'on every machine. Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return settings


def table() -> list[Row]:
    """Every setting, and where more of them may stand, with its default and one line of documentation."""
    shown = {"data": "the platform's user data folder", "secret": "made at first start"}
    return [
        Row(
            name_of(item),
            shown.get(item.name) or str(item.metadata["default"]) or "not set",
            str(item.metadata["doc"]),
        )
        for item in fields(Settings)
    ] + [Row(CONFIG, f"{FILE} if it is there", "File of settings; one that is named must be there.")]


def sources(
    environ: Mapping[str, str], flags: Mapping[str, str | None], folder: Path
) -> dict[str, tuple[str, str]]:
    """What is set anywhere, by the variable's name: what says so, and what it says."""
    return (
        _of_file(environ, folder)
        | _of_environment(environ)
        | {
            PREFIX + name.upper(): ("--" + name.replace("_", "-"), value)
            for name, value in flags.items()
            if value is not None
        }
    )


def name_of(item: Field[Any]) -> str:
    return PREFIX + item.name.removesuffix("_ms").upper()


def parsed(item: Field[Any], source: str, value: str) -> Any:
    try:
        return item.metadata["parse"](value.strip())
    except ValueError as error:
        shown = "the value given" if item.name in SECRETS else repr(value)
        raise SettingsRefused(f"{source}: {error}, not {shown}.") from error


def _of_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    known = [name_of(item) for item in fields(Settings)]
    for name in given:
        if name not in (*known, CONFIG, *_OF_THE_CLIENT):
            _refuse_name(f"{name} is not a setting", name, [*known, CONFIG])
    # set to nothing is not set: that is how compose files pass on a variable that nobody gave
    return {name: (name, given[name]) for name in known if given.get(name, "").strip()}


def _of_file(environ: Mapping[str, str], folder: Path) -> dict[str, tuple[str, str]]:
    asked = environ.get(CONFIG)
    file = folder / (asked or FILE)
    if not asked and not file.exists():
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"{file} cannot be read: {error}") from error
    known = {name_of(item).removeprefix(PREFIX).lower(): name_of(item) for item in fields(Settings)}
    for key, value in content.items():
        if key not in known:
            _refuse_name(f"{key!r} in {file} is not a setting", key, list(known))
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise SettingsRefused(f"{key} in {file}: must be a string or a number.")
    return {
        known[key]: (f"{key} in {file}", str(value)) for key, value in content.items() if str(value).strip()
    }


def _refuse_name(what: str, name: str, known: list[str]) -> None:
    told = {each.removeprefix(PREFIX): each for each in known}  # what all share makes all look alike
    near = get_close_matches(name.removeprefix(PREFIX), told, n=1, cutoff=0.5)
    hint = f"did you mean {told[near[0]]}?" if near else f"known are {', '.join(known)}."
    raise SettingsRefused(f"{what}; {hint}")
