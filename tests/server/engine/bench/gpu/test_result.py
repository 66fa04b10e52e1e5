"""A result file is whole at any moment."""

import json
from pathlib import Path

import pytest

from server.engine.bench.gpu.result import LIMIT_BYTES, ResultFile


def test_what_is_there_stays_and_each_thing_learnt_is_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "stage.json"
    ResultFile(path).add(stage="a", status="running")
    result = ResultFile(path)
    result.append("cases", {"x": 1})
    assert json.loads(path.read_text()) == {"stage": "a", "status": "running", "cases": [{"x": 1}]}
    result.append("cases", {"x": 2})
    result.add(status="done")
    assert ResultFile(path).fields == {"stage": "a", "status": "done", "cases": [{"x": 1}, {"x": 2}]}
    assert [each.name for each in tmp_path.iterdir()] == ["stage.json"]


def test_file_that_would_not_travel_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    result = ResultFile(tmp_path / "stage.json")
    result.add(kept=1)
    with pytest.raises(ValueError, match="more than travel"):
        result.add(text="x" * LIMIT_BYTES)
    assert json.loads(result.path.read_text()) == {"kept": 1}
