"""What one request asks of its thinking: every spelling read, weighed against the server's, into one budget.

An explicit number beats an effort, which beats the server's default; the ceiling is above them all. Where the
spellings stand is in spellings.py, what is sent on to vLLM in forward.py; token ids and families come later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from server.budget.budget import UNLIMITED, BudgetError, ThinkingBudget
from server.budget.parsing.defaults import NO_EFFORT, BudgetDefaults
from server.budget.parsing.forward import forward, switched
from server.budget.parsing.model_suffix import split_model
from server.budget.parsing.spellings import (
    ALPHA,
    ANNOUNCE,
    ANSWER_RESERVE,
    DETAIL,
    EFFORT,
    ENABLED,
    END_MESSAGE,
    GRACE,
    MAXIMUM,
    MINIMUM,
    NUDGE,
    ON_LOOP,
    ON_MAX,
    SHOWN,
    STEPS,
    SUPPRESS,
    TASK,
    WAITS,
    Said,
    describe_spellings,
    find,
)
from server.budget.parsing.unknown_fields import refuse_unknown
from server.budget.parsing.values import quoted, shown
from server.budget.parsing.without_meaning import refuse_foreign

__all__ = ["BudgetDefaults", "ReadBudget", "describe_spellings", "read_budget"]

T = TypeVar("T")

DEFAULT_SOURCE = "default"


@dataclass(frozen=True, slots=True)
class ReadBudget:
    """One request, read."""

    budget: ThinkingBudget
    """What holds: the client's numbers, then the effort's, then the server's, under the ceiling."""
    asked: bool
    """The client asked for some part of the budget; to switch thinking on, or to hide it, is none."""
    source: str
    """The spelling that set the maximum, e.g. "reasoning_effort"; "default" where the client set none."""
    clamped_from: int | None
    """The maximum before the ceiling cut it, -1 where there was none or it was unlimited; None: not cut."""
    thinking_enabled: bool | None
    """Whether to think at all; None: not said."""
    include_thinking: bool | None
    """Whether the response is to hold the thinking; None: not said."""
    detail: bool
    """Whether the report is to be a detailed one."""
    announced_by: str | None
    """The spelling by which the client wants its maximum told; None: it does not."""
    task_tokens: int | None
    """What the client has left for a whole task, as it says; None: it does not."""
    insists: str | None
    """The spelling by which the client asked for more thinking than the model's own; None: it did not."""
    switched: bool | None
    """Whether the chat template is told to think; None: it is told nothing."""
    body: dict[str, object]
    """The request for vLLM, new; what is inside may be shared with the client's."""


def read_budget(body: Mapping[str, object], settings: BudgetDefaults) -> ReadBudget:
    """Read the JSON of any endpoint.

    Raises:
        BudgetError: A client's mistake; it names the field.
    """
    refuse_foreign(body, settings.presets)
    refuse_unknown(body)
    model, suffix = split_model(body.get("model"))
    asked = _Asked.read({**body, "model": suffix})
    asked.refuse_contradiction()
    wanted = _maximum(asked, settings)
    maximum, clamped_from = _clamp(wanted.value, settings.ceiling)
    must_think = asked.wants_thinking or (settings.must_think and asked.off is None and maximum != 0)
    default = settings.default
    budget = ThinkingBudget(
        max_tokens=maximum,
        min_tokens=_minimum(asked, wanted, settings, maximum),
        num_waits=_value(asked.waits, None if asked.off else default.num_waits),
        nudge=_value(asked.nudge, default.nudge),
        end_message=_value(asked.end_message, default.end_message),
        answer_reserve_tokens=_value(asked.answer_reserve, default.answer_reserve_tokens),
        max_steps=_value(asked.steps, None if asked.off else default.max_steps),
        grace_tokens=_grace(asked, wanted, settings, maximum),
        breaks_loops=_value(asked.on_loop, default.breaks_loops),
        suppress=_value(asked.suppress, default.suppress),
        truncates=_truncates(asked, settings, maximum),
        announces=_announces(asked, settings, maximum),
        alpha_tokens=_value(asked.alpha, default.alpha_tokens),
    )
    return ReadBudget(
        budget=budget,
        asked=asked.anything,
        source=wanted.name,
        clamped_from=clamped_from,
        thinking_enabled=False if asked.off else _value(asked.enabled, None),
        include_thinking=_value(asked.shown, None),
        detail=_value(asked.detail, None) or False,
        announced_by=asked.announce.name if asked.announce and asked.announce.value else None,
        task_tokens=_value(asked.task, None),
        insists=asked.insists,
        switched=switched(_value(asked.enabled, None), _value(asked.effort, None), must_think=must_think),
        body=forward(
            body,
            model,
            _value(asked.enabled, None),
            _value(asked.effort, None),
            must_think=must_think,
            maximum=maximum,
            template=settings.template,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the client said of each quantity."""

    maximum: Said[int] | None
    minimum: Said[int] | None
    waits: Said[int] | None
    nudge: Said[tuple[str, ...]] | None
    end_message: Said[str] | None
    answer_reserve: Said[int] | None
    steps: Said[int] | None
    grace: Said[int] | None
    on_loop: Said[bool] | None
    on_max: Said[bool] | None
    suppress: Said[tuple[str, ...]] | None
    alpha: Said[int] | None
    effort: Said[str] | None
    enabled: Said[bool] | None
    shown: Said[bool] | None
    detail: Said[bool] | None
    announce: Said[bool] | None
    task: Said[int] | None

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> "_Asked":
        return cls(
            maximum=find(fields, MAXIMUM),
            minimum=find(fields, MINIMUM),
            waits=find(fields, WAITS),
            nudge=find(fields, NUDGE),
            end_message=find(fields, END_MESSAGE),
            answer_reserve=find(fields, ANSWER_RESERVE),
            steps=find(fields, STEPS),
            grace=find(fields, GRACE),
            on_loop=find(fields, ON_LOOP),
            on_max=find(fields, ON_MAX),
            suppress=find(fields, SUPPRESS),
            alpha=find(fields, ALPHA),
            effort=find(fields, EFFORT),
            enabled=find(fields, ENABLED),
            shown=find(fields, SHOWN),
            detail=find(fields, DETAIL),
            announce=find(fields, ANNOUNCE),
            task=find(fields, TASK),
        )

    @property
    def off(self) -> Said[bool] | Said[str] | None:
        """What switched thinking off, if anything did."""
        if self.enabled is not None and not self.enabled.value:
            return self.enabled
        if self.effort is not None and self.effort.value == NO_EFFORT:
            return self.effort
        return None

    @property
    def wants_thinking(self) -> bool:
        """Whether a maximum above 0 (or none, by word), a minimum or Waits ask for it."""
        numbers = (self.maximum, self.minimum, self.waits)
        return self.off is None and any(said is not None and said.value != 0 for said in numbers)

    @property
    def insists(self) -> str | None:
        """By which spelling more is to be thought than the model would."""
        more = (self.minimum, self.waits, self.steps, self.alpha)
        return next((said.name for said in more if said is not None and said.value), None)

    @property
    def anything(self) -> bool:
        numbers = (self.maximum, self.minimum, self.waits, self.nudge, self.end_message, self.answer_reserve)
        steering = (self.steps, self.grace, self.on_loop, self.on_max, self.suppress, self.alpha)
        return any(said is not None for said in (*numbers, *steering, self.effort, self.off))

    def refuse_contradiction(self) -> None:
        """Refuse thinking that is switched off by one field and asked for by another.

        Raises:
            BudgetError: It names the field that asks for thinking.
        """
        off = self.off
        if off is None:
            return
        wanting = (self.maximum, self.minimum, self.waits, self.steps, self.enabled, self.effort)
        for said in wanting:
            if said is not None and said.value not in (0, False, NO_EFFORT):
                raise BudgetError(
                    said.name,
                    f"{off.name} ({shown(off.value)}) switches thinking off and {said.name} "
                    f"({shown(said.value)}) asks for it.",
                )


def _value(said: Said[T] | None, otherwise: T | None) -> T | None:
    return otherwise if said is None else said.value


def _maximum(asked: _Asked, settings: BudgetDefaults) -> Said[int | None]:
    """The maximum before the ceiling, and the spelling that set it.

    Raises:
        BudgetError: The effort is not in the server's table.
    """
    if asked.effort is not None and asked.effort.value not in settings.efforts:
        presets = () if asked.effort.name == "model:effort" else settings.presets
        raise BudgetError(
            asked.effort.name,
            f"{asked.effort.name} must be one of {', '.join((*settings.efforts, *presets))}, "
            f"not {quoted(asked.effort.value)}.",
        )
    if asked.maximum is not None:
        return Said(asked.maximum.name, asked.maximum.value)
    if asked.off is not None:
        return Said(asked.off.name, 0)
    if asked.effort is not None:
        return Said(asked.effort.name, settings.efforts[asked.effort.value])
    return Said(DEFAULT_SOURCE, settings.default.max_tokens)


def _clamp(maximum: int | None, ceiling: int | None) -> tuple[int | None, int | None]:
    """(the maximum under the ceiling, what it was if it was cut)."""
    if ceiling is None or (maximum is not None and 0 <= maximum <= ceiling):
        return maximum, None
    return ceiling, UNLIMITED if maximum is None else maximum


def _grace(
    asked: _Asked, wanted: Said[int | None], settings: BudgetDefaults, maximum: int | None
) -> int | None:
    """The grace tokens: the client's, else the server's where there is a maximum.

    Raises:
        BudgetError: The client's have no maximum, or are more than it.
    """
    if asked.grace is None:
        truncates = _truncates(asked, settings, maximum)
        return None if asked.off or truncates else settings.default.grace_tokens
    name, tokens = asked.grace.name, asked.grace.value
    if tokens == 0:
        return tokens
    if maximum is None or maximum == UNLIMITED:
        raise BudgetError(name, f"{name} needs a maximum number of thinking tokens.")
    if wanted.value is not None and tokens > maximum == wanted.value:
        raise BudgetError(name, f"{name} ({tokens}) is above {wanted.name} ({maximum}).")
    return tokens


def _announces(asked: _Asked, settings: BudgetDefaults, maximum: int | None) -> bool | None:
    """Whether the model is told its maximum; the server's own word holds where there is one.

    Raises:
        BudgetError: The client wants it told, and there is none.
    """
    has_maximum = maximum is not None and maximum > 0
    if asked.announce is None:
        return settings.default.announces if has_maximum else None
    if asked.announce.value and not has_maximum:
        name = asked.announce.name
        raise BudgetError(name, f"{name} needs a maximum number of thinking tokens above 0.")
    return asked.announce.value


def _truncates(asked: _Asked, settings: BudgetDefaults, maximum: int | None) -> bool | None:
    """Whether the request ends at the maximum; None: not said.

    The server's own word gives way to the client's soft landing.

    Raises:
        BudgetError: There is no maximum to end at, or a soft landing before it.
    """
    if asked.on_max is None:
        lands = asked.grace is not None and asked.grace.value
        has_maximum = maximum is not None and maximum > 0 and asked.off is None
        return settings.default.truncates if has_maximum and not lands else None
    if not asked.on_max.value:
        return False
    name = asked.on_max.name
    if maximum is None or maximum <= 0:
        raise BudgetError(name, f"{name} (truncate) needs a maximum number of thinking tokens above 0.")
    if asked.grace is not None and asked.grace.value:
        raise BudgetError(
            name, f"{name} (truncate) ends the request where {asked.grace.name} would land before."
        )
    return True


def _minimum(
    asked: _Asked, wanted: Said[int | None], settings: BudgetDefaults, maximum: int | None
) -> int | None:
    """The minimum: the client's, else the server's, which is cut to the maximum.

    Raises:
        BudgetError: The client's is above the maximum or the ceiling.
    """
    if asked.minimum is None:
        default = None if asked.off else settings.default.min_tokens
        if default is None or maximum is None or maximum == UNLIMITED:
            return default
        return min(default, maximum)
    name, minimum = asked.minimum.name, asked.minimum.value
    ceiling = Said(settings.ceiling_name, settings.ceiling)
    for bound in (wanted, ceiling):
        if bound.value not in (None, UNLIMITED) and minimum > bound.value:
            above = "the server's default maximum" if bound.name == DEFAULT_SOURCE else bound.name
            raise BudgetError(name, f"{name} ({minimum}) is above {above} ({bound.value}).")
    return minimum
