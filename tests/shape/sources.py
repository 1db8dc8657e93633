"""The package's source files, and what they import."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import amp

PACKAGE = Path(amp.__file__).parent
ROOT = PACKAGE.parent


class Module(NamedTuple):
    """One file: its path inside the package ("learning/store.py") and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def part(self) -> str:
        """The file or folder right under `amp/`, without suffix."""
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def name(self) -> str:
        return self.path.rsplit("/", maxsplit=1)[-1]

    def imports(self) -> Iterator[str]:
        """Full dotted names, wherever in the file; `from amp import x` is `amp.x`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package."""
    paths = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return tuple(Module(path, (PACKAGE / path).read_text(encoding="utf-8")) for path in paths)
