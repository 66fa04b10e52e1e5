"""One problem of one cell: ask, check that the endpoint applied the budget, grade, make the row.

Defines how an arm's tries are used, and what counts as an ignored or changed budget.
"""

from collections.abc import Sequence
from typing import Any

from evals.cell import Cell
from evals.endpoint import Endpoint, EndpointError, EvalReply, EvalRequest
from evals.methods import Arm, Budget
from evals.row import ResultRow
from evals.tasks.task import Score
from evals.thinks_on import thinks_on
from server.reasoning.equality import Judge
from server.reasoning.records import Problem


class BudgetIgnoredError(EndpointError):
    """The reply shows that the endpoint did not apply the requested budget."""


async def solve(
    cell: Cell, problem: Problem, endpoint: Endpoint, judge: Judge, *, go_on: bool, detail: bool = False
) -> ResultRow:
    """The problem's row.

    With `go_on`, a failed request or an ignored budget is recorded in the row; with `detail` the endpoint is
    asked which characters it forced.

    Raises:
        EndpointError: Without `go_on`: the request failed, or the budget was ignored.
    """
    prompt = cell.prompt(problem)
    replies: list[EvalReply] = []
    reply: EvalReply | None = None
    error = ""
    try:
        for attempt in range(cell.arm.tries):
            reply = await endpoint.complete(_ask(cell, problem, prompt, attempt, detail))
            replies.append(reply)
            _check(cell.arm, reply, endpoint.base_url, go_on)
            if cell.arm.accept_up_to is None or (reply.thinking_tokens or 0) <= cell.arm.accept_up_to:
                break
    except EndpointError as failure:
        if not go_on:
            raise
        reply, error = None, str(failure)
    score = await cell.task.scorer(problem, reply.answer, judge) if reply else Score(None, None, None)
    return _row(cell, problem, prompt, reply, score, replies, error)


def _ask(cell: Cell, problem: Problem, prompt: str, attempt: int, detail: bool) -> EvalRequest:
    budget = cell.arm.budget.as_json()
    if budget and detail:
        budget = {**budget, "detail": True}
    return EvalRequest(
        model=cell.model,
        prompt=prompt,
        thinking_budget=budget or None,
        temperature=cell.sampling.temperature,
        top_p=cell.sampling.top_p,
        seed=cell.seed(problem, attempt),
        max_completion_tokens=cell.sampling.max_completion_tokens,
        scaling=cell.arm.scaling,
    )


def _check(arm: Arm, reply: EvalReply, base_url: str, go_on: bool) -> None:
    if go_on:
        return
    if arm.scaling is not None:
        # The server may lower a sample's maximum to share a total, so the echo can differ from the request.
        if (reply.scaling or {}).get("method") != arm.scaling["method"]:
            raise BudgetIgnoredError(
                f"the endpoint {base_url} ignores `scaling`: its reply says nothing of it"
            )
        return
    if arm.accept_up_to is not None and reply.thinking_tokens is None:
        raise BudgetIgnoredError(
            f"the endpoint {base_url} does not count thinking tokens, so none can be rejected"
        )
    if complaint := ignored(arm.budget, reply.echo):
        raise BudgetIgnoredError(f"the endpoint {base_url} {complaint} (--go-on measures it all the same)")


def ignored(budget: Budget, echo: dict[str, Any] | None) -> str:
    """Why the echo does not match this budget; "" if it does.

    An endpoint without budgets may run the arm "none".
    """
    asked = {name: value for name, value in budget.as_json().items() if name != "nudge"}
    if echo is None:
        return f"ignores the thinking budget {asked}: its reply has no thinking report" if asked else ""
    for name in ("max_tokens", "min_tokens", "num_waits"):
        got = echo.get(name)
        if name in asked and got != asked[name]:
            return f"changed the thinking budget: {name} {asked[name]} was asked, {got} applied"
        if name not in asked and not _is_default(name, got):
            return f"applies a thinking budget that nobody asked for: {name} {got}"
    return ""


def _is_default(name: str, value: object) -> bool:
    return value is None or value == -1 or (value == 0 and name != "max_tokens")


def _row(
    cell: Cell,
    problem: Problem,
    prompt: str,
    reply: EvalReply | None,
    score: Score,
    replies: Sequence[EvalReply],
    error: str,
) -> ResultRow:
    echo = (reply.echo if reply else None) or {}
    spent = [each.spent_tokens for each in replies if each.spent_tokens is not None]
    written = [each.written_tokens for each in replies if each.written_tokens is not None]
    return ResultRow(
        problem_id=problem.id,
        domain=problem.domain,
        prompt=prompt,
        thinking=reply.thinking if reply else "",
        answer=reply.answer if reply else "",
        extracted=score.extracted,
        extracted_from=score.source,
        score=score.value,
        grading_failure=score.failure,
        thinking_tokens=reply.thinking_tokens if reply else None,
        answer_tokens=reply.answer_tokens if reply else None,
        end=echo.get("end"),
        waits_used=echo.get("waits_used"),
        forced_tokens=echo.get("forced_tokens"),
        finish_reason=reply.finish_reason if reply else None,
        latency_s=round(reply.latency_s, 4) if reply else None,
        first_token_s=_rounded(reply.first_token_s) if reply else None,
        first_answer_token_s=_rounded(reply.first_answer_token_s) if reply else None,
        echo=echo or None,
        seed=cell.seed(problem, max(len(replies) - 1, 0)),
        tries=len(replies),
        spent_tokens=sum(spent) if spent else None,
        written_tokens=sum(written) if written else None,
        scaling=reply.scaling if reply else None,
        thinks_on=thinks_on(reply.answer, cell.arm.budget.nudge) if reply else False,
        error=error,
        reference=problem.answer,
        level=problem.level,
        spent_s=round(sum(each.latency_s for each in replies), 4) if len(replies) > 1 else None,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
