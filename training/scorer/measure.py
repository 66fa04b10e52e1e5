"""How well a scorer tells right traces from wrong ones: the AUC at three points of a line."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from training.nano.model import document_bias, rotations
from training.nano.tokenizer import THOUGHT, prompt_text
from training.scorer.model import RIGHT, ScorerNet
from training.scorer.rows import marked
from training.scorer.traces import OwnTrace

BATCH = 32
POINTS = ("question", "half of the thinking", "thinking", "thinking and answer")


def auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """The probability that a right one scores above a wrong one, ties counting half (Mann and Whitney).

    Raises:
        ValueError: All are right, or none is.
    """
    positives = sum(right)
    negatives = len(right) - positives
    if not positives or not negatives:
        raise ValueError("an AUC needs right and wrong traces")
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, at = 0.0, 0
    while at < len(order):
        after = at
        while after < len(order) and scores[order[after]] == scores[order[at]]:
            after += 1
        mean_rank = (at + 1 + after) / 2
        ranks += mean_rank * sum(right[index] for index in order[at:after])
        at = after
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


@torch.inference_mode()
def chances(net: ScorerNet, tokenizer: Tokenizer, lines: Sequence[tuple[str, str]]) -> list[list[float]]:
    """The probability of right after each token of each (question, text of the line), prompts included."""
    rows = [tokenizer.encode(prompt_text(question) + text).ids for question, text in lines]
    found: list[list[float]] = [[] for _ in rows]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))  # so that little is padding
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        length = len(rows[part[-1]])
        ids = torch.zeros(len(part), length, dtype=torch.long)
        for row, index in enumerate(part):
            ids[row, : len(rows[index])] = torch.tensor(rows[index])
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(ids, *rotations(net.shape, length), document_bias(torch.ones_like(ids)))
        of_right = logits.float().softmax(-1)[:, :, RIGHT]
        for row, index in enumerate(part):
            found[index] = of_right[row, : len(rows[index])].tolist()
    return found


def measure(net: ScorerNet, tokenizer: Tokenizer, traces: Sequence[OwnTrace]) -> dict[str, float]:
    """The AUC of the question alone, of half the thinking, of all of it, and with the answer.

    The first is what telling hard questions from easy ones gives.
    """
    right = [trace.right for trace in traces]
    told = chances(net, tokenizer, [(trace.question, marked(trace)) for trace in traces])
    points: dict[str, list[float]] = {name: [] for name in POINTS}
    for trace, scores in zip(traces, told, strict=True):
        begin = len(tokenizer.encode(prompt_text(trace.question)).ids) - 1
        end = begin + len(tokenizer.encode(trace.thinking + THOUGHT).ids)
        for name, at in zip(POINTS, (begin, (begin + end) // 2, end, len(scores) - 1), strict=True):
            points[name].append(scores[at])
    return {name: round(auc(scores, right), 4) for name, scores in points.items()}
