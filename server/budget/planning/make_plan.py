"""Turns a budget into one request's plan: in one tokenizer's ids, within the room that the request has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from server.budget.budget import UNLIMITED, BudgetError, Encode, ThinkingBudget, TokenIds
from server.budget.plan import FamilyTokens, Habit, Opening, Plan
from server.budget.planning.make_steering import make_steering
from server.budget.planning.vocabulary import Vocabulary
from server.budget.steering import Steering

DEFAULT_ANSWER_RESERVE_TOKENS = 256


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What the request around a budget looks like when it is planned; counts in tokens."""

    prompt: Sequence[int]
    max_model_len: int
    max_completion_tokens: int | None = None
    has_tools: bool = False
    has_structure: bool = False
    asked: bool = True
    """False: the client named no budget, and the server has no default one."""
    is_chat: bool = True
    """False: a raw completion, whose prompt is all there is to say whether it thinks."""
    is_piece: bool = False
    """It goes on with thinking that the server asked for before."""
    seed: int = 0
    """The request's, for what is drawn."""
    continues_answer: bool = False
    """The prompt ends inside the answer, whose thinking is over, wherever that went."""
    insists: str | None = None
    """The field by which the client asked for more thinking than the model's own; None: it did not."""


def make_plan(
    budget: ThinkingBudget,
    tokens: FamilyTokens,
    encode: Encode,
    context: PlanContext,
    vocabulary: Vocabulary,
) -> Plan:
    """Make the plan of one request.

    Args:
        budget: What holds for the request, in tokens and strings.
        tokens: The family's marks in ids.
        encode: Text to token ids.
        context: The prompt's token ids and the request's limits.
        vocabulary: The tokenizer's tables, for budgets that name words.

    Raises:
        BudgetError: The budget cannot be kept: a reserve or a cue that does not fit, a closing message that
            holds a mark or would break a JSON answer or a tool call, a word that this tokenizer has no token
            for, more thinking after a prompt that has closed it.
    """
    if budget.max_steps is not None:
        tokens = _counting(budget, tokens, encode, context)
    room = context.max_model_len - len(context.prompt)
    if context.max_completion_tokens is not None:
        room = min(room, context.max_completion_tokens)
    opening = _opening(budget, tokens, context)
    is_over = opening is Opening.CLOSED
    plan = Plan(
        opening=opening,
        start=tokens.start,
        end=tokens.end,
        end_is_distinct=tokens.end_is_distinct,
        end_of_turn=tokens.end_of_turn,
        tool_call=tokens.tool_call if context.has_tools else (),
        cue=_cue(budget, tokens, encode, context),
        transition=_transition(tokens, context),
        reopens=tokens.reopens,
        forks_at=tokens.forks_at,
        line_breaks=tokens.line_breaks,
        line_break=encode("\n") if tokens.line_breaks else (),
        nudges=_nudges(budget, tokens, encode),
        max_tokens=UNLIMITED if budget.max_tokens is None else budget.max_tokens,
        is_off=budget.max_tokens == 0 and not context.is_piece,
        min_tokens=0 if is_over else budget.min_tokens or 0,
        num_waits=0 if is_over else budget.num_waits or 0,
        room=room,
        steering=replace(_steering(budget, tokens, encode, vocabulary), seed=context.seed),
        text=tokens.text,
        blanks=tokens.blanks,
        before=tokens.text.begun(context.prompt) if tokens.text is not None else (),
        ends_bare=tokens.text is not None and context.has_structure,
    )
    if not context.is_piece:  # whether the whole of it has room was settled when it began
        plan = _with_room_for_cue(budget, plan)
    if budget.truncates and budget.answer_reserve_tokens is None:
        return replace(plan, close_at=room)  # no answer is promised
    reserve = _reserve(budget, plan)
    return replace(
        plan, answer_reserve_tokens=reserve, close_at=max(0, room - reserve - _closing_length(plan))
    )


def _opening(budget: ThinkingBudget, tokens: FamilyTokens, context: PlanContext) -> Opening:
    found = tokens.opening_of(context.prompt)
    if found is Opening.AWAIT and context.continues_answer:
        found = Opening.CLOSED
    if found is Opening.CLOSED and context.insists:
        raise BudgetError(
            context.insists, f"{context.insists} asks for thinking, which the prompt has closed already"
        )
    if found is not Opening.AWAIT:
        return found
    # Thinking that must happen, or must be seen to be skipped, is opened rather than hoped for.
    must_open = bool(budget.min_tokens or budget.num_waits or budget.max_steps or budget.max_tokens == 0)
    if tokens.family.always_opens or (context.asked and must_open):
        return Opening.FORCE
    if context.has_structure and not tokens.header:  # else the header says it, to vLLM's parser as well
        return Opening.FORCE if _thinks_first(budget, tokens, context) else Opening.CLOSED
    return Opening.AWAIT


def _transition(tokens: FamilyTokens, context: PlanContext) -> TokenIds:
    """It leads to a plain answer: where a tool may be called the model finds its own way."""
    is_in_the_way = context.has_structure and tokens.family.grammar_follows_end
    return () if context.has_tools or is_in_the_way else tokens.transition


def _thinks_first(budget: ThinkingBudget, tokens: FamilyTokens, context: PlanContext) -> bool:
    """Whether the model thinks before a structured answer, settled before its first token.

    The grammar begins with the answer: a mark that never comes would hold it up for ever.
    """
    if not context.is_chat or tokens.habit is Habit.NEVER:
        return False
    return tokens.habit is Habit.ALWAYS or (context.asked and budget.max_tokens != 0)


def _cue(budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, context: PlanContext) -> TokenIds:
    if budget.end_message is not None:
        if budget.end_message and context.has_structure:
            raise BudgetError(
                "thinking_budget.end_message",
                "end_message cannot precede a structured answer (response_format, a forced tool"
                ' call): omit it, or set it to ""',
            )
        cue = encode(budget.end_message) if budget.end_message else ()
        if _holds_mark(budget.end_message, cue, tokens):
            raise BudgetError(
                "thinking_budget.end_message",
                "end_message must not contain a mark of thinking, of a tool call, or of the end of a turn",
            )
        return cue
    if context.has_structure or context.has_tools:
        return ()
    return encode(tokens.family.cue)


def _holds_mark(text: str, ids: TokenIds, tokens: FamilyTokens) -> bool:
    """As text, or as tokens: the one can be the other's in pieces."""
    family = tokens.family
    marks = (*family.starts, *family.ends, *family.end_of_turn, *family.tool_call)
    single = {*tokens.end_of_turn, *tokens.tool_call}
    if tokens.end_is_distinct:
        single |= {tokens.start[0], tokens.end[0]}
    return any(mark in text for mark in marks) or not single.isdisjoint(ids)


def _with_room_for_cue(budget: ThinkingBudget, plan: Plan) -> Plan:
    """The plan, without the family's cue where no token of an answer would fit after it.

    Raises:
        BudgetError: No token fits after the request's own cue.
    """
    if plan.opening is Opening.CLOSED or _least(plan) < plan.room or not plan.cue:
        return plan
    if budget.end_message is None:
        return replace(plan, cue=())
    raise BudgetError(
        "thinking_budget.end_message",
        f"end_message is {len(plan.cue)} tokens, but the prompt and max_completion_tokens leave"
        f" {max(0, plan.room)} for thinking, its end and the answer",
    )


def _nudges(budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode) -> tuple[TokenIds, ...]:
    nudges = tuple(encode(nudge) for nudge in budget.nudge or (tokens.family.nudge,))
    marks = {*(tokens.end[:1] if tokens.end_is_distinct else ()), *tokens.end_of_turn}
    for nudge in nudges:
        if not nudge:
            raise BudgetError("thinking_budget.nudge", "nudge has no token in this model's vocabulary")
        if marks.intersection(nudge) or (tokens.text is not None and tokens.text.end.may_end(nudge)):
            raise BudgetError("thinking_budget.nudge", "nudge must not contain an end-of-thinking mark")
    return nudges


def _counting(
    budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, context: PlanContext
) -> FamilyTokens:
    """The family with the first step's mark as its start mark.

    Its delimiter begins with the same token as each step's mark, so it is known at its last token only.

    Raises:
        BudgetError: This model, its tokenizer or this request cannot count steps.
    """

    def refuse(why: str) -> NoReturn:
        raise BudgetError("thinking_budget.max_steps", why)

    mark = tokens.family.step_mark
    if mark is None:
        refuse(f"models of the family {tokens.family.name} don't count steps")
    start = encode(mark.format(steps=budget.max_steps))
    if not tokens.end_is_distinct or start[:1] != tokens.end[:1]:
        refuse("this model's tokenizer has no single token for the step mark")
    if budget.num_waits or budget.min_tokens or budget.alpha_tokens is not None:
        refuse("max_steps cannot be combined with num_waits, min_tokens or alpha_tokens")
    if tokens.opening_of(context.prompt) is Opening.OPEN:
        refuse("max_steps needs a prompt that has not opened thinking yet")
    return replace(tokens, start=start, end_is_distinct=False)


def _steering(
    budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, vocabulary: Vocabulary
) -> Steering:
    marks = tokens.end[:1] if tokens.end_is_distinct else tokens.end
    nudges = budget.nudge or (tokens.family.nudge,)
    return make_steering(budget, nudges, encode, vocabulary, marks, tokens.family.step_mark)


def _closing_length(plan: Plan) -> int:
    return len(plan.line_break) + len(plan.end) + len(plan.transition) + len(plan.cue)


def _least(plan: Plan) -> int:
    """How many tokens are put in whatever is thought."""
    return _closing_length(plan) + (len(plan.start) if plan.opening is Opening.FORCE else 0)


def _reserve(budget: ThinkingBudget, plan: Plan) -> int:
    """Tokens reserved for the answer: what was asked; else 256, or half of what is available if that is less.

    Raises:
        BudgetError: The reserve that was asked for is larger than what is available.
    """
    available = max(0, plan.room - _least(plan))
    if budget.answer_reserve_tokens is None:
        return min(DEFAULT_ANSWER_RESERVE_TOKENS, available // 2)
    if budget.answer_reserve_tokens > available:
        raise BudgetError(
            "thinking_budget.answer_reserve_tokens",
            f"answer_reserve_tokens is {budget.answer_reserve_tokens}, but the prompt and"
            f" max_completion_tokens leave {available} tokens for thinking and answer",
        )
    return budget.answer_reserve_tokens
