"""The documentation as it is built: whole, of itself alone, with every link leading somewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from command_pages import commands
from drawings import drawings

from amp import settings

pytest.importorskip("mkdocs", reason="the extra docs is not installed")

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """What a page links to, what it loads, and where one may land in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.words = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors |= {told[name] for name in ("id", "name") if told.get(name)}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        if tag in {"script", "img", "iframe"} and told.get("src"):
            self.loads.append(told["src"])
        if tag == "link" and told.get("rel") in {"stylesheet", "icon", "preload", "preconnect"}:
            self.loads.append(told["href"])

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Every page of `mkdocs build --strict`, by path."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout, done.stdout
    return folder, {path: Page(path) for path in sorted(folder.rglob("*.html"))}


def test_every_link_leads_to_a_page_and_a_place_in_it(site):
    _, pages = site
    assert len(pages) > 30
    lost = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # it is served at any depth
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors
            ):
                lost.append(f"{path.name}: {link}")
    assert not lost


def test_nothing_is_loaded_from_elsewhere(site):
    folder, pages = site
    loaded = {load for page in pages.values() for load in page.loads}
    assert len(loaded) > 5
    assert not [load for load in loaded if urlsplit(load).netloc]
    styles = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.css"))
    assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", styles)
    assert "@import" not in styles


def test_every_page_is_in_the_navigation(site):
    folder, pages = site
    start = pages[folder / "index.html"]
    reached = {(folder / unquote(urlsplit(link).path)).resolve() for link in start.links if link}
    assert not {path for path in pages if path.name != "404.html"} - reached - {folder / "index.html"}


def test_every_setting_and_every_command_is_told_of(site):
    _, pages = site
    words = " ".join("".join(page.words) for page in pages.values())
    missing = [row.name for row in settings.table() if row.name not in words]
    missing += [name for name in commands() if name not in words]
    assert not missing


def test_every_drawing_is_sound_and_part_of_a_page(site):
    folder, _ = site
    html = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.html"))
    for name, svg in drawings().items():
        ET.fromstring(svg)
        assert svg.partition(">")[2][:2000] in html, f"{name}.svg is on no page"
    assert html.count('class="drawing" role="img" aria-label="') == len(drawings())


def test_what_belongs_to_the_building_is_not_published(site):
    folder, _ = site
    assert not list(folder.rglob("*.py"))
