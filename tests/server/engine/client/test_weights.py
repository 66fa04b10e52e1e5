"""The gate before an engine whose weights are exchanged, and which files may be its weights."""

import asyncio
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from vllm.v1.engine.exceptions import EngineDeadError

from server.engine.client.call import Call
from server.engine.client.engine import ThinkingLLM
from server.engine.client.stopping import CutOffError, ServerStoppingError
from server.engine.client.weight_files import WeightFileError, WeightFiles
from server.engine.client.weights import WeightGate


async def test_server_that_stops_refuses_who_waits_for_new_weights() -> None:
    gate = WeightGate()
    gate.close()
    waiting = [asyncio.create_task(gate.enter(Call())) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    gate.cut_off()
    for task in waiting:
        with pytest.raises(ServerStoppingError):
            await task
    with pytest.raises(ServerStoppingError):
        await gate.enter(Call())


async def test_engine_that_lost_its_weights_is_not_healthy() -> None:
    engine = ThinkingLLM.__new__(ThinkingLLM)
    engine.weights = WeightGate()
    engine.weights.give_up()
    with pytest.raises(EngineDeadError):
        await engine.check_health()
    with pytest.raises(CutOffError, match="start the server anew"):
        await engine.weights.enter(Call())


def checkpoint(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        save_file({name.partition(".")[0]: torch.zeros(2)}, folder / name)
    return folder


def test_weights_are_compared_with_the_files_that_are_loaded(tmp_path: Path) -> None:
    into = checkpoint(tmp_path / "new")
    whole = checkpoint(tmp_path / "whole", "model.safetensors", "consolidated.safetensors")
    assert WeightFiles.of(into, whole).expected.keys() == {"model"}
    parts = checkpoint(tmp_path / "parts", "a.safetensors", "b.safetensors", "consolidated.safetensors")
    index = {"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}
    (parts / "model.safetensors.index.json").write_text(json.dumps(index))
    assert WeightFiles.of(into, parts).expected.keys() == {"a", "b"}


@pytest.mark.parametrize("named", ["a\0b", "../model.safetensors", "", 7, "nothing.safetensors"])
def test_what_is_no_file_of_weights_is_refused_by_the_fields_name(tmp_path: Path, named: object) -> None:
    files = WeightFiles.of(checkpoint(tmp_path / "new"), checkpoint(tmp_path / "old", "model.safetensors"))
    with pytest.raises(WeightFileError, match=r"update_info\.file"):
        files.check(named)
