"""On a CUDA device: forcing is exact on each runner."""

import json
from pathlib import Path

import pytest
import torch

from server.engine.bench.gpu.__main__ import main
from server.engine.bench.gpu.stages import PARTS

pytestmark = [
    pytest.mark.engine,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [stage.name for stage in PARTS["exactness"] if stage.name != "machine"])
def test_forcing_is_exact_on_the_device(name: str, tmp_path: Path) -> None:
    main(["--part", "exactness", "--stages", name, "--out", str(tmp_path), "--reduced"])
    told = json.loads((tmp_path / f"{name}.json").read_text())
    assert told["status"] in ("done", "skipped"), told
    assert told.get("exact", True)
