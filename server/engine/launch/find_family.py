"""Finds the family of the model that is about to be served."""

from argparse import Namespace

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from server.budget.budget import NEVER, BudgetError, ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.planning.make_plan import PlanContext, make_plan
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES, Family, detect_family
from server.settings import NO_FAMILY


def find_family(named: str | None, arguments: Namespace) -> tuple[Family | None, str]:
    """The family, as named or as detected from tokenizer and chat template, and in words how it was found.

    It raises OSError or ValueError, as transformers does, when the model's tokenizer cannot be read.
    """
    if named == NO_FAMILY:
        return None, "--family none"
    if named is not None:
        return FAMILIES[named], f"--family {named}"
    tokenizer = _tokenizer(arguments)
    template = arguments.chat_template or tokenizer.chat_template
    return detect_family(
        arguments.model, template if isinstance(template, str) else None, tokenizer.get_added_vocab()
    )


def check_defaults(defaults: BudgetDefaults, family: Family | None, arguments: Namespace) -> None:
    """Refuse a default budget that this model cannot keep: every request would be refused for it.

    Raises:
        ValueError: It names the flag.
    """
    if family is None and (defaults.ceiling is not None or defaults.default != ThinkingBudget()):
        raise ValueError(
            "--default-thinking-budget, --max-thinking-budget: thinking has no budget on a model of no known"
            " family (--family)"
        )
    if family is None or defaults.default == ThinkingBudget():
        return
    tokenizer = _tokenizer(arguments)
    ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    tokens, anywhere = family_tokens(family, tokenizer, ends), PlanContext(prompt=(), max_model_len=NEVER)
    try:
        make_plan(defaults.default, tokens, Encoder(tokenizer), anywhere, vocabulary_of(tokenizer))
    except BudgetError as error:
        raise ValueError(f"--default-thinking-budget: {error}") from error


def _tokenizer(arguments: Namespace) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(
        arguments.tokenizer or arguments.model,
        revision=arguments.tokenizer_revision or arguments.revision,
        trust_remote_code=arguments.trust_remote_code,
    )
