"""Reads `scaling` out of a request: which method with which fields, and whether the rest of the request can
be kept beside it.
"""

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
CEILED = ("n", "m", "tries", "width")
"""Fields that count samples: the server's ceiling is above each."""

Body = Mapping[str, object]
Model = TypeVar("Model", bound=BaseModel)


class _Beside(BaseModel):
    """The fields beside `scaling` that are read here, and not, or only piecewise, by vLLM's own route."""

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
    """What the server says of scaling. `temperature`: that of a request which names none, where the model
    sets it; `knows_family`: whether the model's thinking marks are known."""

    max_samples: int = DEFAULT_MAX_SAMPLES
    temperature: float | None = None
    knows_family: bool = True
    scorers: tuple[str, ...] = ()
    """Their names."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    name: str
    method: Method
    fields: Fields
    scorer: str | None = None
    """Of a method that needs one, its name."""
    said_in: str = FIELD
    """The field that asked for it."""


def budget_body(body: Body) -> dict[str, object]:
    """The request without what is said of scaling in it."""
    rest = {key: value for key, value in body.items() if key != FIELD}
    budget = rest.get(BUDGET_FIELD)
    if isinstance(budget, Mapping):
        rest[BUDGET_FIELD] = {key: value for key, value in budget.items() if key != BEYOND}
    if budget == AUTO_WORD or rest.get(BUDGET_FIELD) == {}:
        del rest[BUDGET_FIELD]
    return rest


def read_scaling(body: Body, defaults: ScalingDefaults) -> Wanted | None:
    """None: not asked for. Raises BudgetError, with the field, on a client's mistake."""
    _refuse_slips(body)
    said, by_budget = body.get(FIELD), _said_by_budget(body.get(BUDGET_FIELD))
    if said is not None and by_budget is not None:
        name = by_budget["method"]
        raise BudgetError(FIELD, f"{FIELD} and {BUDGET_FIELD} ({name}) are two methods: give one.")
    said_in = FIELD if by_budget is None else BUDGET_FIELD
    said = by_budget if said is None else said
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise BudgetError(FIELD, f'{FIELD} must be an object such as {{"method": "majority", "n": 8}}.')
    name = said.get("method")
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        raise BudgetError(f"{FIELD}.method", f"{FIELD}.method must be one of {', '.join(METHODS)}.")
    fields = _fields(method, {key: value for key, value in said.items() if key != "method"})
    beside = _validated(_Beside, body, "")
    for key in CEILED:
        value = getattr(fields, key, None)
        if value is not None and value > defaults.max_samples:
            raise BudgetError(
                f"{FIELD}.{key}",
                f"{FIELD}.{key} ({value}) is above the server's ceiling, --max-scaling-samples"
                f" ({defaults.max_samples}).",
            )
    if method.needs_thinking and not defaults.knows_family:
        raise BudgetError(
            FIELD,
            f"{FIELD} ({name}) needs a model with known thinking marks: start the server with --family.",
        )
    _refuse_what_cannot_be_kept(str(name), method, body, beside, defaults.temperature)
    scorer = _scorer(str(name), fields, defaults.scorers) if method.scores else None
    return Wanted(str(name), method, fields, scorer, said_in)


def _said_by_budget(budget: object) -> dict[str, object] | None:
    """The methods that a thinking budget can ask for: "auto", and {"beyond_context": "summarize"}."""
    if budget == AUTO_WORD:
        return {"method": AUTO_WORD}
    if not isinstance(budget, Mapping) or BEYOND not in budget:
        return None
    if budget[BEYOND] != SUMMARIZE:
        field = f"{BUDGET_FIELD}.{BEYOND}"
        raise BudgetError(field, f'{field} must be "{SUMMARIZE}".')
    return {"method": BEYOND}


def _refuse_slips(body: Body) -> None:
    """Raises BudgetError for a field that was meant to be one of ours, and would be read by nobody."""
    meant = {key: FIELD for key in body if key != FIELD and _looks_like_scaling(key)}
    if BEYOND in body:
        meant[BEYOND] = f"{BUDGET_FIELD}.{BEYOND}"
    if isinstance(inside := body.get("extra_body"), Mapping) and FIELD in inside:
        meant[f"extra_body.{FIELD}"] = FIELD
    for name, field in meant.items():
        raise BudgetError(name, f"{name} is not a field of a request. Did you mean {field}?")


def _looks_like_scaling(key: str) -> bool:
    return bool(difflib.get_close_matches(key[: 2 * len(FIELD)].lower(), [FIELD], cutoff=0.88))


def _fields(method: Method, said: Mapping[str, object]) -> Fields:
    return _validated(method.fields, said, FIELD)


def _validated(model: type[Model], said: Body, place: str) -> Model:
    try:
        return model.model_validate(dict(said))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (place, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields) or "no other field"
            raise BudgetError(name, f"{name} is no field of this method: it takes {known}.") from error
        raise BudgetError(name, f"{name}: {first['msg'].removeprefix('Value error, ')}.") from error


def _scorer(method: str, fields: Fields, known: tuple[str, ...]) -> str:
    """The scorer's name; the server's only one need not be named, the likelihood must be."""
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


def _refuse_what_cannot_be_kept(
    name: str, method: Method, body: Body, beside: _Beside, default_temperature: float | None
) -> None:
    def refuse(field: str, why: str) -> None:
        raise BudgetError(field, f"{field} cannot be combined with {FIELD} ({name}): {why}.")

    if body.get("n") not in (None, 1):
        refuse("n", f"it gives one answer; how many samples it draws is {FIELD}.n")
    if body.get("use_beam_search"):
        refuse("use_beam_search", "beam search has no single line of thinking")
    if options := beside.stream_options:
        if not beside.stream:
            raise BudgetError("stream_options", "stream_options: only with stream.")
        if options.get("continuous_usage_stats"):
            refuse("stream_options.continuous_usage_stats", "what it costs is known when it is over")
    temperature = beside.temperature
    if method.draws and (default_temperature if temperature is None else temperature) == 0:
        refuse("temperature", "at temperature 0 its samples would all be the same")
    if method.compares and body.get("tools") and body.get("tool_choice") != "none":
        refuse("tools", "it compares answers, and a tool call is none")
    if method.in_pieces:
        for field, why in UNBROKEN.items():
            if body.get(field):
                refuse(field, why)


def refuse_budget(wanted: Wanted, read: ReadBudget) -> None:
    """Raises BudgetError where the method cannot keep the thinking budget, the server's default one too."""
    if wanted.method.needs_thinking and read.thinking_enabled is False:
        raise BudgetError(
            wanted.said_in, f"{wanted.said_in} ({wanted.name}) asks for thinking, and it is switched off."
        )
    if not wanted.method.in_pieces:
        return
    unkept = {
        "thinking_budget.num_waits": 0 if wanted.method.takes_waits else read.budget.num_waits,
        "thinking_budget.min_tokens": read.budget.min_tokens,
        "thinking_budget.max_steps": read.budget.max_steps,
        "thinking_budget.grace_tokens": read.budget.grace_tokens,
        "thinking_budget.alpha_tokens": read.budget.alpha_tokens is not None,
        "thinking_budget.on_loop": read.budget.breaks_loops,
        "thinking_budget.detail": read.detail,
    }
    for name, value in unkept.items():
        if value:
            raise BudgetError(name, f"{name} cannot be combined with {FIELD} ({wanted.name}): {_PIECES}.")


_COUNTS = "it asks for thinking in pieces, and this counts over the whole of it"
_PIECES = "it asks for thinking in pieces"
UNBROKEN = {
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
"""What only one unbroken request can keep."""
