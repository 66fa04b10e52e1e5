"""The tables of a report as Markdown, and the same numbers as CSV."""

import csv
import io
from collections.abc import Sequence

from evals.report.decoding import labelled
from evals.report.measured import OTHERS, Group, Measured

Cells = Sequence[str]


def tables_of(group: Group) -> str:
    """The tables of a group."""
    parts = [
        f"## {group.task}, {group.model}",
        _arms(group),
        "What an answer costs: completion tokens of a problem as `usage` bills them to any client (all "
        "samples, tries and probes), and the seconds that its requests took (which share the server). Both "
        "divided by the right answers. Median thinking tokens of right and of wrong replies.",
        _costs(group),
    ]
    parts += _by_part("domain", [(one, one.domains) for one in group.arms])
    parts += _by_part("level", [(one, one.levels) for one in group.arms])
    if group.votes:
        parts += [
            "Votes over k samples at the natural stop, over all subsets of k; tokens are those of all k.",
            _votes(group),
        ]
    if group.methods:
        parts += [
            "Control: % of runs, and of problems, whose thinking kept its limit. Scaling: points per "
            "doubling of thinking tokens, over all pairs of points; arms whose limit touched no thinking are "
            "one point with the natural stop, as are arms with the same tokens and accuracy. Performance: "
            "the best accuracy, %.",
            _methods(group),
        ]
    if not group.counts_tokens:
        parts.append(
            "The endpoint does not count thinking tokens: there is no figure, and no Control or Scaling."
        )
    return "\n\n".join(parts + _conclusions(group))


def _arms(group: Group) -> str:
    head = (
        "arm", "n", "accuracy %", "95% interval", "thinking tokens", "answer tokens",
        "closed %", "Waits", "kept %", "escaped %", "no answer %", "cut %", "completed %",
        "against natural", "ungraded", "failed",
    )  # fmt: skip
    return table(head, [_arm(one) for one in group.arms])


def _arm(one: Measured) -> Cells:
    difference = one.against_natural
    return (
        one.label,
        str(one.answers),
        f"{one.accuracy:.1f}",
        f"{one.low:.1f} to {one.high:.1f}",
        _number(one.tokens),
        _number(one.answer_tokens),
        _percent(one.forced_share),
        _number(one.waits_used, 2),
        _number(one.control),
        _percent(one.escapes),
        _percent(one.silent),
        _percent(one.cut),
        _number(one.completed),
        "" if difference is None else f"{difference[0]:+.1f} ({difference[1]:+.1f} to {difference[2]:+.1f})",
        str(one.grading_failures),
        str(one.errors),
    )


def _costs(group: Group) -> str:
    head = (
        "arm", "billed tokens", "seconds", "tokens / right", "seconds / right",
        "right: median thinking", "wrong: median thinking",
    )  # fmt: skip
    rows = [
        (one.label, _number(one.billed_tokens), _number(one.seconds, 2),
         _number(one.tokens_per_right), _number(one.seconds_per_right, 2),
         _number(one.lengths.median_right), _number(one.lengths.median_wrong))
        for one in group.arms
    ]  # fmt: skip
    return table(head, rows)


def _by_part(part: str, arms: Sequence[tuple[Measured, dict[str, float]]]) -> list[str]:
    """Accuracy by domain or level and arm; nothing where there is only one."""
    names = list(dict.fromkeys(name for _, found in arms for name in found))
    if len(names) < 2:
        return []
    if all(name.isdecimal() for name in names if name != OTHERS):  # levels
        names.sort(key=lambda name: (name == OTHERS, int(name) if name != OTHERS else 0))
    rows = [(one.label, *(_number(found.get(name)) for name in names)) for one, found in arms]
    return [f"Accuracy by {part}, %.", table(("arm", *(name or "(none)" for name in names)), rows)]


def _votes(group: Group) -> str:
    head = ("k", "n", "majority@k %", "95% interval", "thinking tokens", "pass@k %")
    rows = [
        (labelled(str(v.k), v.told), str(v.problems), f"{v.majority:.1f}", f"{v.low:.1f} to {v.high:.1f}",
         _number(v.tokens), f"{v.pass_at_k:.1f}")
        for v in group.votes
    ]  # fmt: skip
    return table(head, rows)


def _methods(group: Group) -> str:
    head = ("method", "runs", "Control", "Control per problem", "Scaling", "Performance")
    rows = [
        (m.name, str(m.runs), _number(m.control, 0), _number(m.problem_control), _number(m.scaling, 1),
         f"{m.performance:.1f}")
        for m in group.methods
    ]  # fmt: skip
    return table(head, rows)


def _conclusions(group: Group) -> list[str]:
    """Sentences that state the peak with Waits, what follows it, and the accuracy of voting."""
    found = [(group.line("waits", natural.told), natural) for natural in group.naturals]
    return [_conclusion(group, waits, natural) for waits, natural in found if waits]


def _conclusion(group: Group, waits: Sequence[Measured], natural: Measured) -> str:
    best = max(waits, key=lambda one: one.accuracy)
    last = waits[-1]
    sentences = [
        f"Best with Waits: {best.label}, {best.accuracy:.1f}%; natural stop {natural.accuracy:.1f}%."
    ]
    if last is not best:
        fall = f"{last.label} reaches {last.accuracy:.1f}%, {best.accuracy - last.accuracy:.1f} points below"
        verdict = "the intervals part" if last.high < best.low else "the intervals overlap"
        sentences.append(f"Beyond the peak: {fall} ({verdict}).")
    at_equal = {
        vote.told: vote for vote in group.votes if best.tokens and vote.tokens and vote.tokens <= best.tokens
    }
    sentences += [
        f"Majority voting for no more thinking tokens than {best.label} ({best.tokens:.0f}): "
        f"{vote.majority:.1f}% with {labelled(f'k={vote.k}', told)} ({_number(vote.tokens, 0)} tokens)."
        for told, vote in at_equal.items()
    ]
    return " ".join(sentences)


def csv_of(groups: Sequence[Group]) -> str:
    """One CSV line per point of the figure, for arms and votes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("task", "model", "method", "arm", "n", "accuracy", "low", "high", "thinking_tokens", "answer_tokens")
    )
    for group in groups:
        for one in group.arms:
            writer.writerow(
                (group.task, group.model, one.arm.method, one.label, one.graded, f"{one.accuracy:.3f}",
                 f"{one.low:.3f}", f"{one.high:.3f}", _number(one.tokens, 3), _number(one.answer_tokens, 3))
            )  # fmt: skip
        for vote in group.votes:
            writer.writerow(
                (group.task, group.model, "majority", labelled(f"majority={vote.k}", vote.told),
                 vote.problems, f"{vote.majority:.3f}", f"{vote.low:.3f}", f"{vote.high:.3f}",
                 _number(vote.tokens, 3), "")
            )  # fmt: skip
    return out.getvalue()


def lengths_csv_of(groups: Sequence[Group]) -> str:
    """The histogram of thinking tokens, a line per arm and bin; `to` is the last length in the bin."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("task", "model", "arm", "from", "to", "right", "wrong"))
    for group in groups:
        for one in group.arms:
            for each in one.lengths.bins:
                writer.writerow(
                    (group.task, group.model, one.label, each.low, each.high - 1, each.right, each.wrong)
                )
    return out.getvalue()


def table(head: Cells, rows: Sequence[Cells]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None, places: int = 1) -> str:
    return "" if value is None else f"{value:.{places}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
