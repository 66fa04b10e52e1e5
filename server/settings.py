"""The server's own settings.

Flags, S1_* environment variables and defaults are all derived from one dataclass.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from server.budget.budget import ThinkingBudget
from server.budget.parsing.defaults import EFFORTS
from server.budget.parsing.keep import Keep
from server.budget.parsing.presets import Preset
from server.budget.parsing.read import BudgetDefaults, read_budget
from server.flag_values import (
    ENDPOINTS,
    budget_of,
    count_of,
    efforts_of,
    endpoints_of,
    folder_of,
    one_of,
    presets_of,
    scorers_of,
    switch_of,
    tokens_of,
)
from server.keys.file import read_keys
from server.keys.key import Key
from server.keys.store.address import MEMORY, StoreAddress, read_address
from server.limits import RequestLimits
from server.reasoning.families import FAMILIES
from server.scaling.request import DEFAULT_MAX_SAMPLES, FIELD, ScalingDefaults, read_scaling, refuse_budget
from server.scaling.scorers.endpoint import ScorerSettings

EMBEDDED_MODEL = "s1-nano"
EMBEDDED_MODEL_PATH = Path(__file__).parent / "models" / "nano"
EMBEDDED_SCORER = "s1-nano-scorer"
EMBEDDED_SCORER_PATH = Path(__file__).parent / "models" / "nano_scorer"
NO_FAMILY = "none"
REASONING_FIELDS = ("both", "reasoning", "reasoning_content", "inline")
LOG_FORMATS = ("text", "json", "off")
ALLOW, REFUSE = "allow", "refuse"
LIMITS = RequestLimits()
TAKEN = ("standard", "auto")
"""What `reasoning.mode` and `thinking_budget` say where no preset is meant."""


def _flag(parse: Any, metavar: str, text: str) -> dict[str, Any]:
    return {"parse": parse, "metavar": metavar, "help": text}


def _limit(text: str, default: int) -> dict[str, Any]:
    return _flag(count_of, "N", f"{text} (default: {default})")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings `s1-serve` adds to vLLM's own flags.

    A flag (--max-thinking-budget) takes precedence over its environment variable (S1_MAX_THINKING_BUDGET).
    """

    family: str | None = field(
        default=None,
        metadata=_flag(
            one_of(*FAMILIES, NO_FAMILY),
            "NAME",
            f"the model's thinking marks: {', '.join(FAMILIES)}; none serves without budgets"
            " (default: detected from the tokenizer and the chat template)",
        ),
    )
    default_thinking_budget: ThinkingBudget = field(
        default_factory=ThinkingBudget,
        metadata=_flag(
            budget_of,
            "BUDGET",
            "for requests without a budget: a number of tokens, or the JSON of a thinking_budget object"
            " (default: unlimited)",
        ),
    )
    max_thinking_budget: int | None = field(
        default=None,
        metadata=_flag(
            tokens_of, "TOKENS", "maximum number of thinking tokens of any request (default: none)"
        ),
    )
    effort_tokens: Mapping[str, int] = field(
        default_factory=lambda: BudgetDefaults().efforts,
        metadata=_flag(
            efforts_of,
            "low=1024,...",
            "the maximum that each reasoning_effort stands for, in tokens; -1: unlimited (default:"
            f" {','.join(f'{word}={tokens}' for word, tokens in EFFORTS.items())})",
        ),
    )
    presets: Mapping[str, Preset] = field(
        default_factory=dict,
        metadata=_flag(
            presets_of,
            "JSON",
            'names that a client may send as reasoning.mode, as an effort or as "MODEL:NAME":'
            ' {"pro": {"thinking_budget": {"num_waits": 2}, "scaling": {"method": "majority", "n": 4}}}'
            " (default: none)",
        ),
    )
    keep_thinking: str | None = field(
        default=None,
        metadata=_flag(
            one_of(*Keep),
            "WHAT",
            "of the thinking in a conversation the model is shown again: none, that since the last question"
            " (tools), or all, where its chat template can (default: what its chat template shows)",
        ),
    )
    reasoning_field: str = field(
        default="both",
        metadata=_flag(
            one_of(*REASONING_FIELDS),
            "WHERE",
            "the field of responses for thinking: both (reasoning and reasoning_content), either, or inline"
            " (in content, with its marks; default: both)",
        ),
    )

    max_scaling_samples: int = field(
        default=DEFAULT_MAX_SAMPLES,
        metadata=_flag(
            count_of,
            "N",
            f"maximum number of samples of a request under `scaling` (default: {DEFAULT_MAX_SAMPLES})",
        ),
    )
    max_choices: int = field(
        default=LIMITS.max_choices,
        metadata=_limit("no request asks for more choices, n times its prompts", LIMITS.max_choices),
    )
    max_stored_responses: int = field(
        default=LIMITS.max_stored_responses,
        metadata=_flag(
            tokens_of,
            "N",
            "the last N responses of /v1/responses are kept in memory for previous_response_id; 0: none"
            f" (default: {LIMITS.max_stored_responses})",
        ),
    )
    stored_response_seconds: int = field(
        default=3600,
        metadata=_flag(count_of, "N", "for so many seconds (default: 3600)"),
    )
    max_body_bytes: int = field(
        default=LIMITS.max_body_bytes,
        metadata=_limit("no request's body has more bytes", LIMITS.max_body_bytes),
    )
    max_body_keys: int = field(
        default=LIMITS.max_body_keys,
        metadata=_limit("no JSON body has more keys, objects and lists", LIMITS.max_body_keys),
    )
    max_body_values: int = field(
        default=LIMITS.max_body_values,
        metadata=_limit("no JSON body has more values, token ids included", LIMITS.max_body_values),
    )
    max_body_depth: int = field(
        default=LIMITS.max_body_depth,
        metadata=_limit("no JSON body is nested deeper", LIMITS.max_body_depth),
    )
    scorers: Mapping[str, ScorerSettings] = field(
        default_factory=dict,
        metadata=_flag(
            scorers_of,
            "JSON",
            'scorers that `scaling.scorer` may name: {"NAME": {"kind": "score", "url": "http://..."}}; kinds:'
            " score, classify, pooling, judge (default: likelihood only)",
        ),
    )
    api_keys_file: Sequence[Key] = field(
        default=(),
        metadata=_flag(
            read_keys,
            "FILE",
            "API keys with their limits and quotas: TOML, read at start, see server/README.md (default: no"
            " key is needed, unless --api-key is given)",
        ),
    )
    quota_store: StoreAddress | None = field(
        default=None,
        metadata=_flag(
            read_address,
            "URL",
            "where quotas are counted: memory, or redis://HOST:PORT/DATABASE of a Redis or Valkey that"
            f" servers share and that outlives them (default: {MEMORY})",
        ),
    )
    quota_store_down: str = field(
        default=REFUSE,
        metadata=_flag(
            one_of(ALLOW, REFUSE),
            "WHAT",
            "while that store is down, keys with a quota think on, counted by each process alone (allow), or"
            f" no further than what is leased to them (default: {REFUSE})",
        ),
    )
    quota_lease_tokens: int = field(
        default=1024,
        metadata=_flag(
            count_of,
            "N",
            "at most so many tokens of a key's quota are leased to a process ahead, and lost with it if it is"
            " killed (default: 1024)",
        ),
    )
    open_endpoints: Sequence[str] = field(
        default=ENDPOINTS,
        metadata=_flag(
            endpoints_of,
            "NAMES",
            "endpoints that need no key if the others do: health,metrics (default), one of them, or none",
        ),
    )
    weight_updates: Path | None = field(
        default=None,
        metadata=_flag(
            folder_of,
            "FOLDER",
            "let a trainer exchange the model's weights while the server runs, by files of this folder, over"
            " vLLM's routes for it; with API keys an admin's only (default: no)",
        ),
    )
    log_format: str = field(
        default="text",
        metadata=_flag(
            one_of(*LOG_FORMATS),
            "FORMAT",
            "one line for each finished request: text, json (vLLM's and uvicorn's lines as well), or off"
            " (default: text)",
        ),
    )
    log_prompts: bool = field(
        default=False,
        metadata=_flag(switch_of, "true|false", "include the prompt's text in that line (default: false)"),
    )

    @property
    def budget_defaults(self) -> BudgetDefaults:
        """The defaults and ceilings that a request's own budget is combined with."""
        return replace(
            BudgetDefaults(),
            default=self.default_thinking_budget,
            ceiling=self.max_thinking_budget,
            efforts=self.effort_tokens,
            presets=self.presets,
        )

    def check_presets(self) -> None:
        """Check the presets against the other settings.

        Raises:
            ValueError: One is called as an effort is, or cannot hold on this server; the message names it.
        """
        scaling = ScalingDefaults(max_samples=self.max_scaling_samples, scorers=tuple(self.scorers))
        for name, preset in self.presets.items():
            if name in (*self.effort_tokens, *TAKEN):
                raise ValueError(f"--presets: {name} is a word of its own already (see --effort-tokens)")
            try:
                under = self.budget_defaults.under(preset)
                if asked := read_scaling({FIELD: preset.scaling}, scaling):
                    refuse_budget(asked, read_budget({}, under))
            except ValueError as error:
                raise ValueError(f"--presets: {name}: {error}") from error

    @property
    def request_limits(self) -> RequestLimits:
        """What a request is held to before its budget is looked at."""
        return RequestLimits(
            max_body_bytes=self.max_body_bytes,
            max_body_keys=self.max_body_keys,
            max_body_values=self.max_body_values,
            max_body_depth=self.max_body_depth,
            max_choices=self.max_choices,
            max_stored_responses=self.max_stored_responses,
        )

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        """Add an argument group with one flag per field to `parser`."""
        group = parser.add_argument_group("s1-server", "Thinking budgets. All other flags are vLLM's.")
        for each in fields(cls):
            parse, metavar = each.metadata["parse"], each.metadata["metavar"]
            value: dict[str, Any] = {"type": parse, "metavar": metavar}
            if parse is switch_of:  # --name and --no-name
                value = {"action": argparse.BooleanOptionalAction}
            group.add_argument(
                _flag_name(each.name),
                **value,
                default=argparse.SUPPRESS,  # vLLM's help formatter would print "default: None"
                help=f"{each.metadata['help']} [{_variable(each.name)}]",
            )

    @classmethod
    def read(cls, arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings: flags first, then the environment, then the defaults.

        Raises:
            argparse.ArgumentTypeError: An unknown S1_* variable, or one whose value cannot be parsed; the
                message names it.
            ValueError: Two settings contradict each other.
        """
        known = {_variable(each.name) for each in fields(cls)}
        for name in environment:
            if name.startswith("S1_") and name not in known:
                raise argparse.ArgumentTypeError(
                    f"{name} is no setting of this server: {', '.join(sorted(known))}"
                )
        values = {}
        for each in fields(cls):
            given = getattr(arguments, each.name, None)
            if given is None and (text := environment.get(_variable(each.name))):
                try:
                    given = each.metadata["parse"](text)
                except argparse.ArgumentTypeError as error:
                    raise argparse.ArgumentTypeError(f"{_variable(each.name)}: {error}") from error
            if given is not None:
                values[each.name] = given
        settings = cls(**values)
        _ = settings.budget_defaults  # its constructor checks the settings against each other
        settings.check_presets()
        return settings


def _flag_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return f"S1_{name.upper()}"
