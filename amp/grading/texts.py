"""The text of a deliverable, for checks and graders: plain text, .csv, .xlsx and .pdf."""

import csv
import io
import zipfile
from typing import Any

TEXT_LENGTH_MAX = 2_000_000
_UNPACKED_BYTES_MAX = 200 << 20
_CELLS_MAX = 400_000
_PAGES_MAX = 500


class Unreadable(Exception):
    """There is no text in it that we can read."""


def packed(path: str) -> bool:
    """Whether its text must be unpacked, which may take long."""
    return _kind(path) in {"xlsx", "xlsm", "pdf"}


def _kind(path: str) -> str:
    return path.rpartition(".")[2].lower()


def text_of(path: str, data: bytes) -> str:
    """The text, cut at TEXT_LENGTH_MAX characters.

    Raises:
        Unreadable: it is none, or damaged.
    """
    if packed(path):
        return _pdf(data) if _kind(path) == "pdf" else _workbook(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not text in UTF-8 ({len(data):,} bytes)") from error
    if "\0" in text:
        raise Unreadable(f"it is not text ({len(data):,} bytes)")
    return text[:TEXT_LENGTH_MAX]


def _workbook(data: bytes) -> str:
    """Each sheet as CSV under its name; a formula as it is written, with the value that it was saved with."""
    from openpyxl import load_workbook  # noqa: PLC0415  a fifth of a second, and few read workbooks

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(each.file_size for each in packed.infolist()) > _UNPACKED_BYTES_MAX:
                raise Unreadable("it is too large when unpacked")  # noqa: TRY301  beside what it measures
        formulas = load_workbook(io.BytesIO(data), read_only=True)
        values = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        return _sheets(formulas, values)
    except Unreadable:
        raise
    except Exception as error:  # a damaged workbook fails in any way whatever
        raise Unreadable(f"it is no workbook: {error}") from error


def _sheets(formulas: Any, values: Any) -> str:
    out, cells = io.StringIO(), 0
    writer = csv.writer(out, lineterminator="\n")
    for name in formulas.sheetnames:
        out.write(f"## Sheet {name}\n")
        pairs = zip(formulas[name].iter_rows(), values[name].iter_rows(), strict=False)
        for written, shown in pairs:
            cells += len(written)
            if cells > _CELLS_MAX or out.tell() > TEXT_LENGTH_MAX:
                return out.getvalue()[:TEXT_LENGTH_MAX]
            writer.writerow([_cell(a.value, b.value) for a, b in zip(written, shown, strict=False)])
    return out.getvalue()[:TEXT_LENGTH_MAX]


def _cell(written: Any, shown: Any) -> str:
    if written is None:
        return ""
    text = str(written)
    if text.startswith("=") and shown is not None and str(shown) != text:
        return f"{text} [{shown}]"
    return text


def _pdf(data: bytes) -> str:
    from pypdf import PdfReader  # noqa: PLC0415  as above

    try:
        parts: list[str] = []
        length = 0
        for number, page in enumerate(PdfReader(io.BytesIO(data)).pages[:_PAGES_MAX], 1):
            parts.append(f"## Page {number}\n{page.extract_text()}\n")
            length += len(parts[-1])
            if length > TEXT_LENGTH_MAX:
                break
        return "".join(parts)[:TEXT_LENGTH_MAX]
    except Exception as error:  # a damaged file fails in any way whatever
        raise Unreadable(f"it is no PDF that can be read: {error}") from error
