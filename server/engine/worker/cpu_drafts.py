"""Speculative decoding at a temperature on a CPU, where three functions of vLLM 0.32 are wrong.

One spreads a request's parameters over the positions of its draft, into an integer copy of the tensor: the
temperature and top_p there are whatever the memory held, and the text is garbage. Here torch does it.

Another accepts the placeholder (-1) of a draft that is none, as a request has that joins a batch with a
single token to compute, and then takes a token from behind it. The model was given token 0 in its place, so
the draft is that.

The third applies top_k to the drafts' positions, and ends the engine in a step that has none.
"""

import torch
from vllm.v1.sample import rejection_sampler
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p

from server.engine.seams import require


def mend_sampling(device: torch.device) -> None:
    """Replace the first and the third in this process. Does nothing off the CPU."""
    require(rejection_sampler, "expand_batch_to_tokens", "apply_top_k_top_p")
    if device.type == "cpu":
        rejection_sampler.expand_batch_to_tokens = expand_batch_to_tokens
        rejection_sampler.apply_top_k_top_p = apply_top_k_top_p_to_any


def name_placeholders(draft_token_ids: torch.Tensor) -> None:
    """In place. [drafted tokens] Does nothing off the CPU."""
    if draft_token_ids.device.type == "cpu":
        draft_token_ids.clamp_(min=0)


def expand_batch_to_tokens(
    x: torch.Tensor, cu_num_tokens: torch.Tensor, num_tokens: int, replace_from: int = 0, replace_to: int = 0
) -> torch.Tensor:
    """As vLLM's: a value for each row to one for each of its drafted tokens, [rows] -> [num_tokens].

    Args:
        x: [rows], the values.
        cu_num_tokens: [rows], the drafted tokens up to each row's last, those of the rows before it included.
        num_tokens: Of all rows.
        replace_from: A value in whose place comes another.
        replace_to: That other.

    Returns:
        [num_tokens], of the same type.
    """
    counts = cu_num_tokens.diff(prepend=cu_num_tokens.new_zeros(1))
    values = torch.where(x == replace_from, replace_to, x).to(x.dtype)
    return values.repeat_interleave(counts, output_size=num_tokens)


def apply_top_k_top_p_to_any(
    logits: torch.Tensor, k: torch.Tensor | None, p: torch.Tensor | None
) -> torch.Tensor:
    """As vLLM's, and of no position at all. `logits`: [positions, vocab]. `k`, `p`: [positions]."""
    return apply_top_k_top_p(logits, k, p) if logits.shape[0] else logits
