"""The engine client: vLLM's AsyncLLM, whose `generate` gives every request a plan and reports on it.

All endpoints of vLLM's serving layer come through `generate`, so a budget holds on each of them.
"""

from collections.abc import AsyncGenerator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NoReturn

from vllm.exceptions import VLLMValidationError
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.renderers.inputs.preprocess import extract_prompt_components
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import BudgetError
from server.budget.follower import Follower
from server.budget.plan import End, FamilyTokens, Occasion, Opening, Plan, make_plan
from server.budget.report import ThinkingReport
from server.engine.call import CALL, Call
from server.engine.detail import Detail
from server.engine.detokenizer import AnswerStops
from server.engine.ends import EndDesk
from server.engine.ledgers import LedgerDesk
from server.engine.processor import PLAN_KEY, ROW_KEY
from server.engine.tokens import Encoder, family_tokens
from server.reasoning.families import Family

TICKET_KEY = "s1_ticket"


@dataclass(slots=True)
class Governed:
    """One `generate` with a plan: its sequences' rows and followers, by index among the n choices."""

    plan: Plan
    call: Call
    stop: Sequence[str]
    stop_token_ids: Sequence[int]
    is_ended: bool = False
    """Whether a control request ended its thinking."""
    rows: dict[int, str] = field(default_factory=dict)
    followers: dict[int, Follower] = field(default_factory=dict)
    details: dict[int, Detail] = field(default_factory=dict)
    """Where detailed reports were asked for."""


class ThinkingLLM(AsyncLLM):
    """Call `govern` once, after the engine is up and before the first request."""

    family: FamilyTokens | None = None
    """None: the model's family is unknown; it is served, and a thinking budget is refused."""

    async def govern(self, family: Family | None) -> None:
        """Put the budget's sampler into every worker and learn the family's marks.

        Raises RuntimeError when a worker cannot enforce budgets, ValueError when the tokenizer has no
        such marks.
        """
        if family is None:
            return
        tokenizer = self.renderer.tokenizer
        if tokenizer is None:
            raise ValueError("thinking budgets need a tokenizer (skip_tokenizer_init is set)")
        failed = [said for said in await self._ask_workers("s1_install") if said != "installed"]
        if failed:
            raise RuntimeError(f"thinking budgets cannot be enforced: {'; '.join(failed)}")
        self._encode = Encoder(tokenizer)
        self._is_blank = lru_cache(maxsize=4096)(lambda token: not tokenizer.decode([token]).strip())
        self._desk = LedgerDesk(partial(self._ask_workers, "s1_ledgers"))
        self._peeks = LedgerDesk(partial(self._ask_workers, "s1_peek_ledgers"))
        self._ends = EndDesk(self.engine_core)
        self._tickets: dict[str, Governed] = {}
        self._issued = 0
        # Every sequence of every request passes here, registered with the output processor and not
        # yet sent: the one place that sees each of n choices by itself.
        self._send = self.engine_core.add_request_async
        self.engine_core.add_request_async = self._admit
        self.family = family_tokens(family, tokenizer, self._end_of_sequence_ids())
        special = set(tokenizer.all_special_ids)
        self._marks_are_special = bool(special.intersection((*self.family.start, *self.family.end)))

    # -- a request in ----------------------------------------------------------------------------

    def generate(
        self, prompt: Any, sampling_params: SamplingParams, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[RequestOutput, None]:
        """As AsyncLLM.generate. Raises VLLMValidationError (a 400) when the budget cannot be kept."""
        call = CALL.get() or Call()
        first_choice = call.prompts * sampling_params.n
        call.prompts += 1
        plan = self._plan(prompt, sampling_params, call)
        if plan is None:
            return super().generate(prompt, sampling_params, request_id, **kwargs)
        governed = Governed(plan, call, sampling_params.stop or (), sampling_params.stop_token_ids or ())
        self._issued += 1  # a request id may be the client's own, and come twice
        ticket = str(self._issued)
        params = sampling_params.clone()
        # Client stops act on the answer only: AnswerStops arms them there.
        params.stop, params.stop_token_ids = [], []
        params.extra_args = {**(params.extra_args or {}), PLAN_KEY: plan.to_wire(), TICKET_KEY: ticket}
        params.thinking_token_budget = None
        if call.is_chat and self.family is not None and self._marks_are_special:
            params.skip_special_tokens = False  # the parser splits the text at the marks
        if params.structured_outputs is not None:
            # The grammar begins where thinking ends; a raw completion that opens no thinking has none.
            waits_for_mark = plan.opening is Opening.AWAIT and call.is_chat
            thinks = plan.opening in (Opening.OPEN, Opening.FORCE) or waits_for_mark
            kwargs["reasoning_ended"] = not thinks
        call.opening = plan.opening
        stream = super().generate(prompt, params, request_id, **kwargs)
        return self._follow(stream, governed, ticket, call, first_choice)

    def _plan(self, prompt: Any, params: SamplingParams, call: Call) -> Plan | None:
        for key in params.extra_args or {}:
            if key.startswith("s1_"):
                _refuse(f"vllm_xargs.{key}", "names that begin with s1_ are the server's own")
        if self.family is None:
            if call.asked or call.detail:
                _refuse(
                    "thinking_budget",
                    "this model has no known thinking marks: start the server with --family",
                )
            return None
        prompt_ids = extract_prompt_components(self.model_config, prompt).token_ids
        if prompt_ids is None:
            if call.asked:
                _refuse("thinking_budget", "a thinking budget needs a prompt of tokens, not of embeddings")
            return None
        occasion = Occasion(
            prompt=prompt_ids,
            max_model_len=self.model_config.max_model_len,
            max_completion_tokens=params.max_tokens,
            has_tools=call.has_tools,
            has_structure=params.structured_outputs is not None,
            asked=call.asked,
        )
        try:
            return make_plan(call.budget, self.family, self._encode, occasion)
        except BudgetError as error:
            _refuse(error.field, str(error))

    async def _admit(self, request: EngineCoreRequest) -> None:
        params = request.sampling_params
        ticket = (params.extra_args or {}).get(TICKET_KEY) if params is not None else None
        governed = self._tickets.get(ticket) if ticket is not None else None
        if params is not None and governed is not None:
            state = self.output_processor.request_states[request.request_id]
            follower = Follower(governed.plan)
            governed.rows[state.request_index] = request.request_id
            governed.followers[state.request_index] = follower
            if state.detokenizer is not None:
                state.detokenizer = stops = AnswerStops(
                    state.detokenizer, follower, governed.stop, governed.stop_token_ids, self._is_blank
                )
                if governed.call.detail:
                    governed.details[state.request_index] = Detail(follower, stops.text_ends)
            # The n choices share one params object: each row needs its own name.
            request.sampling_params = copy(params)
            request.sampling_params.extra_args = {**(params.extra_args or {}), ROW_KEY: request.request_id}
            await self._send(request)
            if governed.is_ended:  # while its siblings were sent
                await self._ends.end({request.request_id: follower})
            return
        await self._send(request)

    async def end_thinking(self, request_id: str, owner: str | None) -> bool | None:
        """End the thinking of a running request, all its choices, at their next token.

        False: all of them answer already. None: this owner has no such request running.
        """
        if self.family is None:
            return None
        asked = (request_id, owner)
        found = [each for each in self._tickets.values() if (each.call.request_id, each.call.owner) == asked]
        for governed in found:
            governed.is_ended = True
        thinking = {
            governed.rows[index]: follower
            for governed in found
            for index, follower in governed.followers.items()
            if follower.is_thinking
        }
        await self._ends.end(thinking)
        is_coming = any(not governed.followers for governed in found)
        return bool(thinking) or is_coming if found else None

    # -- its tokens out --------------------------------------------------------------------------

    async def _follow(
        self,
        stream: AsyncGenerator[RequestOutput, None],
        governed: Governed,
        ticket: str,
        call: Call,
        first_choice: int,
    ) -> AsyncGenerator[RequestOutput, None]:
        self._tickets[ticket] = governed
        try:
            async for output in stream:
                for choice in output.outputs:
                    if choice.finished():
                        report = await self._report(governed, choice)
                        call.reports[first_choice + choice.index] = report
                    elif (detail := governed.details.get(choice.index)) is not None:
                        if detail.asks_ledger(choice.token_ids):
                            detail.ledger = await self._peeks.take(governed.rows[choice.index])
                        call.progress[first_choice + choice.index] = detail.report()
                yield output
        finally:
            self._tickets.pop(ticket, None)
            await stream.aclose()
            for index, row_id in governed.rows.items():
                if first_choice + index not in call.reports:
                    self._desk.forget(row_id)

    async def _report(self, governed: Governed, choice: CompletionOutput) -> ThinkingReport:
        follower = governed.followers[choice.index]
        follower.finish(_END_OF.get(choice.finish_reason or "", End.ERROR))
        ledger = await self._desk.take(governed.rows[choice.index])
        detail = governed.details.get(choice.index)
        if detail is None:
            return ThinkingReport.of(follower, ledger)
        detail.ledger = ledger
        return detail.report()

    async def _ask_workers(self, method: str, *args: Any) -> list[Any]:
        """Every worker of every engine (collective_rpc alone asks the first of data-parallel ones)."""
        answers = await self.engine_core.call_utility_all_async("collective_rpc", method, None, args, None)
        return [answer for of_one_engine in answers for answer in of_one_engine]

    def _end_of_sequence_ids(self) -> list[int]:
        tokenizer_eos = self.renderer.tokenizer.eos_token_id
        declared = self.model_config.try_get_generation_config().get("eos_token_id", [])
        ids = [tokenizer_eos, *([declared] if isinstance(declared, int) else declared)]
        return [token for token in dict.fromkeys(ids) if token is not None]


_END_OF = {"length": End.LENGTH, "stop": End.STOP, "abort": End.STOP, "repetition": End.STOP}


def _refuse(field_name: str, message: str) -> NoReturn:
    raise VLLMValidationError(message, parameter=field_name)
