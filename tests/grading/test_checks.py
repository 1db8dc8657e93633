"""Checks: what each one decides, on files of the size of a paper."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.grading.checks import MATCH_S_MAX, decided, normal, parse

FILES = {
    "report.md": b"# Costs\nTotal: 42 EUR\nthree words here\n",
    "my report.md": b"hello world",
    "data.csv": b'name,price,"unit, EU"\napple,1.50,kg\npear,-2e3,kg\n',
    "bad.csv": b"name,price\napple,cheap\n",
    "empty.csv": b"name,price\n",
    "data.json": json.dumps({"total": 3}).encode(),
    "schema.json": json.dumps(
        {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    ).encode(),
    "strict.json": json.dumps({"type": "object", "required": ["sum"]}).encode(),
    "remote.json": json.dumps({"$ref": "http://127.0.0.1:9/schema"}).encode(),
    "pattern.json": json.dumps({"pattern": "(a+)+$"}).encode(),
    "broken.json": b"{",
    "picture.png": b"\x89PNG\0\xff",
}

PASS = [
    "file_exists report.md",
    "file_exists /mnt/session/outputs/report.md",
    'file_exists "my report.md"',
    "contains report.md Total: 42",
    'contains report.md "three words"',
    "matches report.md ^Total: \\d+ EUR$",
    "json_schema data.json schema.json",
    "min_words report.md 8",
    "csv_column data.csv price",
    "csv_column data.csv price numeric",
    'csv_column data.csv "unit, EU"',
]
GAP = [
    ("file_exists nothing.md", "does not exist"),
    ("contains report.md total: 42", "does not contain"),
    ("matches report.md ^EUR", "does not match"),
    ("json_schema data.json strict.json", "does not fit"),
    ("json_schema broken.json schema.json", "not JSON"),
    ("json_schema data.json nothing.json", "does not exist"),
    ("json_schema data.json remote.json", "cannot be held against"),
    ("json_schema data.json pattern.json", "pattern"),
    ("min_words report.md 9", "has 8 words"),
    ("csv_column data.csv colour", "no column"),
    ("csv_column bad.csv price numeric", "row 1 of column 'price' of bad.csv has 'cheap'"),
    ("csv_column empty.csv price numeric", "no rows"),
    ("contains picture.png PNG", "cannot be read"),
    ("file_exists ../../etc/passwd", "cannot be read"),
    ("shell rm -rf", "cannot be read"),
]


@pytest.mark.parametrize("check", PASS)
def test_what_is_there_passes(check):
    assert decided(check, FILES) == ""


@pytest.mark.parametrize(("check", "gap"), GAP)
def test_what_is_missing_is_named(check, gap):
    assert gap in decided(check, FILES)


def test_a_regular_expression_has_its_time_and_no_more():
    began = time.perf_counter()
    gap = decided("matches a.txt ^(a|a)*$", {"a.txt": b"a" * 40 + b"b"})
    assert "took longer" in gap
    assert time.perf_counter() - began < 30 * MATCH_S_MAX, "it would take days; a busy machine takes seconds"


@pytest.mark.parametrize(
    "path", ["../a", "/etc/passwd", "a/../b", "", "..", "a\\b", "a\0b", "/mnt/session/outputs/../x"]
)
def test_no_path_leads_out(path):
    with pytest.raises(ValueError):
        normal(path)


@given(st.text(alphabet="./\\ab \n\0", max_size=12))
def test_a_path_is_either_inside_or_refused(path):
    try:
        found = normal(path)
    except ValueError:
        return
    assert not found.startswith("/")
    assert not {"..", ".", ""} & set(found.split("/"))
    assert normal(found) == found or found != found.strip()


@given(st.text(max_size=60))
def test_any_text_is_decided_or_a_gap(text):
    assert isinstance(decided(f"contains {text}", FILES), str)
    assert isinstance(decided(text, FILES), str)


def test_numeric_is_a_word_of_the_check():
    assert parse("csv_column a.csv unit price numeric")[2:] == ("unit price", True)
    assert parse('csv_column a.csv "numeric"')[2:] == ("numeric", False)
