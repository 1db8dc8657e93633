"""Criteria that code decides: `check: VERB PATH ...` over the files of a session.

    file_exists PATH                 contains PATH TEXT            matches PATH REGEX
    json_schema PATH SCHEMA_PATH     min_words PATH N              csv_column PATH NAME [numeric]

A path with spaces stands in quotes; TEXT, REGEX and NAME reach to the end of the line and may stand in
quotes.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import referencing
import regex
from jsonschema import Draft202012Validator, SchemaError, exceptions

from amp.grading.texts import Unreadable, text_of

MATCH_S_MAX = 1.0
"""A regular expression that takes longer has not matched."""
REGEX_LENGTH_MAX = 1_000
ROWS_MAX = 200_000

Files = Mapping[str, bytes]
"""The session's files that a check names, by path; what is not there does not exist."""


_validator: Any = Draft202012Validator  # their types say little
_exceptions: Any = exceptions
_nothing_else: Any = referencing  # a registry that fetches nothing


class Check(NamedTuple):
    """A check that was read."""

    verb: str
    path: str
    rest: str = ""
    """TEXT, REGEX, SCHEMA_PATH, N or NAME."""
    numeric: bool = False

    @property
    def paths(self) -> list[str]:
        """What it must see."""
        return [self.path, self.rest] if self.verb == "json_schema" else [self.path]


def parse(text: str) -> Check:
    """Reads a check.

    Raises:
        ValueError: it cannot be decided; the message says what to write.
    """
    words = text.strip()
    verb, _, after = words.partition(" ")
    if verb not in VERBS:
        raise ValueError(f"{verb or 'nothing'!r} is no check; known are {', '.join(VERBS)}")
    path, rest = _path(after.strip(), verb)
    usage = f"{verb} {VERBS[verb]}"
    if (verb == "file_exists") == bool(rest):
        raise ValueError(f"write it as {usage!r}")
    return _READ.get(verb, lambda check: check)(Check(verb, path, _unquoted(rest)))


def decide(check: Check, files: Files) -> str:
    """The gap; empty when the check passes."""
    data = files.get(check.path)
    if data is None:
        return f"{check.path} does not exist."
    try:
        return _DECIDE[check.verb](check, data, files)
    except Unreadable as error:
        return f"{check.path} cannot be read: {error}"


def decided(text: str, files: Files) -> str:
    """The gap of a check as it stands in the rubric; one that cannot be read is a gap."""
    try:
        return decide(parse(text), files)
    except ValueError as error:
        return f"The check cannot be read: {error}"


def normal(path: str) -> str:
    """A path as the session's files are named: relative to the outputs folder.

    Raises:
        ValueError: it leads out of the folder.
    """
    inner = path.strip().removeprefix(OUTPUTS).removeprefix("./")
    parts = [part.strip() for part in inner.split("/") if part.strip() not in {"", "."}]
    if not parts or inner.startswith("/") or ".." in parts or any(ord(c) < 32 or c == "\\" for c in inner):
        raise ValueError(f"{path!r} is no path inside {OUTPUTS}")
    return "/".join(parts)


OUTPUTS = "/mnt/session/outputs/"
"""The agent's name for the folder of its deliverables."""

VERBS = {
    "file_exists": "PATH",
    "contains": "PATH TEXT",
    "matches": "PATH REGEX",
    "json_schema": "PATH SCHEMA_PATH",
    "min_words": "PATH N",
    "csv_column": "PATH NAME [numeric]",
}


def _path(after: str, verb: str) -> tuple[str, str]:
    if after[:1] in {'"', "'"}:
        path, _, rest = after[1:].partition(after[0])
    else:
        path, _, rest = after.partition(" ")
    if not path:
        raise ValueError(f"write it as {f'{verb} {VERBS[verb]}'!r}")
    return normal(path), rest.strip()


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in {'"', "'"}
    return text[1:-1] if quoted else text


def _read_regex(check: Check) -> Check:
    if len(check.rest) > REGEX_LENGTH_MAX:
        raise ValueError(f"a regular expression has at most {REGEX_LENGTH_MAX} characters")
    try:
        regex.compile(check.rest)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"the regular expression is not one: {error}") from error
    return check


def _read_count(check: Check) -> Check:
    if not re.fullmatch(r"[0-9]{1,9}", check.rest):
        raise ValueError("N must be a whole number")
    return check


def _read_column(check: Check) -> Check:
    found = re.fullmatch(r"(?P<name>.+?)\s+numeric", check.rest)
    name = found["name"] if found else check.rest
    return check._replace(rest=_unquoted(name.strip()), numeric=bool(found))


_READ: dict[str, Callable[[Check], Check]] = {
    "matches": _read_regex,
    "min_words": _read_count,
    "csv_column": _read_column,
    "json_schema": lambda check: check._replace(rest=normal(check.rest)),
}


def _contains(check: Check, data: bytes, _: Files) -> str:
    return "" if check.rest in text_of(check.path, data) else f"{check.path} does not contain {check.rest!r}."


def _matches(check: Check, data: bytes, _: Files) -> str:
    text = text_of(check.path, data)
    try:
        found = regex.search(check.rest, text, regex.MULTILINE, timeout=MATCH_S_MAX, concurrent=True)
    except (TimeoutError, MemoryError):
        return f"{check.rest!r} took longer than {MATCH_S_MAX:g} s on {check.path}."
    return "" if found else f"{check.path} does not match {check.rest!r}."


def _min_words(check: Check, data: bytes, _: Files) -> str:
    count = len(text_of(check.path, data).split())
    return (
        ""
        if count >= int(check.rest)
        else f"{check.path} has {count} words, at least {check.rest} are asked for."
    )


def _json_schema(check: Check, data: bytes, files: Files) -> str:
    schema_bytes = files.get(check.rest)
    if schema_bytes is None:
        return f"The schema {check.rest} does not exist."
    document, schema = _json(check.path, data), _json(check.rest, schema_bytes)
    if _patterned(schema):
        return (
            f"The schema {check.rest} uses pattern: write a check `matches` instead, which has a time limit."
        )
    try:
        _validator.check_schema(schema)
        errors = _validator(schema, registry=_nothing_else.Registry()).iter_errors(document)
        error = _exceptions.best_match(errors)
    except SchemaError as wrong:
        return f"{check.rest} is no JSON Schema: {wrong}"[:500]
    except Exception as wrong:  # noqa: BLE001  a reference that leads nowhere, for one
        return f"{check.path} cannot be held against {check.rest}: {wrong}"
    return (
        f"{check.path} does not fit {check.rest}: {error.json_path}: {error.message[:300]}" if error else ""
    )


def _patterned(schema: Any) -> bool:
    """Whether a regular expression would run without a time limit."""
    if isinstance(schema, dict):
        found: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
        return bool({"pattern", "patternProperties"} & found.keys()) or any(map(_patterned, found.values()))
    return isinstance(schema, list) and any(map(_patterned, schema))  # pyright: ignore[reportUnknownArgumentType]


def _json(path: str, data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{path} is not JSON: {error}") from error


def _csv_column(check: Check, data: bytes, _: Files) -> str:
    reader = csv.reader(io.StringIO(text_of(check.path, data)))
    try:
        header = [cell.strip() for cell in next(reader, list[str]())]
        if check.rest not in header:
            known = ", ".join(map(repr, header[:20])) or "none"
            return f"{check.path} has no column {check.rest!r}; it has {known}."
        if not check.numeric:
            return ""
        place, rows = header.index(check.rest), 0
        for rows, row in enumerate(reader, 1):
            if any(row) and not _number(row[place] if place < len(row) else ""):
                cell = row[place] if place < len(row) else ""
                where = f"row {rows} of column {check.rest!r} of {check.path}"
                return f"{where} has {cell[:40]!r}, which is no number."
            if rows > ROWS_MAX:
                return f"{check.path} has more than {ROWS_MAX} rows."
    except csv.Error as error:
        return f"{check.path} is no CSV: {error}"
    return "" if rows else f"{check.path} has a header and no rows."


def _number(cell: str) -> bool:
    return re.fullmatch(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?\s*", cell) is not None


_DECIDE: dict[str, Callable[[Check, bytes, Files], str]] = {
    "file_exists": lambda _check, _data, _files: "",
    "contains": _contains,
    "matches": _matches,
    "min_words": _min_words,
    "json_schema": _json_schema,
    "csv_column": _csv_column,
}
