"""The pages that nobody wrote by hand: the reference, the capacity table, the changelog.

They are taken from the code that is installed, from `benchmarks/*.json` and from CHANGELOG.md.
"""

import re
from pathlib import Path

import api_pages
import capacity_page
import command_pages
import error_pages
import metric_pages
import setting_pages

from amp.store.durability import LOSES

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"^<!-- made: ([\w-]+) -->$", re.MULTILINE)


def completed(markdown: str) -> str:
    """A page with the pieces that it names: `<!-- made: durability -->` on a line of its own."""
    return _MARK.sub(lambda mark: _PIECES[mark[1]](), markdown)


def _durability() -> str:
    shown = "\n".join(f"| `{mode}` | {words} |" for mode, words in LOSES.items() if mode != "unknown")
    return f"| when it is written | what can be lost |\n| --- | --- |\n{shown}"


_PIECES = {"durability": _durability, "metrics": metric_pages.table}


def made() -> dict[str, str]:
    """Markdown by path."""
    return {
        **{f"reference/api/{name}.md": text for name, text in api_pages.pages().items()},
        "reference/errors.md": error_pages.page(),
        "reference/commands.md": command_pages.page(),
        "reference/settings.md": setting_pages.page(),
        "operate/capacity.md": capacity_page.page(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
