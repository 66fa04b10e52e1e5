"""Public functions that take or return arrays give their shapes; ruff (D, DOC501) holds everything else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("server", "curation", "training", "evals")
ARRAYS = frozenset({"Tensor", "NDArray", "ndarray"})
SHAPE = re.compile(r"\[[\w., *+-]*\]")
"""As in "shape [rows, length]", or "[]" for a scalar."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def names_in(node: ast.AST | None) -> set[str]:
    """The names in an annotation, also where it is written as a string."""
    if node is None:
        return set()
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    found |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            found |= set(re.findall(r"\w+", each.value))
    return found


def aliases_in(tree: ast.Module) -> set[str]:
    """The names that a module gives to array types, such as Scores = NDArray[np.float64]."""
    return {
        target.id
        for each in tree.body
        if isinstance(each, ast.Assign) and names_in(each.value) & {"NDArray"}
        for target in each.targets
        if isinstance(target, ast.Name)
    }


def public_functions(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for each in node.body:
        if getattr(each, "name", "").startswith("_"):
            continue
        if isinstance(each, ast.ClassDef):
            yield from public_functions(each, f"{prefix}{each.name}.")
        elif isinstance(each, Function):
            yield prefix + each.name, each


def annotations_of(function: Function) -> set[str]:
    arguments = function.args
    every = (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    )
    given = [names_in(each.annotation) for each in every if each is not None]
    return set[str]().union(*given, names_in(function.returns))


def without_shape(tree: ast.Module, aliases: frozenset[str] = frozenset()) -> list[str]:
    """The public functions whose annotations name an array, and whose docstring has no shape in brackets."""
    arrays = ARRAYS | aliases | aliases_in(tree)
    return [
        f"{function.lineno} {name}"
        for name, function in public_functions(tree)
        if annotations_of(function) & arrays and not SHAPE.search(ast.get_docstring(function) or "")
    ]


def modules() -> dict[str, ast.Module]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def test_every_public_function_with_arrays_gives_their_shapes() -> None:
    trees = modules()
    aliases = frozenset[str]().union(*map(aliases_in, trees.values()))
    missing = [f"{path}:{each}" for path, tree in trees.items() for each in without_shape(tree, aliases)]
    assert not missing, "no shape in brackets in the docstring of " + ", ".join(missing)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('def f(x: Tensor) -> int:\n    """Of x."""', ["1 f"]),
        ('def f(x: Tensor) -> int:\n    """Of x [rows, length]."""', []),
        ('def f(x: int) -> "np.ndarray[tuple[int]]":\n    """Of x."""', ["1 f"]),
        ('A = NDArray[np.uint64]\ndef f(x: list[A]) -> int:\n    """Of x."""', ["2 f"]),
        ('class C:\n    def f(self, *x: Tensor) -> None:\n        """Of x."""', ["2 C.f"]),
        ('class C:\n    def _f(self, x: Tensor) -> None:\n        """Of x."""', []),
        ("def f(x: Tensor) -> int: ...", ["1 f"]),
        ("def f(x: int) -> int: ...", []),
    ],
)
def test_a_missing_shape_is_found(source: str, found: list[str]) -> None:
    assert without_shape(ast.parse(source)) == found
