"""Every reasoning parser of the installed vLLM is covered, or it is said why not."""

import ast
from importlib.util import find_spec
from pathlib import Path

from server.reasoning.coverage import COVERAGE, SINCE_033, coverage_table
from server.reasoning.families import FAMILIES
from tests.server.reasoning.chat_templates import sources

README = Path(__file__).parents[3] / "server" / "README.md"


def parsers() -> set[str]:
    """Read from the source: to import vLLM takes a quarter of a minute."""
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "reasoning" / "__init__.py").read_text())
    [table] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and len(node.value.keys) > 20
    ]
    return {key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def test_every_parser_of_vllm_has_its_row() -> None:
    assert parsers() == COVERAGE.keys()


def test_every_row_names_a_family_and_a_template_that_there_are() -> None:
    for parser, covered in (COVERAGE | SINCE_033).items():
        assert covered.family is None or covered.family in FAMILIES, parser
        name = covered.tried_on.partition(",")[0]
        assert " " in name or name in sources(), name


def test_readme_has_the_table_that_the_code_makes() -> None:
    assert coverage_table() in README.read_text()
