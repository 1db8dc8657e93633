"""Every block of docs/ does what the text around it says."""

import re

import httpx
import pytest
from doc_blocks import DOCS, MARKS, WITH_REASON, blocks, fences, reading
from docs_made import completed, made
from model_service import beside, judged, said
from running import serving, until

NOT_RUN = {
    "concepts/lift.md": 1,
    "howto/graded.md": 1,
    "howto/ledger.md": 1,
    "operate/install.md": 5,
    "operate/running.md": 1,
    "operate/scaling.md": 2,
    "quickstart.md": 2,
}
"""Blocks that are not run, by page: a new one is a decision."""
PAGES = {
    **{path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")},
    **{path: text for path, text in made().items() if path != "changelog.md"},
}
READ = sorted(
    path
    for path, text in PAGES.items()
    if any(each.mark not in {"not run", "shown"} for each in blocks(text))
)
MODEL_ADDRESS = "http://127.0.0.1:11434/v1"
REPORT = "| drink | euros |\n| --- | --- |\n| tea | 3 |\n| coffee | 4 |\n\nTogether 7 euros.\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The service of the pages that start none of their own: its URL, a key, and its data."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with serving(data) as (_, announced):
        yield announced["url"], announced["key"], data


@pytest.fixture
def model():
    """A model service: it writes the report when it is told of a gap."""
    with beside() as model:
        write = said(None, calls=[("write_file", {"path": "report.md", "content": REPORT})])
        model.agent = [said("I would write a report."), write, said("There it is.")]
        model.grader = [said(judged(False, False)), said(judged(True, True))]
        yield model


@pytest.mark.timeout(180)  # a page starts a dozen commands, and a busy machine takes a second or two for each
@pytest.mark.parametrize("page", READ)
def test_a_page_does_what_it_says(page, request, tmp_path):
    """Its blocks, in order, with the address and the key of the quick start exported."""
    found = blocks(PAGES[page])
    instead = {}
    if MODEL_ADDRESS in PAGES[page]:
        instead[MODEL_ADDRESS] = request.getfixturevalue("model").url
    with reading(tmp_path, instead) as reader:
        if not any(block.mark == "serve" for block in found):
            reader.sits_at(*request.getfixturevalue("shared"))
        for block in found:
            reader.read(block, f"docs/{page}:{block.line}")


def read(folder, text):
    with reading(folder) as reader:
        for block in blocks(text):
            reader.read(block, "here")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_fence_of_a_page_is_a_block_and_every_mark_is_known(page):
    found = blocks(PAGES[page])
    assert fences(PAGES[page]) == 2 * len(found)
    for block in found:
        assert block.mark in ("", *MARKS), f"docs/{page}:{block.line}: {block.mark}"
        assert bool(block.reason) == (block.mark in WITH_REASON), f"docs/{page}:{block.line}"
        assert block.mark or block.language in {"bash", "python"}, f"docs/{page}:{block.line}: no mark"


def test_what_is_not_run_is_counted():
    counted = {page: sum(block.mark == "not run" for block in blocks(text)) for page, text in PAGES.items()}
    assert {page: count for page, count in counted.items() if count} == NOT_RUN


def test_a_block_that_does_not_do_what_its_page_says_is_found(tmp_path):
    """An output that differs, a block that fails, one that does not fail: each is told."""
    wrong = {
        "```bash\necho one\n```\n\n<!-- output -->\n```text\ntwo\n```\n": "it printed",
        "```bash\nfalse\n```\n": "it failed",
        "```python\n1 / 0\n```\n": "ZeroDivisionError",
        "<!-- fails: it does not -->\n```bash\ntrue\n```\n": "did not fail",
    }
    for text, words in wrong.items():
        with pytest.raises(AssertionError, match=words):
            read(tmp_path, text)


def test_what_a_block_sets_is_there_for_the_next(tmp_path):
    text = (
        "```bash\nexport A=1; B=2; mkdir x; cd x\n```\n\n```python\nimport os\nc = os.environ['A']\n```\n\n"
        "```python\nprint(c + os.environ['B'])\n```\n\n<!-- output -->\n```text\n1...\n```\n\n"
        "<!-- file: note -->\n```text\nread\n```\n\n```bash\npwd; cat ../note\n```\n\n"
        "<!-- output -->\n```text\n.../x\nread\n```\n"
    )
    read(tmp_path, text)


def test_every_metric_that_is_named_is_there(shared):
    """In the table, which is made, and in the alerts, which are not."""
    url, key, _ = shared
    made = completed(PAGES["operate/metrics.md"])
    named = {re.sub(r"_(total|count|bucket|sum)$", "", name) for name in re.findall(r"\bamp_\w+", made)}
    told = {"userId": "ada", "task": "Count"}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        asked = client.post("/v1/context", json=told).json()["requestId"]
        client.post("/v1/outcome", json={"requestId": asked, "started": True})

        def there():
            found = re.findall(r"^# HELP (amp_\w+)", client.get("/metrics").text, re.MULTILINE)
            return {name.removesuffix("_total") for name in found if not name.endswith("_created")}

        until(lambda: named == there())  # workers hand on what they count four times a second
