"""A request's plan: its call's budget for one prompt and its parameters, and what vLLM is told of it."""

from dataclasses import replace
from functools import lru_cache, partial
from random import getrandbits
from typing import Any, NoReturn

from transformers import PreTrainedTokenizerBase
from vllm.config import ModelConfig
from vllm.exceptions import VLLMValidationError
from vllm.lora.request import LoRARequest
from vllm.renderers.inputs.preprocess import extract_prompt_components
from vllm.sampling_params import SamplingParams, StructuredOutputsParams

from server.budget.budget import BudgetError
from server.budget.plan import UNGOVERNED, FamilyTokens, Habit, Opening, Plan
from server.budget.planning.make_plan import PlanContext, make_plan
from server.engine.client.accounting import GenerationInfo
from server.engine.client.call import Call
from server.engine.client.grammar import spelled_mark
from server.engine.client.resumption import resume
from server.engine.client.segment import Segment
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.engine.worker.row_registry import PLAN_KEY
from server.observability.record import NO_FAMILY
from server.reasoning.family import Family
from server.scaling.marks import Marks

REMEMBERED_TEXTS = 256
"""Nudges and cues are few, the same in most requests, and 4,000 characters long at most."""


class Planner:
    """Plans the requests to one model. A refusal is a VLLMValidationError (a 400) that names the field."""

    def __init__(
        self,
        model_config: ModelConfig,
        tokenizer: PreTrainedTokenizerBase | None,
        family: Family | None,
        *,
        keeps_prompts: bool = False,
    ) -> None:
        """Look the family's marks up in the tokenizer.

        Raises:
            ValueError: There is no tokenizer, or it has no token for a mark.
        """
        self._config = model_config
        self._tokenizer = tokenizer
        self._keeps_prompts = keeps_prompts
        self.end_of_turn = _end_of_sequence(model_config, tokenizer)
        """The token ids that end a message."""
        self.family: FamilyTokens | None = None
        """None: the model's family is unknown; it is served, and a thinking budget is refused."""
        if family is None:
            return
        if tokenizer is None:
            raise ValueError("thinking budgets need a tokenizer (skip_tokenizer_init is set)")
        self.family = family_tokens(family, tokenizer, self.end_of_turn)
        self.end_of_turn = self.family.end_of_turn
        self._encode = Encoder(tokenizer)
        self._encode_of_budget = lru_cache(REMEMBERED_TEXTS)(self._encode)
        self._vocabulary = vocabulary_of(tokenizer)
        special = set(tokenizer.all_special_ids)
        marks = (*self.family.start, *self.family.end)
        # A tokenizer leaves out of its text more than it lists: every added token that is called special.
        self._marks_are_special = bool(special.intersection(marks)) or any(
            not tokenizer.decode([mark], skip_special_tokens=True) for mark in marks
        )

    @property
    def model(self) -> str:
        """The served name."""
        name: str = self._config.served_model_name
        return name

    @property
    def family_name(self) -> str:
        """The family's, as metrics and log have it."""
        return NO_FAMILY if self.family is None else self.family.family.name

    @property
    def marks(self) -> Marks | None:
        """The family's, for chains of thinking that are put together from pieces."""
        if self.family is None or self._tokenizer is None:
            return None
        return Marks(self.family, self._encode, partial(self._tokenizer.decode, skip_special_tokens=False))

    @staticmethod
    def check_names(params: SamplingParams, call: Call) -> None:
        """Refuse a client's extra argument with a name of the server's own."""
        for key in params.extra_args or {}:
            if key.startswith("s1_"):
                refuse(call, f"vllm_xargs.{key}", "names that begin with s1_ are the server's own")

    def plan(self, prompt: Any, params: SamplingParams, call: Call) -> Plan | None:
        """The plan of one prompt; None where no budget can hold, and none was asked for."""
        if not call.is_governed:
            return None
        if self.family is None:
            if call.asked or call.detail:
                message = "this model has no known thinking marks: start the server with --family"
                refuse(call, "thinking_budget", message)
            return None
        prompt_ids = extract_prompt_components(self._config, prompt).token_ids
        if prompt_ids is None:
            if call.asked:
                message = "a thinking budget needs a prompt of tokens, not of embeddings"
                refuse(call, "thinking_budget", message)
            return None
        if params.structured_outputs is not None:
            self._check_grammar(params.structured_outputs, self.family.family, call)
        context = PlanContext(
            prompt=prompt_ids,
            max_model_len=self._config.max_model_len,
            max_completion_tokens=params.max_tokens,
            has_tools=call.has_tools,
            has_structure=params.structured_outputs is not None,
            is_chat=call.is_chat,
            asked=call.asked,
            seed=getrandbits(32) if params.seed is None else params.seed,
            continues_answer=call.continues_answer,
            insists=call.insists,
            is_piece=call.segment is not None and bool(call.segment.prefix),
        )
        try:
            plan = make_plan(call.budget, self.family, self._encode_of_budget, context, self._vocabulary)
            return plan if call.segment is None else call.segment.lay_out(plan)
        except BudgetError as error:
            refuse(call, error.field, str(error))

    @staticmethod
    def _check_grammar(asked: StructuredOutputsParams, family: Family, call: Call) -> None:
        if not family.has_grammar:
            refuse(
                call,
                call.grammar_field,
                f"vLLM's parser {family.vllm_parser} enforces no structured answer (response_format, a forced"
                " tool call) on this model",
            )
        if (mark := spelled_mark(asked, family)) is not None:
            refuse(
                call,
                call.grammar_field,
                f"the answer's grammar spells {mark!r}, which marks thinking on this model: no answer holds"
                " it (a grammar begins where thinking has ended)",
            )

    def apply(self, plan: Plan, params: SamplingParams, call: Call) -> dict[str, bool]:
        """Put a plan into a request's own `params`, and into its call what the way back needs of it.

        Returns more arguments for vLLM's `generate`.
        """
        # Client stops act on the answer only: AnswerStopDetokenizer arms them there.
        params.stop, params.stop_token_ids = [], []
        params.extra_args = {**(params.extra_args or {}), PLAN_KEY: plan.to_wire()}
        params.thinking_token_budget = None
        if call.is_chat and self._marks_are_special:
            params.skip_special_tokens = False  # the parser splits the text at the marks
        call.opening = plan.opening
        call.before, call.begun = plan.before, plan.begun_end
        if self.family is not None and plan.steering.max_steps:
            call.start = str(self.family.family.step_mark).format(steps=plan.steering.max_steps)
        if params.structured_outputs is None or self.family is None or self.family.family.vllm_parser:
            return {}  # vLLM's own parser reads off the prompt where a grammar begins
        # The grammar begins where thinking ends, and whether there is any was settled with the plan.
        has_none = plan.opening is Opening.AWAIT and not call.is_chat
        return {"reasoning_ended": plan.opening is Opening.CLOSED or has_none}

    def learn_habit(self, habit: Habit) -> None:
        """Whether this model opens thinking by itself, by its chat template."""
        if self.family is not None:
            self.family = replace(self.family, habit=habit)

    def resume(self, call: Call, thought: str, prompt: Any) -> Any:
        """The prompt with a cut thought open after it; as it is on a model of no known family.

        Raises:
            VLLMValidationError: Thinking cannot be open there (a 400).
        """
        if self.family is None:
            return prompt
        try:
            return resume(prompt, thought, self.family, self._encode)
        except ValueError as error:
            refuse(call, "continue_final_message", str(error))

    def continue_segment(
        self, call: Call, segment: Segment, prompt: Any, params: SamplingParams
    ) -> tuple[Any, SamplingParams]:
        """Prompt and parameters of a segment that the server itself asks for."""
        try:
            prompt = segment.continue_prompt(prompt)
        except ValueError as error:
            refuse(call, "scaling", str(error))
        params = params.clone()
        if segment.max_tokens is not None:
            params.max_tokens = min(segment.max_tokens, params.max_tokens or segment.max_tokens)
        if segment.logprobs is not None:
            limit = self._config.max_logprobs
            kept = segment.logprobs if limit < 0 else min(segment.logprobs, limit)
            params.logprobs = max(kept, params.logprobs or 0)
        return prompt, params

    def info(
        self, prompt: Any, plan: Plan | None, request_id: str, n: int, call: Call, lora: LoRARequest | None
    ) -> GenerationInfo:
        """What telemetry is told of the request; its text only where the operator keeps prompts."""
        text, ids, _ = extract_prompt_components(self._config, prompt)
        if self._keeps_prompts and text is None and ids is not None and self._tokenizer:
            text = self._tokenizer.decode(ids)
        return GenerationInfo(
            id=request_id,
            model=self.model if lora is None else lora.lora_name,
            family=self.family_name,
            n=n,
            plan=UNGOVERNED if plan is None else plan,
            is_planned=plan is not None,
            is_clamped=call.is_clamped,
            prompt_tokens=len(ids or ()),
            prompt=text if self._keeps_prompts else None,
            key=call.key_name,
        )


def refuse(call: Call, field_name: str, message: str) -> NoReturn:
    """Refuse the request, for a client's mistake in `field_name`.

    Raises:
        VLLMValidationError: Always; vLLM's serving layer makes a 400 of it.
    """
    call.refused = field_name
    raise VLLMValidationError(message, parameter=field_name)


def _end_of_sequence(config: ModelConfig, tokenizer: PreTrainedTokenizerBase | None) -> tuple[int, ...]:
    """The ids at which the engine itself stops."""
    tokenizer_eos = None if tokenizer is None else tokenizer.eos_token_id
    declared = config.try_get_generation_config().get("eos_token_id", [])
    ids = [tokenizer_eos, *([declared] if isinstance(declared, int) else declared)]
    return tuple(token for token in dict.fromkeys(ids) if token is not None)
