"""What an operator writes, as a value; a ValueError says what is allowed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z"
"""A number in plain digits. Python's own may have `_` between digits, digits of any script, and blanks."""
NO_NUMBER = "must be a number in plain digits, such as 12.50"
_DURATION = re.compile(r"([0-9]{1,13})(ms|s|m|h|d)")  # 13 digits: the longest duration in milliseconds
_CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
PAUSE_MS_MAX = 3_600_000
DURATION_MS_MAX = 36_500 * _UNIT_MS["d"]
_SCHEMES = ("redis", "rediss", "unix")
_SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
_PORT, _SENTINEL_PORT = 6379, 26379


class SentinelUrl(NamedTuple):
    """A store that sentinels watch: where they are, which of their services, and how to enter both."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None
    sentinel_username: str | None
    sentinel_password: str | None
    tls: bool
    """To the sentinels and to the store."""


def text(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def text_of(length_min: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if len(value) < length_min:
            raise ValueError(f"must have at least {length_min} characters")
        return value

    return parse


def path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def decimal(value: str) -> Decimal:
    """A number in plain digits, exact."""
    if not re.search(NUMBER, value):
        raise ValueError(NO_NUMBER)
    return Decimal(value)


def share(value: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("must be a number from 0 to 1")
    return number


def seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return number

    return parse


def http_url(value: str) -> str:
    if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname:
        raise ValueError("must start with http:// or https://")
    return value


def callables(value: str) -> str:
    """`pkg.mod:fn`, several separated by commas."""
    if not all(_CALLABLE.fullmatch(each.strip()) for each in value.split(",")):
        raise ValueError("must be names such as pkg.mod:fn, separated by commas")
    return value


def duration_ms(value: str) -> int:
    """`90s`, `15m`, `24h`, `30d` or `500ms`, in milliseconds; at most 100 years."""
    match = _DURATION.fullmatch(value)
    duration = int(match[1]) * _UNIT_MS[match[2]] if match else 0
    if not 0 < duration <= DURATION_MS_MAX:
        raise ValueError("must be a duration such as 90s, 15m, 24h or 30d, at most 36500d (100 years)")
    return duration


def pause_ms(value: str) -> int:
    """A duration of at most an hour, which may be nothing, in milliseconds."""
    if value in {"0", "0s", "0ms"}:
        return 0
    pause = duration_ms(value)
    if pause > PAUSE_MS_MAX:
        raise ValueError("must be a duration such as 500ms or 15s, at most 60m, or 0")
    return pause


def moment_ms(value: str, now_ms: int) -> int:
    """A duration from now, or an ISO date (its midnight) or time, UTC unless it says otherwise."""
    if _DURATION.fullmatch(value):
        return now_ms + duration_ms(value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("must be a duration such as 30d or a date such as 2030-01-31") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def store_url(value: str) -> str:
    """Raises `ValueError` unless it is one."""
    if is_sentinel(value):
        sentinel_url(value)
    elif is_cluster(value):
        cluster(value)
    elif urlsplit(value).scheme not in _SCHEMES:
        raise ValueError(
            "must start with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
        )
    return value


def is_sentinel(url: str) -> bool:
    return urlsplit(url).scheme in _SENTINEL_SCHEMES


def sentinel_url(value: str) -> SentinelUrl:
    """`redis+sentinel://[user:password@]host[:port],host[:port]/SERVICE[/DB][?sentinel_password=...]`."""
    parts = urlsplit(value)
    user, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    service, _, db = parts.path.removeprefix("/").partition("/")
    if not service:
        raise ValueError(
            "must name the service that the sentinels watch: redis+sentinel://HOST:26379/SERVICE"
        )
    if db and not re.fullmatch(r"[0-9]{1,6}", db):
        raise ValueError("must end with the number of a database behind the service, such as /mymaster/0")
    asked = _sentinel_words(parts)
    return SentinelUrl(
        tuple(_host(each, _SENTINEL_PORT) for each in hosts.split(",")),
        unquote(service),
        int(db or 0),
        unquote(username) or None,
        unquote(password) or None,
        asked.get("sentinel_username"),
        asked.get("sentinel_password"),
        parts.scheme.startswith("rediss"),
    )


def _sentinel_words(parts: SplitResult) -> dict[str, str]:
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not asked.keys() <= {"sentinel_username", "sentinel_password"}:
        raise ValueError("may only ask for sentinel_username and sentinel_password behind the '?'")
    return asked


class Cluster(NamedTuple):
    """How to reach a Redis or Valkey Cluster."""

    nodes: tuple[tuple[str, int], ...]
    """Some of its nodes, as host and port: they know the others."""
    tls: bool
    username: str | None
    password: str | None


def is_cluster(url: str) -> bool:
    """Whether a store's URL is a cluster's."""
    return urlsplit(url).scheme in _CLUSTER_SCHEMES


def cluster(url: str) -> Cluster:
    """`redis+cluster://user:password@host:port,host:port`, or `rediss+cluster://` over TLS.

    Raises:
        ValueError: says what is allowed.
    """
    scheme, _, rest = url.partition("://")
    if "?" in rest or "#" in rest or rest.partition("/")[2] not in {"", "0"}:
        raise ValueError("of a cluster must end with its nodes: a cluster has no databases and no options")
    login, _, hosts = rest.partition("/")[0].rpartition("@")
    username, _, password = login.partition(":")
    return Cluster(
        tuple(_host(each, _PORT) for each in hosts.split(",")),
        scheme.startswith("rediss"),
        unquote(username) or None,
        unquote(password) or None,
    )


def _host(written: str, port: int) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::([0-9]{1,5}))?", written)
    if not match or not 0 < int(match[2] or port) < 65_536:
        raise ValueError(f"must list hosts as HOST:PORT, separated by commas, not {written!r}")
    return match[1].strip("[]"), int(match[2] or port)


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    return re.sub(r"password=[^&]*", "password=***", re.sub(r"://[^@/]*@", "://***@", url))
