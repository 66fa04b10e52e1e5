"""What an exchange of weights has not been tried with is refused by its flag."""

import pytest

from server.engine.launch.arguments import make_parser
from server.engine.launch.weight_transfer import update_flags


@pytest.mark.parametrize(
    "flags",
    [
        ["--api-server-count", "2"],
        ["--data-parallel-size", "2"],
        ["--tensor-parallel-size", "2"],
        ["--pipeline-parallel-size", "2"],
        ["--nnodes", "2"],
        ["--quantization", "fp8"],
        ["--weight-transfer-config", '{"backend": "nccl"}'],
        ["--speculative-config", '{"method": "draft_model", "model": "m", "num_speculative_tokens": 2}'],
    ],
    ids=lambda flags: flags[0],
)
def test_untried_flag_is_named(flags: list[str]) -> None:
    given = make_parser("s1-serve", "model").parse_args(flags)
    named = "draft_model" if flags[0] == "--speculative-config" else flags[0]
    with pytest.raises(ValueError, match=f"^--weight-updates: .*{named}"):
        update_flags(given)


def test_others_pass() -> None:
    given = make_parser("s1-serve", "model").parse_args(
        [
            "--speculative-config",
            '{"method": "ngram", "num_speculative_tokens": 2}',
            "--api-server-count",
            "1",
        ]
    )
    assert update_flags(given) == ["--weight-transfer-config", '{"backend": "file"}']
