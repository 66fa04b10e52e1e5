"""Fixtures of the training tests."""

from pathlib import Path

import pytest

from tests.training.tiny import tiny_model, train_file


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_file(tmp_path_factory.mktemp("data") / "train.jsonl", 40)
