"""vLLM's seams, looked at without importing it: all there in the installed one, and a missing one named."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.seams import SEAMS, main, missing


def installed() -> Path:
    """The folder that vLLM is installed in, found without importing it."""
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parents[1]


def test_installed_vllm_has_every_seam() -> None:
    assert missing(installed()) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is looked at, to be damaged."""
    for files in SEAMS:
        file = next(each for each in files.split("|") if (installed() / "vllm" / each).exists())
        (tmp_path / "vllm" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(installed() / "vllm" / file, tmp_path / "vllm" / file)
    return tmp_path


def rename(old: str, new: str) -> Callable[[str], str]:
    """An edit of a file's text."""
    return lambda text: text.replace(old, new)


CLIENT, SAMPLER = "v1/engine/core_client.py", "v1/worker/gpu/sample/sampler.py"


@pytest.mark.parametrize(
    ("file", "edit", "gone"),
    [
        (CLIENT, rename("self.utility_results", "self.pending_results"), "utility_results"),
        (CLIENT, rename("message: ", "frames: "), "AsyncMPClient._send_input_message(message, engine)"),
        (
            CLIENT,
            rename("def add_request_async", "def add_requests_async"),
            "AsyncMPClient.add_request_async",
        ),
        (SAMPLER, rename("class Sampler:", "class TokenSampler:"), "Sampler.penalties_state"),
        ("v1/engine/core.py", rename("def run_engine_core", "def run_core"), "run_engine_core"),
        ("outputs.py", rename("    finish_reason:", "    finished_for:"), "CompletionOutput.finish_reason"),
    ],
)
def test_renamed_name_or_parameter_is_listed(
    tree: Path, file: str, edit: Callable[[str], str], gone: str
) -> None:
    path = tree / "vllm" / file
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    found = missing(tree)
    assert found
    assert all(each.startswith(f"{file}: ") for each in found)
    assert any(gone in each for each in found)


def test_file_that_moved_is_found_where_it_moved_to_and_listed_where_it_is_gone(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (tree / "vllm" / "entrypoints" / each / "cli_args.py" for each in ("launchers", "common"))
    new.parent.mkdir(exist_ok=True)
    old.rename(new)
    assert missing(tree) == []
    new.unlink()
    assert main([str(tree)]) == 1
    assert "cli_args.py: the file" in capsys.readouterr().out
