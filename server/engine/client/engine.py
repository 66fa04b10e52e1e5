"""The engine client: vLLM's AsyncLLM, whose `generate` gives every request a plan and reports on it.

All endpoints of vLLM's serving layer come through `generate`, so a budget holds on each of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import lru_cache, partial
from random import getrandbits
from typing import Any, NoReturn

from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMValidationError
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.renderers.inputs.preprocess import extract_prompt_components
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import BudgetError
from server.budget.plan import UNGOVERNED, FamilyTokens, Opening, Plan
from server.budget.planning.make_plan import PlanContext, make_plan
from server.budget.running.report import ForcedRecord
from server.engine.client.accounting import Account, GenerationInfo
from server.engine.client.call import CALL, Call
from server.engine.client.generation import Generation
from server.engine.client.seams import check_seams
from server.engine.client.segment import Segment
from server.engine.client.stopping import ServerStoppingError
from server.engine.client.tracing import ThinkingTraceSpans
from server.engine.client.worker_calls import LedgerFetcher, ThinkingEnder
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.engine.seams import SeamError
from server.engine.worker.row_registry import PLAN_KEY
from server.keys.meter import Meter
from server.observability.record import NO_FAMILY
from server.observability.telemetry import Telemetry
from server.reasoning.ends import End
from server.reasoning.families import Family
from server.scaling.marks import Marks

TICKET_KEY = "s1_ticket"


class ThinkingLLM(AsyncLLM):
    """Call `install_budgets` once, after the engine is up and before the first request."""

    family: FamilyTokens | None = None
    """None: the model's family is unknown; it is served, and a thinking budget is refused."""
    is_cut_off = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: dict[str, Generation] = {}
        self._scaled: dict[str, tuple[str, Call]] = {}

    async def install_budgets(self, family: Family | None, telemetry: Telemetry) -> None:
        """Put the budget's sampler into every worker, learn the family's marks, and tell `telemetry` of all
        that is served.

        Raises RuntimeError when a worker cannot enforce budgets, ValueError when the tokenizer has no
        such marks.
        """
        check_seams(self)
        tokenizer = self.renderer.tokenizer
        self._is_blank = lru_cache(maxsize=4096)(
            lambda token: tokenizer is not None and not tokenizer.decode([token]).strip()
        )
        self._end_of_turn = self._end_of_sequence_ids()
        if family is not None:
            await self._learn(family)
        self._telemetry = telemetry
        self._model = self.model_config.served_model_name
        self._family_name = NO_FAMILY if family is None else family.name
        self._issued = 0
        self._errands: set[asyncio.Task[Any]] = set()
        # Every sequence of every request passes here, registered with the output processor and not
        # yet sent: the one place that sees each of n choices by itself.
        self._send = self.engine_core.add_request_async
        self.engine_core.add_request_async = self._admit
        if self.output_processor.tracing_enabled:
            ThinkingTraceSpans(self.output_processor)
        telemetry.serve(self._model, self._family_name)

    async def _learn(self, family: Family) -> None:
        tokenizer = self.renderer.tokenizer
        if tokenizer is None:
            raise ValueError("thinking budgets need a tokenizer (skip_tokenizer_init is set)")
        failed = [said for said in await self._ask_workers("s1_install") if said != "installed"]
        if failed:
            raise RuntimeError(f"thinking budgets cannot be enforced: {'; '.join(failed)}")
        await self._check_bound()
        self._encode = Encoder(tokenizer)
        self._vocabulary = vocabulary_of(tokenizer)
        self._record_fetcher = LedgerFetcher(partial(self._ask_workers, "s1_records"))
        self._peek_fetcher = LedgerFetcher(partial(self._ask_workers, "s1_peek_records"))
        self._ender = ThinkingEnder(self.engine_core)
        await self._ender.check()
        self.family = family_tokens(family, tokenizer, self._end_of_turn)
        self._end_of_turn = self.family.end_of_turn
        special = set(tokenizer.all_special_ids)
        marks = (*self.family.start, *self.family.end)
        # A tokenizer leaves out of its text more than it lists: every added token that is called special.
        self._marks_are_special = bool(special.intersection(marks)) or any(
            not tokenizer.decode([mark], skip_special_tokens=True) for mark in marks
        )

    async def _check_bound(self) -> None:
        """Raises SeamError where vLLM has started its engines some other way than bind_engines knows."""
        config = self.vllm_config.parallel_config
        # Ray starts its actors itself, and engines on other machines have no parent here.
        is_local = "ray" not in (config.distributed_executor_backend, config.data_parallel_backend)
        if is_local and config.nnodes == 1 and not all(await self._ask_workers("s1_is_bound")):
            raise SeamError("this release of vLLM starts its engines past EngineCoreProc.run_engine_core")

    @property
    def runner(self) -> str:
        """Which of vLLM's model runners it picked: "V1" or "V2"."""
        return "V2" if self.vllm_config.use_v2_model_runner else "V1"

    @property
    def marks(self) -> Marks | None:
        """The family's, for lines of thinking that are put together from pieces."""
        if self.family is None or self.renderer.tokenizer is None:
            return None
        decode = partial(self.renderer.tokenizer.decode, skip_special_tokens=False)
        return Marks(self.family, self._encode, decode)

    # -- a request in ----------------------------------------------------------------------------

    def generate(
        self, prompt: Any, sampling_params: SamplingParams, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[RequestOutput, None]:
        """As AsyncLLM.generate. Raises VLLMValidationError (a 400) when the budget cannot be kept."""
        if self.is_cut_off:
            raise ServerStoppingError
        call = CALL.get() or Call()
        for key in sampling_params.extra_args or {}:
            if key.startswith("s1_"):
                _refuse(call, f"vllm_xargs.{key}", "names that begin with s1_ are the server's own")
        if call.has_beams or isinstance(prompt, AsyncGenerator):  # no single line of thinking
            return super().generate(prompt, sampling_params, request_id, **kwargs)
        if call.segment is not None:
            prompt, sampling_params = self._continue(call, call.segment, prompt, sampling_params)
        first_choice = call.prompts * sampling_params.n
        call.prompts += 1
        plan = self._plan(prompt, sampling_params, call)
        info = self._info(prompt, plan, request_id, sampling_params.n, call, kwargs.get("lora_request"))
        account = Account(info, self._telemetry, self._is_blank, self._end_of_turn)
        ticket = self._ticket()
        params = sampling_params.clone()
        params.extra_args = {**(params.extra_args or {}), TICKET_KEY: ticket}
        generation = Generation(account, call, first_choice)
        if plan is not None:
            generation.stop, generation.stop_token_ids = params.stop or (), params.stop_token_ids or ()
            self._apply_plan(plan, params, call, kwargs)
        stream = super().generate(prompt, params, request_id, **kwargs)
        return self._stream(stream, generation, ticket)

    def _apply_plan(self, plan: Plan, params: SamplingParams, call: Call, kwargs: dict[str, Any]) -> None:
        # Client stops act on the answer only: AnswerStopDetokenizer arms them there.
        params.stop, params.stop_token_ids = [], []
        params.extra_args = {**params.extra_args, PLAN_KEY: plan.to_wire()}
        params.thinking_token_budget = None
        if call.is_chat and self._marks_are_special:
            params.skip_special_tokens = False  # the parser splits the text at the marks
        if params.structured_outputs is not None:
            # The grammar begins where thinking ends; a raw completion that opens no thinking has none.
            waits_for_mark = plan.opening is Opening.AWAIT and call.is_chat
            thinks = plan.opening in (Opening.OPEN, Opening.FORCE) or waits_for_mark
            kwargs["reasoning_ended"] = not thinks
        call.opening = plan.opening
        if self.family is not None and plan.steering.max_steps:
            call.start = str(self.family.family.step_mark).format(steps=plan.steering.max_steps)

    def _info(
        self, prompt: Any, plan: Plan | None, request_id: str, n: int, call: Call, lora: LoRARequest | None
    ) -> GenerationInfo:
        text, ids, _ = extract_prompt_components(self.model_config, prompt)
        if self._telemetry.keeps_prompts and text is None and ids is not None and self.renderer.tokenizer:
            text = self.renderer.tokenizer.decode(ids)
        return GenerationInfo(
            id=request_id,
            model=self._model if lora is None else lora.lora_name,
            family=self._family_name,
            n=n,
            plan=UNGOVERNED if plan is None else plan,
            is_planned=plan is not None,
            is_clamped=call.is_clamped,
            prompt_tokens=len(ids or ()),
            prompt=text if self._telemetry.keeps_prompts else None,
            key=call.key_name,
        )

    def _plan(self, prompt: Any, params: SamplingParams, call: Call) -> Plan | None:
        if not call.is_governed:
            return None
        if self.family is None:
            if call.asked or call.detail:
                _refuse(
                    call,
                    "thinking_budget",
                    "this model has no known thinking marks: start the server with --family",
                )
            return None
        prompt_ids = extract_prompt_components(self.model_config, prompt).token_ids
        if prompt_ids is None:
            if call.asked:
                _refuse(
                    call, "thinking_budget", "a thinking budget needs a prompt of tokens, not of embeddings"
                )
            return None
        context = PlanContext(
            prompt=prompt_ids,
            max_model_len=self.model_config.max_model_len,
            max_completion_tokens=params.max_tokens,
            has_tools=call.has_tools,
            has_structure=params.structured_outputs is not None,
            asked=call.asked,
            seed=getrandbits(32) if params.seed is None else params.seed,
        )
        try:
            plan = make_plan(call.budget, self.family, self._encode, context, self._vocabulary)
            return plan if call.segment is None else call.segment.lay_out(plan)
        except BudgetError as error:
            _refuse(call, error.field, str(error))

    def _continue(
        self, call: Call, segment: Segment, prompt: Any, params: SamplingParams
    ) -> tuple[Any, SamplingParams]:
        try:
            prompt = segment.continue_prompt(prompt)
        except ValueError as error:
            _refuse(call, "scaling", str(error))
        params = params.clone()
        if segment.max_tokens is not None:
            params.max_tokens = min(segment.max_tokens, params.max_tokens or segment.max_tokens)
        if segment.logprobs is not None:
            limit = self.model_config.max_logprobs
            kept = segment.logprobs if limit < 0 else min(segment.logprobs, limit)
            params.logprobs = max(kept, params.logprobs or 0)
        return prompt, params

    async def _admit(self, request: EngineCoreRequest) -> None:
        params = request.sampling_params
        ticket = (params.extra_args or {}).get(TICKET_KEY) if params is not None else None
        generation = self._in_flight.get(ticket) if ticket is not None else None
        if generation is not None:
            state = self.output_processor.request_states[request.request_id]
            generation.admit(request, state, self._is_blank)
            await self._send(request)
            meter, parent = generation.call.meter, generation.call.parent
            why = generation.ended_by or (parent.ended_by if parent else None)  # while its siblings were sent
            if why is None and meter is not None and meter.is_spent:
                why = End.QUOTA
            if why is not None and generation.rows:
                await self._ender.end({request.request_id: generation.trackers[state.request_index]}, why)
            return
        await self._send(request)

    def _ticket(self) -> str:
        """A name of our own: a request's id may be the client's, and come twice."""
        self._issued += 1
        return str(self._issued)

    @contextmanager
    def answering(self, response_id: str, call: Call) -> Iterator[None]:
        """While a response is put together from several requests that are made for `call`: it can be ended
        between two of them, too."""
        ticket = self._ticket()
        self._scaled[ticket] = (response_id, call)
        try:
            yield
        finally:
            del self._scaled[ticket]

    async def end_thinking(self, request_id: str, key_name: str | None) -> bool | None:
        """End the thinking of a running request, all its choices, at their next token.

        False: all of them answer already. None: this key_name has no such request running.
        """
        asked = (request_id, key_name)
        scaled = [
            call for response_id, call in self._scaled.values() if (response_id, call.key_name) == asked
        ]
        for call in scaled:
            call.ended_by = End.REQUESTED
        found = [
            each
            for each in self._in_flight.values()
            if (each.call.request_id, each.call.key_name) == asked and each.account.info.is_planned
        ]
        ended = await self._end(found, End.REQUESTED) if found else None
        return True if scaled else ended

    def end_all_thinking(self, meter: Meter) -> None:
        """Of a key whose quota is spent: its running requests answer from their next token on."""
        found = [each for each in self._in_flight.values() if each.call.meter is meter and each.rows]
        self._dispatch(self._end(found, End.QUOTA))

    async def _end(self, found: Sequence[Generation], why: End) -> bool:
        """Whether any of them was thinking, or has not begun."""
        for generation in found:
            generation.ended_by = generation.ended_by or why
        thinking = {
            generation.rows[index]: tracker
            for generation in found
            for index, tracker in generation.trackers.items()
            if tracker.is_thinking
        }
        if thinking:
            await self._ender.end(thinking, why)
        return bool(thinking) or any(not generation.trackers for generation in found)

    def cut_off(self) -> None:
        """End every request, and those still to come, with an error that says the server is stopping."""
        self.is_cut_off, error = True, ServerStoppingError()
        for generation in self._in_flight.values():
            generation.call.cut_off = error.message
        self.output_processor.propagate_error(error)

    # -- its tokens out --------------------------------------------------------------------------

    async def _stream(
        self, stream: AsyncGenerator[RequestOutput, None], generation: Generation, ticket: str
    ) -> AsyncGenerator[RequestOutput, None]:
        self._in_flight[ticket] = generation
        account = generation.account
        try:
            async with aclosing(stream):
                async for output in stream:
                    if (segment := generation.call.segment) is not None:
                        segment.cached_tokens = output.num_cached_tokens or 0
                    for choice in output.outputs:
                        await self._record(choice, generation)
                    yield output
            account.fate = End.ERROR  # whatever has not finished by now never will
        except ServerStoppingError:
            account.fate = End.ERROR
            raise
        except (VLLMClientError, GracefulHTTPError):
            account.fate = None
            raise
        except Exception:
            account.fate = End.ERROR
            raise
        finally:
            self._in_flight.pop(ticket, None)
            if (errand := account.close(partial(self._record_of, generation))) is not None:
                self._dispatch(errand)

    async def _record(self, choice: CompletionOutput, generation: Generation) -> None:
        index = choice.index
        if generation.account.info.is_planned and index not in generation.rows:
            # Before its first token every sequence is admitted.
            raise SeamError("this release of vLLM sends requests past AsyncMPClient.add_request_async")
        if choice.finished():
            record = await self._record_of(generation, index)
            if record is None and generation.trackers[index].position:
                raise SeamError("this release of vLLM has run a request past its thinking budget")
            generation.finish(choice, record or ForcedRecord())
        elif (detail := generation.details.get(index)) is not None:
            if detail.asks_record(choice.token_ids):
                found = await self._peek_fetcher.take(generation.rows[index])
                detail.record = found or detail.record
            generation.call.progress[generation.first_choice + index] = detail.report()

    async def _record_of(self, generation: Generation, index: int) -> ForcedRecord | None:
        if index not in generation.rows:
            return ForcedRecord()
        if index not in generation.records:  # the workers give it once, and who asks may be cancelled
            generation.records[index] = asyncio.ensure_future(
                self._record_fetcher.take(generation.rows[index])
            )
        return await asyncio.shield(generation.records[index])

    def _dispatch(self, errand: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _ask_workers(self, method: str, *args: Any) -> list[Any]:
        """Every worker of every engine (collective_rpc alone asks the first of data-parallel ones)."""
        answers = await self.engine_core.call_utility_all_async("collective_rpc", method, None, args, None)
        return [answer for of_one_engine in answers for answer in of_one_engine]

    def _end_of_sequence_ids(self) -> tuple[int, ...]:
        tokenizer = self.renderer.tokenizer
        tokenizer_eos = None if tokenizer is None else tokenizer.eos_token_id
        declared = self.model_config.try_get_generation_config().get("eos_token_id", [])
        ids = [tokenizer_eos, *([declared] if isinstance(declared, int) else declared)]
        return tuple(token for token in dict.fromkeys(ids) if token is not None)


def _refuse(call: Call, field_name: str, message: str) -> NoReturn:
    call.refused = field_name
    raise VLLMValidationError(message, parameter=field_name)
