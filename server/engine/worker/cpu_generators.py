"""Seeded requests on a CPU: a draw for a chunk of a prefill is discarded, and must not count.

vLLM 0.32 takes such a draw back by moving the generator's offset, which CPU generators do not have:
one seeded request whose prompt is prefilled in two steps ends the whole engine with "CPU Generator
does not use offset". Here the generator's state is put back instead.
"""

from typing import Any

import numpy as np


def take_back_discarded_draws(runner: Any) -> None:
    """Wrap a V1 model runner's sampling and bookkeeping. Does nothing off the CPU."""
    if runner.device.type != "cpu":
        return
    sample, bookkeep = runner._sample, runner._bookkeeping_sync

    def discarded() -> list[int]:
        rows = np.nonzero(runner.discard_request_mask.np[: runner.input_batch.num_reqs])[0]
        return [int(row) for row in rows if int(row) in runner.input_batch.generators]

    def sample_and_take_back(*args: Any, **kwargs: Any) -> Any:
        generators = runner.input_batch.generators
        before = {row: generators[row].get_state() for row in discarded()}
        output = sample(*args, **kwargs)
        for row, state in before.items():
            generators[row].set_state(state)
        return output

    def bookkeep_without_offsets(*args: Any, **kwargs: Any) -> Any:
        generators = runner.input_batch.generators
        hidden = {row: generators.pop(row) for row in discarded()}
        try:
            return bookkeep(*args, **kwargs)
        finally:
            generators.update(hidden)

    runner._sample, runner._bookkeeping_sync = sample_and_take_back, bookkeep_without_offsets
