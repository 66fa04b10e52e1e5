"""Finds the family of the model that is about to be served."""

from argparse import Namespace
from pathlib import Path

from vllm.renderers.chat_utils import load_chat_template
from vllm.tokenizers import TokenizerLike, get_tokenizer

from server.budget.budget import NEVER, BudgetError, ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.planning.make_plan import PlanContext, make_plan
from server.engine.family_tokens import Encoder, declared_by, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES, detect_family
from server.reasoning.family import Family
from server.settings import NO_FAMILY


def find_family(named: str | None, arguments: Namespace) -> tuple[Family | None, str]:
    """The family, as named or as detected from tokenizer and chat template, and in words how it was found.

    It raises ValueError when the model's tokenizer cannot be read.
    """
    if named == NO_FAMILY:
        return None, "--family none"
    if arguments.runner == "pooling":
        return None, "--runner pooling: it scores or embeds, and generates nothing"
    if named is not None:
        family = FAMILIES[named]
        written = family if family.suffix is None else family.written_in(tokenizer_of(arguments).get_vocab())
        return written, f"--family {named}"
    tokenizer = tokenizer_of(arguments)
    found, how = detect_family(arguments.model, _template(arguments, tokenizer), tokenizer.get_vocab())
    if found is None and (declared := declared_by(tokenizer)) is not None:
        return declared, f"{declared.start} and {declared.end} in the checkpoint's response_template"
    return found, how


def _template(arguments: Namespace, tokenizer: TokenizerLike) -> str | None:
    """The chat template's source, of several (a dict, by use) all; None with Mistral's tokenizers."""
    template = load_chat_template(arguments.chat_template) or getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        return "\n".join(template.values())
    return template if isinstance(template, str) else None


def check_defaults(defaults: BudgetDefaults, family: Family | None, arguments: Namespace) -> None:
    """Refuse a default budget, or a preset's, that this model cannot keep: requests would be refused for it.

    Raises:
        ValueError: It names the flag.
    """
    for served in arguments.served_model_name or [arguments.model]:
        if (own := served.rpartition(":")[2]) in defaults.presets and own != served:
            raise ValueError(f"--presets: {own}: the model {served!r} could not be asked for by its own name")
    budgets = {"--default-thinking-budget": defaults.default}
    budgets |= {f"--presets: {name}": each.over(defaults.default) for name, each in defaults.presets.items()}
    budgets = {where: budget for where, budget in budgets.items() if budget != ThinkingBudget()}
    if family is None and (defaults.ceiling is not None or budgets):
        raise ValueError(
            "--default-thinking-budget, --max-thinking-budget, --presets: thinking has no budget on a model"
            " of no known family (--family)"
        )
    if family is None or not budgets:
        return
    tokenizer = tokenizer_of(arguments)
    ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    tokens, anywhere = family_tokens(family, tokenizer, ends), PlanContext(prompt=(), max_model_len=NEVER)
    for where, budget in budgets.items():
        try:
            make_plan(budget, tokens, Encoder(tokenizer), anywhere, vocabulary_of(tokenizer))
        except BudgetError as error:
            raise ValueError(f"{where}: {error}") from error


def tokenizer_of(arguments: Namespace) -> TokenizerLike:
    """The one that vLLM will serve with.

    Raises:
        ValueError: It cannot be read, whatever the model's own code or files raise; it names the flags.
    """
    name = arguments.tokenizer or arguments.model
    if name.startswith(("/", "./", "../", "~")) and not Path(name).exists():
        flag = "--tokenizer" if arguments.tokenizer else "--model"
        raise ValueError(f"{flag}: there is no {name}")
    try:
        return get_tokenizer(
            name,
            tokenizer_mode=arguments.tokenizer_mode,
            revision=arguments.tokenizer_revision or arguments.revision,
            trust_remote_code=arguments.trust_remote_code,
            download_dir=arguments.download_dir,
        )
    except Exception as error:  # a model's own code or files raise anything
        raise ValueError(
            f"the tokenizer of {name} cannot be read: {error} (--tokenizer, --tokenizer-mode and"
            " --trust-remote-code say where and how; --family none serves without budgets)"
        ) from error
