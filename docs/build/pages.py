"""What MkDocs is told of pages that nobody wrote by hand, and drawings that become part of a page.

A drawing that a page shows as an image is put into it as SVG, so that it follows the page's
colours.
"""

import re
from typing import Any

from docs_made import completed, made
from drawings import drawings
from mkdocs.structure.files import File, Files

_drawn: dict[str, str] = {}
_IMAGE = re.compile(r'<img alt="([^"]*)" src="(?:\.\./)*pictures/([\w-]+)\.svg"\s*/?>')


def on_files(files: Files, config: Any) -> Files:
    """The pages that are made."""
    _drawn.update(drawings())
    for path, text in made().items():
        files.append(File.generated(config, path, content=text))
    for name, svg in _drawn.items():
        files.append(File.generated(config, f"pictures/{name}.svg", content=svg))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Pieces that are made, where a page names them."""
    return completed(markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Drawings as part of the page."""
    return _IMAGE.sub(_drawing, html)


def _drawing(image: re.Match[str]) -> str:
    words, name = image.groups()
    return _drawn[name].replace("<svg ", f'<svg class="drawing" role="img" aria-label="{words}" ', 1)
