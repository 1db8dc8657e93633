"""What README draws and lists is what is there.

The tree is a fenced block whose first line is `amp/`. Below it a line that is indented by two spaces names
files of `amp/` or opens one folder (`  store/   keys.py (every key name) · line.py · ...`); lines that are
indented further go on with that folder. Every `.py` and `.lua` file has its place, `__init__.py` aside.
The settings are the rows of a table, `| AMP_NAME | default | sentence |`, in the order of `Settings`.
"""

import re
from collections import Counter

from sources import PACKAGE, ROOT

from amp import settings

FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"[A-Za-z_]\w*\.(?:py|lua)\b")


def drawn(readme: str) -> list[str]:
    """The files that the tree names, as paths inside `amp/`."""
    blocks = [block for block in FENCED.findall(readme) if block.startswith("amp/\n")]
    assert len(blocks) == 1, "README has one fenced block whose first line is `amp/`"
    found: list[str] = []
    folder = ""
    for line in blocks[0].splitlines()[1:]:
        if not line.startswith("  "):
            break  # what lies beside amp/
        opened = re.match(r"  (\w+/)", line)
        if opened:
            folder = opened.group(1)
        elif not line.startswith("   "):
            folder = ""
        found += [folder + name for name in FILE.findall(line)]
    return found


def on_disk() -> list[str]:
    paths = [path for suffix in ("py", "lua") for path in PACKAGE.rglob(f"*.{suffix}")]
    return [path.relative_to(PACKAGE).as_posix() for path in paths if path.name != "__init__.py"]


def listed(readme: str) -> list[settings.Row]:
    """The settings of README's table."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in readme.splitlines()]
    return [
        settings.Row(row[0].strip("`"), row[1].strip("`"), row[2])
        for row in cells
        if len(row) == 3 and row[0].startswith(("AMP_", "`AMP_"))
    ]


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tree_in_readme_is_the_tree_on_disk():
    tree = Counter(drawn(readme()))
    assert sorted(tree) == sorted(on_disk())
    assert set(tree.values()) == {1}


def test_the_settings_in_readme_are_the_settings_there_are():
    assert listed(readme()) == settings.table()


def test_a_tree_is_read_as_it_is_drawn():
    text = """
```
nothing
```

```text
amp/
  errors.py · clock.py (the hours)
  store/     keys.py (every key name) · line.py
             keyring.py keyring.lua
  cli.py
  client/    wire.py
tests/  conftest.py
```
"""
    assert drawn(text) == [
        "errors.py",
        "clock.py",
        "store/keys.py",
        "store/line.py",
        "store/keyring.py",
        "store/keyring.lua",
        "cli.py",
        "client/wire.py",
    ]


def test_a_settings_table_is_read_as_it_is_written():
    text = "| setting | default | |\n|---|---|---|\n| `AMP_PORT` | `8000` | A port, or `0`. |\n"
    assert listed(text) == [settings.Row("AMP_PORT", "8000", "A port, or `0`.")]
    assert listed(text.replace("8000", "8001")) != [settings.Row("AMP_PORT", "8000", "A port, or `0`.")]


def test_every_setting_fits_a_cell_of_the_table():
    for row in settings.table():
        assert "|" not in "".join(row)
        assert listed(f"| `{row.name}` | `{row.default}` | {row.doc} |") == [row]
