"""Parses `scaling` in a request: the method and its fields, and whether the rest of the request allows it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.budget.budget import BudgetError
from server.budget.parsing.read import ReadBudget
from server.scaling.method import Fields, Method
from server.scaling.methods.table import METHODS
from server.scaling.scorers.likelihood import LIKELIHOOD

FIELD = "scaling"
BUDGET_FIELD, AUTO_WORD = "thinking_budget", "auto"
BEYOND, SUMMARIZE = "beyond_context", "summarize"
SCORER = f"{FIELD}.scorer"
DEFAULT_MAX_SAMPLES = 64
SAMPLE_COUNT_FIELDS = ("n", "m", "tries", "width")
"""Fields that count samples: --max-scaling-samples applies to each."""

Body = Mapping[str, object]
Model = TypeVar("Model", bound=BaseModel)


class _OtherFields(BaseModel):
    """Fields others `scaling` that are checked here because vLLM's route does not check them all."""

    model_config = ConfigDict(strict=True)

    stream: bool | None = None
    stream_options: dict[str, bool | None] | None = None
    temperature: float | None = None
    seed: int | None = None
    request_id: str | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class ScalingDefaults:
    """The server's settings for scaling.

    `temperature` is the model's default for requests that give none; `knows_family` says whether the model's
    thinking marks are known.
    """

    max_samples: int = DEFAULT_MAX_SAMPLES
    temperature: float | None = None
    knows_family: bool = True
    scorers: tuple[str, ...] = ()
    """Names of the configured scorers."""


@dataclass(frozen=True, slots=True)
class ScalingRequest:
    """The method a request asks for, with its validated fields."""

    name: str
    method: Method
    fields: Fields
    scorer: str | None = None
    """The name of the scorer, for methods that need one."""
    asked_in: str = FIELD
    """The request field that asked for it."""


def budget_body(body: Body) -> dict[str, object]:
    """The request body without the fields that ask for scaling."""
    rest = {key: value for key, value in body.items() if key != FIELD}
    budget = rest.get(BUDGET_FIELD)
    if isinstance(budget, Mapping):
        rest[BUDGET_FIELD] = {key: value for key, value in budget.items() if key != BEYOND}
    if budget == AUTO_WORD or rest.get(BUDGET_FIELD) == {}:
        del rest[BUDGET_FIELD]
    return rest


def read_scaling(body: Body, defaults: ScalingDefaults) -> ScalingRequest | None:
    """The scaling that a request asks for, or None.

    Raises:
        BudgetError: A field of `scaling` is wrong, or cannot be combined with the rest of the request; it
            names the field.
    """
    _refuse_misplaced(body)
    asked, by_budget = body.get(FIELD), _asked_by_budget(body.get(BUDGET_FIELD))
    if asked is not None and by_budget is not None:
        name = by_budget["method"]
        raise BudgetError(FIELD, f"{FIELD} and {BUDGET_FIELD} ({name}) select two methods: give one of them.")
    asked_in = FIELD if by_budget is None else BUDGET_FIELD
    asked = by_budget if asked is None else asked
    if asked is None:
        return None
    if not isinstance(asked, Mapping):
        raise BudgetError(FIELD, f'{FIELD} must be an object such as {{"method": "majority", "n": 8}}.')
    name = asked.get("method")
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        raise BudgetError(f"{FIELD}.method", f"{FIELD}.method must be one of {', '.join(METHODS)}.")
    fields = _fields(method, {key: value for key, value in asked.items() if key != "method"})
    others = _validated(_OtherFields, body, "")
    for key in SAMPLE_COUNT_FIELDS:
        value = getattr(fields, key, None)
        if value is not None and value > defaults.max_samples:
            raise BudgetError(
                f"{FIELD}.{key}",
                f"{FIELD}.{key} ({value}) is above the server's maximum, --max-scaling-samples"
                f" ({defaults.max_samples}).",
            )
    if method.needs_thinking and not defaults.knows_family:
        raise BudgetError(
            FIELD,
            f"{FIELD} ({name}) needs a model with known thinking marks: start the server with --family.",
        )
    _refuse_conflicts(str(name), method, body, others, defaults.temperature)
    scorer = _scorer(str(name), fields, defaults.scorers) if method.scores else None
    return ScalingRequest(str(name), method, fields, scorer, asked_in)


def _asked_by_budget(budget: object) -> dict[str, object] | None:
    """The method that a thinking budget asks for: "auto", or {"beyond_context": "summarize"}.

    Raises:
        BudgetError: `beyond_context` has another value.
    """
    if budget == AUTO_WORD:
        return {"method": AUTO_WORD}
    if not isinstance(budget, Mapping) or BEYOND not in budget:
        return None
    if budget[BEYOND] != SUMMARIZE:
        field = f"{BUDGET_FIELD}.{BEYOND}"
        raise BudgetError(field, f'{field} must be "{SUMMARIZE}".')
    return {"method": BEYOND}


def _refuse_misplaced(body: Body) -> None:
    """Refuse a misspelt or misplaced `scaling` field, which would otherwise be ignored.

    Raises:
        BudgetError: Such a field is present.
    """
    meant = {key: FIELD for key in body if key != FIELD and _looks_like_scaling(key)}
    if BEYOND in body:
        meant[BEYOND] = f"{BUDGET_FIELD}.{BEYOND}"
    if isinstance(inside := body.get("extra_body"), Mapping) and FIELD in inside:
        meant[f"extra_body.{FIELD}"] = FIELD
    for name, field in meant.items():
        raise BudgetError(name, f"{name} is not a field of a request. Did you mean {field}?")


def _looks_like_scaling(key: str) -> bool:
    return bool(difflib.get_close_matches(key[: 2 * len(FIELD)].lower(), [FIELD], cutoff=0.88))


def _fields(method: Method, given: Mapping[str, object]) -> Fields:
    return _validated(method.fields, given, FIELD)


def _validated(model: type[Model], given: Body, place: str) -> Model:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (place, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields) or "no other field"
            raise BudgetError(name, f"{name} is not a field of this method, which takes {known}.") from error
        raise BudgetError(name, f"{name}: {first['msg'].removeprefix('Value error, ')}.") from error


def _scorer(method: str, fields: Fields, known: tuple[str, ...]) -> str:
    """The scorer's name; the server's only scorer need not be named, the likelihood always must.

    Raises:
        BudgetError: No scorer is named and there is not exactly one, or the name is unknown.
    """
    named: str | None = getattr(fields, "scorer", None)
    if named is None and len(known) == 1:
        return known[0]
    names = ", ".join((*known, LIKELIHOOD))
    if named is None:
        has = f"the server has {len(known)}" if known else "the server has none (--scorers)"
        raise BudgetError(SCORER, f"{SCORER}: {method} needs a scorer, and {has}; name one of {names}.")
    if named != LIKELIHOOD and named not in known:
        raise BudgetError(SCORER, f"{SCORER} must be one of {names}, not {named!r}.")
    return named


def _refuse_conflicts(
    name: str, method: Method, body: Body, others: _OtherFields, default_temperature: float | None
) -> None:
    def refuse(field: str, why: str) -> None:
        raise BudgetError(field, f"{field} cannot be combined with {FIELD} ({name}): {why}.")

    if body.get("n") not in (None, 1):
        refuse("n", f"it gives one answer; how many samples it draws is {FIELD}.n")
    if body.get("use_beam_search"):
        refuse("use_beam_search", "beam search has no single sequence of thinking")
    if options := others.stream_options:
        if not others.stream:
            raise BudgetError("stream_options", "stream_options: only with stream.")
        if options.get("continuous_usage_stats"):
            refuse("stream_options.continuous_usage_stats", "usage is known only at the end")
    temperature = others.temperature
    if method.draws and (default_temperature if temperature is None else temperature) == 0:
        refuse("temperature", "at temperature 0 its samples would all be the same")
    if method.compares and body.get("tools") and body.get("tool_choice") != "none":
        refuse("tools", "it compares answers, and a tool call is not an answer")
    if method.in_pieces:
        for field, why in UNBROKEN_FIELDS.items():
            if body.get(field):
                refuse(field, why)


CONDITIONAL = frozenset({"token_conditional", "step_conditional", "class_conditional"})
"""The methods that put words of their own behind the question."""


def refuse_budget(asked: ScalingRequest, read: ReadBudget) -> None:
    """Check that the method can keep the thinking budget, including the server's default one.

    Raises:
        BudgetError: It cannot; the error names the field.
    """
    if asked.method.needs_thinking and read.thinking_enabled is False:
        raise BudgetError(
            asked.asked_in, f"{asked.asked_in} ({asked.name}) asks for thinking, and it is switched off."
        )
    if read.announced_by and asked.name in CONDITIONAL:
        raise BudgetError(
            read.announced_by,
            f"{read.announced_by}: {FIELD} ({asked.name}) has words of its own on how much to think.",
        )
    if not asked.method.in_pieces:
        return
    conflicts = {
        "thinking_budget.num_waits": 0 if asked.method.takes_waits else read.budget.num_waits,
        "thinking_budget.min_tokens": read.budget.min_tokens,
        "thinking_budget.max_steps": read.budget.max_steps,
        "thinking_budget.grace_tokens": read.budget.grace_tokens,
        "thinking_budget.alpha_tokens": read.budget.alpha_tokens is not None,
        "thinking_budget.on_loop": read.budget.breaks_loops,
        "thinking_budget.on_max": read.budget.truncates,
        "thinking_budget.announce": read.announced_by,
        "thinking_budget.detail": read.detail,
    }
    for name, value in conflicts.items():
        if value:
            raise BudgetError(name, f"{name} cannot be combined with {FIELD} ({asked.name}): {_PIECES}.")


_COUNTS = "it generates thinking in segments, and this field applies to the whole of it"
_PIECES = "it asks for thinking in pieces"
UNBROKEN_FIELDS = {
    "tools": _PIECES,
    "logprobs": _PIECES,
    "top_logprobs": _PIECES,
    "prompt_logprobs": _PIECES,
    "continue_final_message": _PIECES,
    "presence_penalty": _COUNTS,
    "frequency_penalty": _COUNTS,
    "min_tokens": _COUNTS,
    "ignore_eos": _COUNTS,
}
"""Request fields that need one unbroken request, and why."""
