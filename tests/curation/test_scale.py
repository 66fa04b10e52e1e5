"""A pool of the paper's size, and one of a million in bounded memory: both stages of decontamination."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.curation import large_pool


def measured(count: int, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", large_pool.__name__, str(count), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(count, found)
    return found


@pytest.mark.slow
def test_repeated_questions_of_a_pool_of_the_papers_size_are_dropped(tmp_path: Path) -> None:
    found = measured(59_029, tmp_path)
    assert found["kept"] == 59_029
    # 2,952 rows repeat 1,000 questions, half of them with a word more.
    assert found["stayed"] == 57_077


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_million_questions_need_no_more_memory_than_their_books(tmp_path: Path) -> None:
    found = measured(1_000_000, tmp_path)
    assert found["peak_mib"] < 1024
