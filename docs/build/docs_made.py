"""The pages that nobody wrote by hand: the reference, the capacity table, the changelog.

They are taken from the code that is installed, from `benchmarks/*.json` and from CHANGELOG.md.
"""

from pathlib import Path

import api_pages
import capacity_page
import command_pages
import error_pages
import setting_pages

ROOT = Path(__file__).parents[2]


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
