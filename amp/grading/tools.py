"""The tools of an agent that calls a model: files in the session's own folder, and nothing else.

A path is a name in the session's list of files, never a path of a disk: there is no way out, no link, no
shell. Workbooks and PDFs are read in a process apart and workbooks written in a thread: a large one takes
seconds, and the loop's leases do not wait.
"""

import asyncio
import csv
import io
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from amp.grading.apart import text_of
from amp.grading.checks import OUTPUTS, normal
from amp.grading.texts import Unreadable

FILE_BYTES_MAX = 32 << 20
FILES_MAX = 200
FOLDER_BYTES_MAX = 256 << 20
"""Of all files of a session."""
READ_LENGTH_MAX = 60_000
PATH_LENGTH_MAX = 255
_SHEETS_MAX = 50
_CELLS_MAX = 200_000
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold."""


class Folder(Protocol):
    """A session's deliverables, by normal path."""

    async def sizes(self) -> Mapping[str, int]:
        """Every file and its size in bytes."""
        ...

    async def read(self, path: str) -> bytes | None:
        """Its bytes; None when there is none."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Puts a file there, in place of the one that was."""
        ...


class Tool(NamedTuple):
    """What a model is told of a tool."""

    name: str
    description: str
    schema: dict[str, Any]


class Used(NamedTuple):
    """What came of using one."""

    text: str
    is_error: bool = False


class Misused(Exception):
    """The tool was asked for what it cannot do; the message is for the model."""


_PATH = {"type": "string", "description": f"Path below {OUTPUTS}, for example report.md."}
_ROWS: dict[str, Any] = {
    "type": "array",
    "description": "Rows, each a list of cells: text, numbers, true, false or null. The first is the header.",
    "items": {"type": "array", "items": {}},
}


def _object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TOOLS = (
    Tool("list_files", f"Lists the files in {OUTPUTS} with their sizes in bytes.", _object([])),
    Tool(
        "read_file",
        "Reads a file as text; of .xlsx and .pdf the text in it. Long files are cut.",
        _object(["path"], path=_PATH),
    ),
    Tool(
        "write_file",
        "Writes a text file, in place of the one that was there.",
        _object(["path", "content"], path=_PATH, content={"type": "string"}),
    ),
    Tool(
        "write_table",
        "Writes a table as .csv, or as .xlsx with one or more sheets, where a cell may be a =formula.",
        _object(
            ["path"],
            path=_PATH,
            rows=_ROWS,
            sheets={
                "type": "object",
                "description": "Instead of rows, for .xlsx: name of the sheet to rows.",
                "additionalProperties": _ROWS,
            },
        ),
    ),
)


async def use(folder: Folder, name: str, given: object) -> Used:
    """Uses a tool; a model that misuses one is told so and may try again."""
    run = _RUN.get(name)
    if run is None:
        return Used(f"There is no tool {name!r:.80}; there are {', '.join(_RUN)}.", is_error=True)
    if not isinstance(given, dict):
        return Used("The input must be an object.", is_error=True)
    try:
        return Used(await run(folder, cast("dict[str, Any]", given)))
    except Misused as error:
        return Used(str(error), is_error=True)


async def documents(folder: Folder) -> list[tuple[str, str]]:
    """Path and text of every file, for a grader; what has no text is named with its size."""
    found: list[tuple[str, str]] = []
    for path, size in sorted((await folder.sizes()).items()):
        data = await folder.read(path) or b""
        try:
            found.append((path, await text_of(path, data)))
        except Unreadable as error:
            found.append((path, f"({size:,} bytes; no text: {error})"))
    return found


async def _list(folder: Folder, _: dict[str, Any]) -> str:
    sizes = await folder.sizes()
    return "\n".join(f"{path}\t{size}" for path, size in sorted(sizes.items())) or "(no files)"


async def _read(folder: Folder, given: dict[str, Any]) -> str:
    path = _path(given)
    data = await folder.read(path)
    if data is None:
        raise Misused(f"{path} does not exist.")
    try:
        text = await text_of(path, data)
    except Unreadable as error:
        raise Misused(f"{path} cannot be read: {error}.") from error
    if len(text) <= READ_LENGTH_MAX:
        return text
    return f"{text[:READ_LENGTH_MAX]}\n[{len(text) - READ_LENGTH_MAX:,} characters are not shown]"


async def _write(folder: Folder, given: dict[str, Any]) -> str:
    path, content = _path(given), given.get("content")
    if not isinstance(content, str):
        raise Misused("content must be text.")
    if path.lower().endswith((".xlsx", ".xlsm", ".pdf")):
        raise Misused("This writes text; a workbook is written with write_table.")
    try:
        data = content.encode()
    except UnicodeEncodeError as error:
        raise Misused("content is no valid text.") from error
    return await _put(folder, path, data)


async def _table(folder: Folder, given: dict[str, Any]) -> str:
    path = _path(given)
    sheets = _sheets(given)
    if path.lower().endswith(".csv"):
        if len(sheets) != 1:
            raise Misused("A .csv has one table: give rows.")
        return await _put(folder, path, _csv(next(iter(sheets.values()))))
    if path.lower().endswith(".xlsx"):
        return await _put(folder, path, await asyncio.to_thread(_workbook, sheets))
    raise Misused("path must end in .csv or .xlsx.")


def _path(given: dict[str, Any]) -> str:
    path = given.get("path")
    if not isinstance(path, str) or len(path) > PATH_LENGTH_MAX:
        raise Misused(f"path must be text of at most {PATH_LENGTH_MAX} characters.")
    try:
        found = normal(path)
        found.encode()
    except ValueError as error:
        raise Misused(f"{error}.") from error
    return found


def _sheets(given: dict[str, Any]) -> dict[str, list[list[Any]]]:
    sheets: Any = given.get("sheets") or {"Sheet1": given.get("rows")}
    if not isinstance(sheets, dict) or not 0 < len(cast("dict[str, Any]", sheets)) <= _SHEETS_MAX:
        raise Misused(f"sheets must be an object of 1 to {_SHEETS_MAX} names to rows.")
    cells = 0
    for name, rows in cast("dict[str, Any]", sheets).items():
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in cast("list[Any]", rows)):
            raise Misused("rows must be a list of lists of cells.")
        if not 0 < len(name) <= 31 or any(letter in "[]:*?/\\'" or ord(letter) < 32 for letter in name):
            raise Misused("The name of a sheet has 1 to 31 characters, and none of []:*?/\\'.")
        cells += sum(len(row) for row in cast("list[list[Any]]", rows))
    if not 0 < cells <= _CELLS_MAX:
        raise Misused(f"A table has 1 to {_CELLS_MAX:,} cells.")
    return cast("dict[str, list[list[Any]]]", sheets)


def _csv(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[_cell(cell) for cell in row] for row in rows])
    return out.getvalue().encode("utf-8", "replace")


def _workbook(sheets: Mapping[str, list[list[Any]]]) -> bytes:
    from openpyxl import Workbook  # noqa: PLC0415  a fifth of a second, and few write workbooks

    # all of it before the first sheet is begun: openpyxl leaves one that fails half written, in a file
    checked = {name: [[_in_workbook(cell) for cell in row] for row in rows] for name, rows in sheets.items()}
    book = Workbook(write_only=True)
    for name, rows in checked.items():
        sheet: Any = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _in_workbook(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        raise Misused("A workbook has no cell that is not a finite number.")
    if isinstance(cell, str) and _ILLEGAL.search(cell):
        raise Misused("A cell of a workbook has no control characters.")
    return _cell(cell)


def _cell(cell: Any) -> Any:
    if cell is None or isinstance(cell, bool | float):
        return cell
    if isinstance(cell, int):
        return cell if abs(cell) < 1 << 53 else str(cell)
    if isinstance(cell, str) and len(cell) <= 32_767:
        return cell
    raise Misused("A cell is text of at most 32,767 characters, a number, true, false or null.")


async def _put(folder: Folder, path: str, data: bytes) -> str:
    if len(data) > FILE_BYTES_MAX:
        raise Misused(f"{path} would have {len(data):,} bytes, at most {FILE_BYTES_MAX:,}.")
    sizes = await folder.sizes()
    if path not in sizes and len(sizes) >= FILES_MAX:
        raise Misused(f"There are {FILES_MAX} files already, which is the most.")
    if sum(sizes.values()) - sizes.get(path, 0) + len(data) > FOLDER_BYTES_MAX:
        raise Misused(f"All files together would have more than {FOLDER_BYTES_MAX:,} bytes.")
    await folder.write(path, data)
    return f"Wrote {path} ({len(data):,} bytes)."


_RUN: dict[str, Callable[[Folder, dict[str, Any]], Awaitable[str]]] = {
    "list_files": _list,
    "read_file": _read,
    "write_file": _write,
    "write_table": _table,
}
