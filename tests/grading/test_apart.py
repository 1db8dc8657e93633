"""What an agent leaves may be a bomb: it costs its own check, and nobody else anything."""

import asyncio
import io
import json
import time
import zipfile

import pytest
from loops import MemoryFolder, outcome

from amp.grading import apart
from amp.grading.grader import Job, by_code
from amp.grading.rubric import freeze
from amp.grading.texts import Unreadable
from amp.grading.tools import documents
from amp.grading.types import Definition

DOUBLINGS = 40


def endless():
    """A schema of a kilobyte or two that takes 2 ** DOUBLINGS steps."""
    rules = {f"r{n}": {"allOf": [{"$ref": f"#/$defs/r{n + 1}"}] * 2} for n in range(DOUBLINGS)}
    return json.dumps({"$defs": rules | {f"r{DOUBLINGS}": {}}, "$ref": "#/$defs/r0"}).encode()


def swollen():
    """A workbook of a few kilobytes with four million rows."""
    from openpyxl import Workbook

    out, book = io.BytesIO(), io.BytesIO()
    Workbook().save(book)
    name = "xl/worksheets/sheet1.xml"
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(book) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.namelist():
            if each != name:
                after.writestr(each, before.read(each))
        rows = "<row/>" * 4_000_000
        after.writestr(name, f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>')
    return out.getvalue()


def job(folder, rubric):
    definition = Definition("outc_1", outcome()["description"], rubric, 3, freeze(rubric))
    return Job("sesn_1", "sevt_1", definition, 0, (), folder)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(apart, "TIME_S_MAX", 1.5)


@pytest.mark.usefixtures("hurried")
async def test_a_schema_without_end_is_a_gap_and_the_other_checks_are_decided():
    folder = MemoryFolder()
    folder.files = {"a.json": b"{}", "s.json": endless(), "b.md": b"one two"}
    given = job(folder, "- Fits `check: json_schema a.json s.json`\n- Is long `check: min_words b.md 2`")
    began_s = time.monotonic()
    gaps = await by_code(given, given.definition.criteria)
    assert "cannot be checked: it takes longer than 1.5 s" in gaps[1]
    assert not gaps[2]
    assert time.monotonic() - began_s < 10


@pytest.mark.usefixtures("hurried")
async def test_a_workbook_that_swells_is_named_and_the_loop_beats_on():
    folder = MemoryFolder()
    folder.files = {"a.xlsx": swollen(), "b.md": b"text"}
    reading = asyncio.create_task(documents(folder))
    pauses_s = []
    while not reading.done():
        before_s = time.monotonic()
        await asyncio.sleep(0.01)
        pauses_s.append(time.monotonic() - before_s)
    assert await reading == [
        ("a.xlsx", f"({len(folder.files['a.xlsx']):,} bytes; no text: it takes longer than 1.5 s)"),
        ("b.md", "text"),
    ]
    assert max(pauses_s) < 1


async def test_what_takes_too_much_memory_is_said_to(monkeypatch):
    monkeypatch.setattr(apart, "BYTES_MAX", 200 << 20)
    with pytest.raises(Unreadable):
        await apart.text_of("a.xlsx", swollen())


async def test_what_is_done_apart_is_as_it_would_be_here():
    files = {"a.json": b'{"n": "x"}', "s.json": b'{"properties": {"n": {"type": "integer"}}}'}
    gap = await apart.decided("json_schema a.json s.json", files)
    assert gap.startswith("a.json does not fit s.json: $.n")
    assert not await apart.decided("json_schema a.json s.json", files | {"a.json": b"{}"})
    assert await apart.decided("json_schema a.json s.json", {}) == "a.json does not exist."
    with pytest.raises(Unreadable, match="no workbook"):
        await apart.text_of("a.xlsx", b"PK")


async def test_the_process_apart_knows_no_key_of_ours(monkeypatch):
    told = {}

    def run(*_, env, **__):
        told.update(env)
        raise apart.subprocess.TimeoutExpired("", 1)

    monkeypatch.setenv("AMP_LLM_API_KEY", "secret")
    monkeypatch.setattr(apart.subprocess, "run", run)
    with pytest.raises(Unreadable):
        await apart.text_of("a.pdf", b"")
    assert set(told) == {"PYTHONPATH"}
