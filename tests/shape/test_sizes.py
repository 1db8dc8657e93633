"""Files and functions stay small, have names that say something, and say why they catch everything."""

import ast
from collections.abc import Callable, Iterator

import pytest
from sources import Module, modules

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "shared", "core", "base_"}
EVERYTHING = {"Exception", "BaseException"}


def too_long(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{lines} lines, at most {FILE_LINES_MAX}"


def too_long_functions(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def empty_names(module: Module) -> Iterator[str]:
    for part in module.path.removesuffix(".py").split("/"):
        if EMPTY_NAMES & set(part.lower().split("_")):
            yield f"the name {part!r} says nothing"


def silent(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield "no docstring says what it is for"


def unreasoned_catches(module: Module) -> Iterator[str]:
    """A handler of everything says why on its line, or raises again what it caught."""
    lines = module.text.splitlines()
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler) or not catches_everything(node):
            continue
        comment = lines[node.lineno - 1].partition("#")[2]
        words = comment.partition("BLE001")[2] if "noqa" in comment else comment
        raises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
        if len(words.split()) < 3 and not raises:
            yield f"line {node.lineno} catches everything and does not say why"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in EVERYTHING for name in caught)


Check = Callable[[Module], Iterator[str]]
CHECKS: list[Check] = [too_long, too_long_functions, empty_names, silent, unreasoned_catches]


@pytest.mark.parametrize("check", CHECKS)
def test_no_file_breaks_this_habit(check):
    assert [f"amp/{module.path}: {words}" for module in modules() for words in check(module)] == []


SAID = '"""What it is for."""\n'
PLANTED = [
    (too_long, "a.py", "x = 1\n" * 301),
    (too_long_functions, "a.py", "def f():\n" + "    x = 1\n" * 40),
    (too_long_functions, "a.py", "class A:\n    async def f(self):\n" + "        x = 1\n" * 40),
    (empty_names, "learning/utils.py", SAID),
    (empty_names, "store/key_helpers.py", SAID),
    (empty_names, "common/keys.py", SAID),
    (silent, "a.py", "x = 1\n"),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept (OSError, BaseException) as e:\n    g(e)\n"),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept:\n    pass\n"),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass\n"),
]


@pytest.mark.parametrize(("check", "path", "text"), PLANTED)
def test_each_check_sees_what_it_is_there_for(check, path, text):
    assert list(check(Module(path, text)))


FINE = [
    (too_long, "a.py", "x = 1\n" * 300),
    (too_long_functions, "a.py", "def f():\n" + "    x = 1\n" * 39),
    (empty_names, "store/keeper.py", SAID),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
    (unreasoned_catches, "a.py", "try:\n    f()\nexcept Exception:\n    g()\n    raise\n"),
    (
        unreasoned_catches,
        "a.py",
        "try:\n    f()\nexcept Exception:  # noqa: BLE001  each must hear\n    g()\n",
    ),
]


@pytest.mark.parametrize(("check", "path", "text"), FINE)
def test_no_check_complains_of_what_is_fine(check, path, text):
    assert list(check(Module(path, text))) == []
