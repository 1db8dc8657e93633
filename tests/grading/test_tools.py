"""The agent's tools: files in its own folder, and the text of what lies there."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import MemoryFolder

from amp.grading.texts import Unreadable, text_of
from amp.grading.tools import FILES_MAX, TOOLS, documents, use

ROWS = [["item", "price"], ["paper", 3.5], ["total", "=SUM(B2:B2)"]]


@pytest.fixture
def folder():
    return MemoryFolder()


async def test_text_is_written_read_and_listed(folder):
    assert not (
        await use(folder, "write_file", {"path": "/mnt/session/outputs/a/b.md", "content": "é"})
    ).is_error
    assert (await use(folder, "read_file", {"path": "a/b.md"})).text == "é"
    assert (await use(folder, "list_files", {})).text == "a/b.md\t2"


async def test_tables_are_written_as_csv_and_as_workbooks_that_read_back(folder):
    await use(folder, "write_table", {"path": "a.csv", "rows": ROWS})
    await use(
        folder, "write_table", {"path": "a.xlsx", "sheets": {"Costs": ROWS, "Notes": [["hello", None]]}}
    )
    assert folder.files["a.csv"].decode().splitlines()[1] == "paper,3.5"
    text = text_of("a.xlsx", folder.files["a.xlsx"])
    assert "## Sheet Costs\nitem,price\npaper,3.5\ntotal,=SUM(B2:B2)\n" in text
    assert "## Sheet Notes\nhello" in text
    assert [path for path, _ in await documents(folder)] == ["a.csv", "a.xlsx"]


MISUSES = [
    ("shell", {"command": "ls"}),
    ("read_file", {"path": "../../etc/passwd"}),
    ("read_file", {"path": "/etc/passwd"}),
    ("read_file", {"path": "nothing.md"}),
    ("read_file", {}),
    ("read_file", "a.md"),
    ("write_file", {"path": "a.md"}),
    ("write_file", {"path": "a.md", "content": 3}),
    ("write_file", {"path": "a" * 300, "content": ""}),
    ("write_file", {"path": "a.xlsx", "content": "x"}),
    ("write_file", {"path": "..", "content": "x"}),
    ("write_file", {"path": "big.md", "content": "x" * (33 << 20)}),
    ("write_table", {"path": "a.md", "rows": ROWS}),
    ("write_table", {"path": "a.csv", "rows": "no"}),
    ("write_table", {"path": "a.csv", "rows": [["a", {"b": 1}]]}),
    ("write_table", {"path": "a.xlsx", "sheets": {"bad/name": ROWS}}),
    ("write_table", {"path": "a.xlsx", "rows": [["\x00"]]}),
    ("write_table", {"path": "a.csv", "rows": [[0] * 250_000]}),
]


@pytest.mark.parametrize(("name", "given"), MISUSES)
async def test_a_misuse_is_told_and_writes_nothing(folder, name, given):
    used = await use(folder, name, given)
    assert used.is_error
    assert used.text
    assert folder.files == {}


async def test_a_folder_has_a_size(folder):
    folder.files = {f"{n}.md": b"" for n in range(FILES_MAX)}
    assert (await use(folder, "write_file", {"path": "new.md", "content": ""})).is_error
    assert not (await use(folder, "write_file", {"path": "1.md", "content": "x"})).is_error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
GIVEN = {"path": JSON | st.sampled_from(["a.csv", "a.xlsx"]), "content": JSON, "rows": JSON, "sheets": JSON}


@given(st.sampled_from([tool.name for tool in TOOLS]), st.fixed_dictionaries({}, optional=GIVEN))
async def test_whatever_a_model_gives_a_tool_answers(name, given):
    folder = MemoryFolder()
    used = await use(folder, name, given)
    assert isinstance(used.text, str)
    assert all(".." not in path.split("/") and not path.startswith("/") for path in folder.files)


def pdf(words):
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    content = DecodedStreamObject()
    content.set_data(f"BT /F1 12 Tf 20 100 Td ({words}) Tj ET".encode())
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    fonts = DictionaryObject({NameObject("/F1"): named})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Contents")] = content
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_pdf_has_its_text():
    assert text_of("a.pdf", pdf("Total 42 EUR")) == "## Page 1\nTotal 42 EUR\n"


@pytest.mark.parametrize("path", ["a.pdf", "a.xlsx", "a.md"])
@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01", b"%PDF-1.7 broken\xff", b"PK\x03\x04broken\xff"])
def test_what_is_damaged_is_said_to_be(path, data):
    with pytest.raises(Unreadable):
        text_of(path, data)
