"""An operator's presets: names that a client sends for a budget and a scaling method."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.forward import without_field
from server.budget.parsing.model_suffix import SUFFIX
from server.budget.parsing.spellings import EFFORT
from server.budget.parsing.values import shown
from server.budget.parsing.without_meaning import MODE

PLACES = (
    MODE,
    *(spelling.path for spelling in EFFORT.spellings if spelling.path[0] != "model"),
)
"""Where a preset is named in the JSON: as the mode, or in the place of an effort."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What a name stands for. The client's own fields beat it, as they beat the server's defaults."""

    budget: ThinkingBudget = field(default_factory=ThinkingBudget)
    scaling: Mapping[str, object] | None = None
    """The `scaling` of a request, as JSON; None: none."""

    def over(self, default: ThinkingBudget) -> ThinkingBudget:
        """The server's default budget with this one's parts in the place of its own."""
        said = {
            each.name: value
            for each in fields(ThinkingBudget)
            if (value := getattr(self.budget, each.name)) is not None
        }
        return replace(default, **said)

    @property
    def wants_thinking(self) -> bool:
        """Whether it asks for thinking, which many chat templates have off until they are told."""
        budget = self.budget
        return any(
            value not in (None, 0) for value in (budget.max_tokens, budget.min_tokens, budget.num_waits)
        )


@dataclass(frozen=True, slots=True)
class NamedPreset:
    """A preset that a request names, and the field that names it."""

    name: str
    where: str
    preset: Preset


def take_preset(
    body: Mapping[str, object], presets: Mapping[str, Preset]
) -> tuple[dict[str, object], NamedPreset | None]:
    """A new body without the preset's name, and the preset; the body's other fields are the client's own.

    A preset is named by `reasoning.mode`, in the place of an effort, or after the model: "MODEL:NAME".

    Raises:
        BudgetError: The request names two.
    """
    rest, named = dict(body), list[NamedPreset]()
    for path in PLACES:
        name = _at(rest, path)
        if isinstance(name, str) and name in presets:
            named.append(NamedPreset(name, ".".join(path), presets[name]))
            rest = without_field(rest, path)
    if isinstance(model := rest.get("model"), str):
        found = SUFFIX.fullmatch(model)
        whole = found[1] if found else model
        own, _, name = whole.rpartition(":")
        if own and name in presets:
            named.append(NamedPreset(name, "model", presets[name]))
            rest["model"] = own + model.removeprefix(whole)
    for other in named[1:]:
        if other.name != named[0].name:
            raise BudgetError(
                other.where,
                f"{named[0].where} ({shown(named[0].name)}) and {other.where} ({shown(other.name)}) name two"
                " presets: give one of them.",
            )
    return rest, named[0] if named else None


def _at(body: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = body
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
