"""A soak's measures of memory, its flags, and a short one against the real server."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from evals.bench.errands import key_file, write_adapter
from evals.bench.soak import MODEL, flags, floor, main, slope_mib_a_minute
from server.keys.file import read_keys

MIB = 2**20


def test_slope_is_that_of_the_floor_whatever_the_garbage_does() -> None:
    """50 MiB of garbage come and go, a third of a MiB a minute stays."""
    samples = [(float(s), 1000 * MIB + s * MIB // 180 + s % 25 * 2 * MIB) for s in range(600)]
    slope = slope_mib_a_minute(floor(samples))
    assert slope == pytest.approx(1 / 3, abs=0.1)
    leak = [(at, size + int(at) * MIB // 30) for at, size in samples]
    assert slope_mib_a_minute(floor(leak)) == pytest.approx(2 + 1 / 3, abs=0.1)


def test_two_samples_are_no_slope() -> None:
    assert slope_mib_a_minute([(0, 1), (1, 2)]) is None


def test_floor_is_the_least_of_each_window() -> None:
    assert floor([(0, 9), (10, 5), (29, 7), (30, 8), (61, 4)]) == [(10, 5), (30, 8), (61, 4)]


@pytest.mark.parametrize("wrong", ["--seconds=0", "--at-once=0", "--requests=-1", "--seconds=x"])
def test_run_without_an_end_or_a_client_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit):
        flags([wrong])


def test_keys_are_a_file_that_the_server_reads(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(key_file("sk-main"))
    keys = {key.name: key for key in read_keys(str(tmp_path / "keys.toml"))}
    assert [name for name, key in keys.items() if key.is_limited] == ["metered"]
    assert keys.keys() == {"main", "metered", "sampling"}


def test_adapter_has_the_shapes_of_the_model(tmp_path: Path) -> None:
    config = json.loads((MODEL / "config.json").read_text())
    write_adapter(tmp_path / "adapter", config)
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(tensors) == 2 * config["num_hidden_layers"]
    assert {name.split(".")[-2]: each.shape for name, each in tensors.items()} == {
        "lora_A": (8, config["hidden_size"]),
        "lora_B": (config["num_attention_heads"] * config["head_dim"], 8),
    }


@pytest.mark.slow
@pytest.mark.engine
def test_short_soak_finds_the_sums_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is not measured in so short a time."""
    monkeypatch.setattr("sys.argv", ["soak"])
    main(["--seconds", "60", "--requests", "150", "--out", str(tmp_path / "soak.json")])
    found = json.loads((tmp_path / "soak.json").read_text())
    assert found["failures"] == []
    assert [claim for claim, holds in found["holds"].items() if not holds and "memory" not in claim] == []
    assert found["requests"] == 150
    assert all(each["responses"] == each["metrics"] for each in found["sums"].values())
    assert found["sums"]["s1_thinking_tokens_total"]["responses"] > 1000
