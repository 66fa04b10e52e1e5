"""Every spelling of a thinking budget: one row each, under the quantity that it carries.

Decides where in the JSON a quantity is looked for, and that two spellings of it agree. What its value may be
is in values.py; which quantity beats which, in read.py; what no row reads, in unknown_fields.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from server.budget.budget import BudgetError
from server.budget.parsing.values import (
    Reader,
    display,
    end_message,
    grace,
    inverted_switch,
    nudges,
    on_loop,
    on_max,
    shown,
    steps,
    suppressed,
    switch,
    task_budget,
    thinking_type,
    tokens,
    tokens_or_unlimited,
    waits,
    word,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Spelling(Generic[T_co]):
    """One place in the JSON. "a.b" is the key b inside the object a; "model:k" is a key of the suffix."""

    name: str
    read: Reader[T_co]
    origin: str
    """Whose spelling it is."""
    forwarded: bool = False
    """vLLM or the chat template reads it too: it stays in the body."""
    skip: tuple[type, ...] = ()
    """Values of these types are another row's to read."""
    path: tuple[str, ...] = field(init=False)
    """The keys that lead to it, from the root of the JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(self.name.replace(":", ".").split(".")))


@dataclass(frozen=True, slots=True)
class SpelledField(Generic[T_co]):
    """One thing that a client can ask for, and its spellings; the canonical one first."""

    meaning: str
    spellings: tuple[Spelling[T_co], ...]


@dataclass(frozen=True, slots=True)
class Said(Generic[T_co]):
    """A value and the spelling that it came from."""

    name: str
    value: T_co


MAXIMUM = SpelledField(
    "maximum of thinking tokens; 0 closes at once, -1 is unlimited",
    (
        Spelling("thinking_budget", tokens_or_unlimited, "canonical, DashScope", skip=(dict,)),
        Spelling("thinking_budget.max_tokens", tokens_or_unlimited, "canonical"),
        Spelling("budget_forcing.max_tokens", tokens_or_unlimited, "budget forcing as one object"),
        Spelling("thinking_token_budget", tokens_or_unlimited, "vLLM, TensorRT-LLM, Dynamo"),
        Spelling("max_thinking_tokens", tokens_or_unlimited, "optillm"),
        Spelling("thinking_budget_tokens", tokens_or_unlimited, "llama.cpp"),
        Spelling("reasoning_budget_tokens", tokens_or_unlimited, "llama.cpp"),
        Spelling("reasoning_max_tokens", tokens_or_unlimited, "FastDeploy"),
        Spelling("max_reasoning_tokens", tokens_or_unlimited, "various"),
        Spelling("max_tokens_thinking", tokens_or_unlimited, "s1's lm-eval"),
        Spelling("thinking.budget_tokens", tokens_or_unlimited, "Anthropic"),
        Spelling("reasoning.max_tokens", tokens_or_unlimited, "OpenRouter"),
        Spelling("chat_template_kwargs.thinking_budget", tokens_or_unlimited, "SGLang", forwarded=True),
        Spelling("chat_template_kwargs.thinking_token_budget", tokens_or_unlimited, "vLLM", forwarded=True),
        Spelling("google.thinking_config.thinking_budget", tokens_or_unlimited, "Gemini"),
        Spelling("extra_body.google.thinking_config.thinking_budget", tokens_or_unlimited, "Gemini"),
        Spelling("nvext.max_thinking_tokens", tokens_or_unlimited, "NVIDIA NIM"),
        Spelling("custom_params.thinking_budget", tokens_or_unlimited, "SGLang"),
        Spelling("logits_processors_args.thinking_budget", tokens_or_unlimited, "FastDeploy"),
        Spelling("extra_args.thinking_token_budget", tokens_or_unlimited, "vLLM's sampling parameters"),
        Spelling("options.think_budget", tokens_or_unlimited, "Ollama"),
        Spelling("model:think", tokens_or_unlimited, "suffix of the model's name"),
        Spelling("model:max", tokens_or_unlimited, "suffix of the model's name"),
    ),
)
MINIMUM = SpelledField(
    "minimum of thinking tokens: until then an end of thinking is replaced by the nudge",
    (
        Spelling("thinking_budget.min_tokens", tokens, "canonical"),
        Spelling("budget_forcing.min_tokens", tokens, "budget forcing as one object"),
        Spelling("min_thinking_tokens", tokens, "optillm"),
        Spelling("min_tokens_thinking", tokens, "s1's lm-eval"),
        Spelling("model:min", tokens, "suffix of the model's name"),
    ),
)
WAITS = SpelledField(
    "how many ends of thinking are replaced by the nudge",
    (
        Spelling("thinking_budget.num_waits", waits, "canonical"),
        Spelling("budget_forcing.num_waits", waits, "budget forcing as one object"),
        Spelling("thinking_n_ignore", waits, "s1's lm-eval"),
        Spelling("model:waits", waits, "suffix of the model's name"),
    ),
)
NUDGE = SpelledField(
    "the string, or the list of strings that is cycled, in place of an end of thinking",
    (
        Spelling("thinking_budget.nudge", nudges, "canonical"),
        Spelling("budget_forcing.nudge", nudges, "budget forcing as one object"),
        Spelling("budget_forcing.wait_string", nudges, "budget forcing as one object"),
        Spelling("thought_switch_tokens", nudges, "optillm"),
        Spelling("thinking_n_ignore_str", nudges, "s1's lm-eval"),
        Spelling("model:nudge", nudges, "suffix of the model's name"),
    ),
)
END_MESSAGE = SpelledField(
    'the cue after a forced close of thinking; "" for none',
    (
        Spelling("thinking_budget.end_message", end_message, "canonical"),
        Spelling("budget_forcing.end_message", end_message, "budget forcing as one object"),
        Spelling("reasoning_budget_message", end_message, "llama.cpp"),
        Spelling("think_stop_sentence", end_message, "FastDeploy"),
        Spelling("logits_processors_args.think_stop_sentence", end_message, "FastDeploy"),
    ),
)
ANSWER_RESERVE = SpelledField(
    "tokens kept for the answer",
    (
        Spelling("thinking_budget.answer_reserve_tokens", tokens, "canonical"),
        Spelling("budget_forcing.answer_reserve_tokens", tokens, "budget forcing as one object"),
    ),
)
STEPS = SpelledField(
    "how many steps thinking counts down, on models trained to",
    (
        Spelling("thinking_budget.max_steps", steps, "canonical"),
        Spelling("budget_forcing.max_steps", steps, "budget forcing as one object"),
    ),
)
GRACE = SpelledField(
    "soft landing: in the last so many tokens below the maximum the close waits for the end of a sentence",
    (
        Spelling("thinking_budget.grace_tokens", grace, "canonical"),
        Spelling("budget_forcing.grace_tokens", grace, "budget forcing as one object"),
        Spelling("model:grace", grace, "suffix of the model's name"),
    ),
)
ON_LOOP = SpelledField(
    "whether thinking that repeats itself is closed",
    (
        Spelling("thinking_budget.on_loop", on_loop, "canonical"),
        Spelling("budget_forcing.on_loop", on_loop, "budget forcing as one object"),
    ),
)
ON_MAX = SpelledField(
    "whether the maximum leads to an answer or ends the request",
    (
        Spelling("thinking_budget.on_max", on_max, "canonical"),
        Spelling("budget_forcing.on_max", on_max, "budget forcing as one object"),
    ),
)
SUPPRESS = SpelledField(
    "words that do not come in thinking",
    (
        Spelling("thinking_budget.suppress", suppressed, "canonical"),
        Spelling("budget_forcing.suppress", suppressed, "budget forcing as one object"),
    ),
)
ALPHA = SpelledField(
    "AlphaOne: nudges are put in until so many thinking tokens stand, and end thinking from then on",
    (
        Spelling("thinking_budget.alpha_tokens", tokens, "canonical"),
        Spelling("budget_forcing.alpha_tokens", tokens, "budget forcing as one object"),
    ),
)
EFFORT = SpelledField(
    "effort: a maximum by the server's table; none switches thinking off",
    (
        Spelling("reasoning_effort", word(), "OpenAI", forwarded=True),
        Spelling("reasoning.effort", word(), "OpenAI Responses, OpenRouter", forwarded=True),
        Spelling("output_config.effort", word(), "Anthropic", forwarded=True),
        Spelling("think", word("true, false or an effort word"), "Ollama", skip=(bool,)),
        Spelling("chat_template_kwargs.reasoning_effort", word(), "vLLM, SGLang", forwarded=True),
        Spelling("google.thinking_config.thinking_level", word(), "Gemini 3"),
        Spelling("extra_body.google.thinking_config.thinking_level", word(), "Gemini 3"),
        Spelling("model:effort", word(), "suffix of the model's name"),
    ),
)
ENABLED = SpelledField(
    "thinking on or off; off is a maximum of 0",
    (
        Spelling("enable_thinking", switch, "DashScope"),
        Spelling("think", switch, "Ollama", skip=(str,)),
        Spelling("thinking.type", thinking_type, "Anthropic, DeepSeek, GLM", forwarded=True),
        Spelling("reasoning.enabled", switch, "OpenRouter"),
        Spelling("chat_template_kwargs.enable_thinking", switch, "Qwen3 and others", forwarded=True),
        Spelling("chat_template_kwargs.thinking", switch, "DeepSeek, Granite, Kimi", forwarded=True),
    ),
)
SHOWN = SpelledField(
    "whether the response holds the thinking",
    (
        Spelling("include_reasoning", switch, "vLLM, OpenRouter", forwarded=True),
        Spelling("reasoning.exclude", inverted_switch, "OpenRouter, true to leave it out"),
        Spelling("thinking.display", display, "Anthropic, omitted to leave it out", forwarded=True),
        Spelling("google.thinking_config.include_thoughts", switch, "Gemini"),
        Spelling("extra_body.google.thinking_config.include_thoughts", switch, "Gemini"),
    ),
)
DETAIL = SpelledField(
    "whether the report says where forced tokens stand, and each chunk of a stream how far thinking is",
    (Spelling("thinking_budget.detail", switch, "canonical"),),
)
ANNOUNCE = SpelledField(
    "whether the model is told the maximum, in a line behind the last question",
    (
        Spelling("thinking_budget.announce", switch, "canonical"),
        Spelling("budget_forcing.announce", switch, "budget forcing as one object"),
    ),
)
TASK = SpelledField(
    "tokens that a whole task of many requests may take: the model is told, nothing is forced",
    (Spelling("output_config.task_budget", task_budget, "Anthropic"),),
)
QUANTITIES: tuple[SpelledField[object], ...] = (
    MAXIMUM,
    MINIMUM,
    WAITS,
    NUDGE,
    END_MESSAGE,
    ANSWER_RESERVE,
    STEPS,
    GRACE,
    ON_LOOP,
    ON_MAX,
    SUPPRESS,
    ALPHA,
    EFFORT,
    ENABLED,
    SHOWN,
    DETAIL,
    ANNOUNCE,
    TASK,
)
SPELLINGS: tuple[Spelling[object], ...] = tuple(row for each in QUANTITIES for row in each.spellings)

OURS = frozenset({"thinking_budget", "budget_forcing"})
"""Objects of our own: a null inside is a mistake. Elsewhere a null is how a client's library says nothing."""
_NAMES = frozenset(row.name for row in SPELLINGS)
_MISSING = object()


def find(fields: Mapping[str, object], quantity: SpelledField[T]) -> Said[T] | None:
    """The value of a quantity and the spelling that set it; None where no spelling is in the JSON.

    Raises:
        BudgetError: A value is wrong, or two spellings disagree.
    """
    said = [
        Said(row.name, row.read(row.name, raw))
        for row in quantity.spellings
        if row.path[0] in fields and (raw := _look_up(fields, row)) is not _MISSING
    ]
    for other in said[1:]:
        if other.value != said[0].value:
            raise BudgetError(
                other.name,
                f"{said[0].name} ({shown(said[0].value)}) and {other.name} ({shown(other.value)}) disagree.",
            )
    return said[0] if said else None


def _look_up(fields: Mapping[str, object], row: Spelling[object]) -> object:
    *parents, key = row.path
    inside: Mapping[str, object] = fields
    for depth, parent in enumerate(parents, start=1):
        child = inside.get(parent)
        name = ".".join(parents[:depth])
        if child is None or (name in _NAMES and not isinstance(child, Mapping)):
            return _MISSING
        if not isinstance(child, Mapping):
            raise BudgetError(name, f"{name} must be an object, not {shown(child)}.")
        inside = child
    raw = inside.get(key, _MISSING)
    mistaken_null = bool(parents) and parents[0] in OURS
    if isinstance(raw, row.skip) or (raw is None and not mistaken_null):
        return _MISSING
    return raw


def describe_spellings() -> list[tuple[str, str]]:
    """(spelling, meaning), in the table's order, each spelling once: server/README.md is tested with it."""
    meanings: dict[str, list[str]] = {}
    for quantity in QUANTITIES:
        for row in quantity.spellings:
            meanings.setdefault(row.name, []).append(f"{quantity.meaning} ({row.origin})")
    return [(name, "; or ".join(each)) for name, each in meanings.items()]
