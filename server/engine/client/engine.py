"""The engine client: vLLM's AsyncLLM, whose `generate` gives every request a plan and reports on it.

All endpoints of vLLM's serving layer come through `generate`, so a budget holds on each of them.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.outputs import RequestOutput
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest

from server.budget.plan import FamilyTokens
from server.engine.chat_template import WithVariables, habit_of, variables_of
from server.engine.client.accounting import Account
from server.engine.client.call import CALL, Call
from server.engine.client.generation import Generation
from server.engine.client.grammar import GrammarError, name_field
from server.engine.client.in_flight import TICKET_KEY, InFlight
from server.engine.client.planner import Planner
from server.engine.client.seams import check_seams
from server.engine.client.stopping import CutOffError, ServerStoppingError, WeightsChangedError
from server.engine.client.tracing import ThinkingTraceSpans
from server.engine.client.weights import UpdatableLLM
from server.engine.client.worker_calls import ForcedRecordFetcher, ForcedRecords, ThinkingEnder
from server.engine.seams import SeamError
from server.observability.record import ABORTED
from server.observability.telemetry import Telemetry
from server.reasoning.ends import End
from server.reasoning.family import Family


class ThinkingLLM(UpdatableLLM):
    """Call `install_budgets` once, after the engine is up and before the first request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As AsyncLLM."""
        super().__init__(*args, **kwargs)
        self._ender = ThinkingEnder(self.engine_core)
        self.in_flight = InFlight(self._ender)
        self._records = ForcedRecords(
            ended=ForcedRecordFetcher(partial(self._ask_workers, "s1_records")),
            so_far=ForcedRecordFetcher(partial(self._ask_workers, "s1_peek_records")),
        )

    async def install_budgets(
        self,
        family: Family | None,
        telemetry: Telemetry,
        chat_template: str | None = None,
        variables: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Put the budget's sampler into every worker, and tell `telemetry` what is served.

        `chat_template` is the source of one that replaces the tokenizer's; `variables` are what it is told
        where a request says nothing else.

        Raises:
            RuntimeError: A worker cannot enforce budgets.
            SeamError: This release of vLLM lacks a part that the server leans on.
            ValueError: The tokenizer has no token for a mark of the family.
        """
        check_seams(self)
        tokenizer = self.renderer.tokenizer
        self.planner = Planner(self.model_config, tokenizer, family, keeps_prompts=telemetry.keeps_prompts)
        rendering = WithVariables(tokenizer, variables)
        self.template = variables_of(rendering, chat_template, family)
        if family is not None:
            self.planner.learn_habit(habit_of(family, rendering, chat_template))
            tokens = self.planner.family
            assert tokens is not None
            text = None if tokens.text is None else tokens.text.to_wire()
            said = await self._ask_workers("s1_install", text, sorted(tokens.blanks))
            failed = [each for each in said if each != "installed"]
            if failed:
                raise RuntimeError(f"thinking budgets cannot be enforced: {'; '.join(failed)}")
            await self._check_bound()
            await self._ender.check()
        self._is_blank = lru_cache(maxsize=4096)(
            lambda token: tokenizer is not None and not tokenizer.decode([token]).strip()
        )
        self._telemetry = telemetry
        # Every sequence of every request passes here, registered with the output processor and not
        # yet sent: the one place that sees each of n choices by itself.
        self._send = self.engine_core.add_request_async
        self.engine_core.add_request_async = self._admit
        if self.output_processor.tracing_enabled:
            ThinkingTraceSpans(self.output_processor)
        telemetry.serve(self.planner.model, self.planner.family_name)

    async def _check_bound(self) -> None:
        """Check that the engines end with this process.

        Raises:
            SeamError: vLLM has started its engines some other way than bind_engines knows.
        """
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
    def family(self) -> FamilyTokens | None:
        """The family's marks; None where it is unknown."""
        return self.planner.family

    def generate(
        self, prompt: Any, sampling_params: SamplingParams, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[RequestOutput, None]:
        """As AsyncLLM.generate, with the budget of the call that the context variable holds.

        Raises:
            VLLMValidationError: The budget cannot be kept (a 400).
            ServerStoppingError: The server stops (a 503).
        """
        if self.weights.is_cut_off:
            raise ServerStoppingError
        call, planner = CALL.get() or Call(), self.planner
        planner.check_names(sampling_params, call)
        call.has_engine = call.has_engine or self.errored
        if call.has_beams or isinstance(prompt, AsyncGenerator):  # no single line of thinking
            call.has_engine = call.has_output = True
            return self._entered(super().generate(prompt, sampling_params, request_id, **kwargs), call)
        if call.resumed is not None:
            prompt = planner.resume(call, call.resumed, prompt)
        if call.segment is not None:
            prompt, sampling_params = planner.continue_segment(call, call.segment, prompt, sampling_params)
        first_choice = call.prompts * sampling_params.n
        call.prompts += 1
        plan = planner.plan(prompt, sampling_params, call)
        info = planner.info(prompt, plan, request_id, sampling_params.n, call, kwargs.get("lora_request"))
        generation = Generation(
            Account(info, self._telemetry),
            call,
            self._records,
            self._is_blank,
            planner.end_of_turn,
            first_choice,
        )
        params, ticket = sampling_params.clone(), self.in_flight.ticket()
        if plan is not None:
            generation.stop, generation.stop_token_ids = params.stop or (), params.stop_token_ids or ()
            kwargs |= planner.apply(plan, params, call)
        params.extra_args = {**(params.extra_args or {}), TICKET_KEY: ticket}
        stream = super().generate(prompt, params, request_id, **kwargs)
        return self._stream(stream, generation, ticket)

    async def _admit(self, request: EngineCoreRequest) -> None:
        try:
            self.weights.check()
        except CutOffError:
            self.output_processor.abort_requests([request.request_id], internal=True)
            raise
        generation = self.in_flight.generation_of(request)
        if generation is None:
            await self._send(request)
            return
        choice = generation.admit(request, self.output_processor.request_states[request.request_id])
        await self._send(request)
        for each in filter(None, (generation.call, generation.call.parent)):
            each.has_engine = True
        await self.in_flight.end_if_due(generation, choice)

    async def _entered(
        self, stream: AsyncGenerator[RequestOutput, None], call: Call
    ) -> AsyncGenerator[RequestOutput, None]:
        async with aclosing(stream):
            await self.weights.enter(call)
            async for output in stream:
                yield output

    async def _stream(
        self, stream: AsyncGenerator[RequestOutput, None], generation: Generation, ticket: str
    ) -> AsyncGenerator[RequestOutput, None]:
        fate: str | None = ABORTED
        try:
            await self.weights.enter(generation.call)
            with self.in_flight.running(ticket, generation):
                async with aclosing(stream):
                    async for output in stream:
                        if generation.has_news(output):
                            await self._refuse_failed_grammar(output, generation)
                            await generation.report(output)
                        generation.call.has_output = True
                        yield output
            fate = End.ERROR  # whatever has not finished by now never will
        except CutOffError:
            fate = End.ERROR
            raise
        except (VLLMClientError, GracefulHTTPError) as error:
            fate = None
            name_field(error, generation.call.grammar_field)
            generation.call.mistake = error
            raise
        except Exception:  # whatever it was, it is counted as an error and raised again
            fate = End.ERROR
            raise
        finally:
            if (unfinished := generation.close(fate)) is not None:
                self.in_flight.dispatch(unfinished)

    async def _refuse_failed_grammar(self, output: RequestOutput, generation: Generation) -> None:
        """Look at the choices that ended in an error.

        Raises:
            GrammarError: The engine says that the grammar of one failed.
        """
        for completion in output.outputs:
            request_id = generation.request_ids.get(completion.index)
            if completion.finish_reason == "error" and request_id is not None:
                for why in await self.engine_core.call_utility_all_async("s1_failed_grammar", request_id):
                    if why is not None:
                        raise GrammarError(generation.call.grammar_field, why)

    def cut_off(self) -> None:
        """End every request, and those still to come, with an error that says the server is stopping."""
        self.weights.cut_off()
        self._end_requests(ServerStoppingError())

    def end_requests(self) -> None:
        """End every request with an error that says that the weights change."""
        self._end_requests(WeightsChangedError())

    def _end_requests(self, error: CutOffError) -> None:
        self.in_flight.cut_off(error.message)
        self.output_processor.propagate_error(error)

    async def _ask_workers(self, method: str, *args: Any) -> list[Any]:
        """Every worker of every engine (collective_rpc alone asks the first of data-parallel ones)."""
        answers = await self.engine_core.call_utility_all_async("collective_rpc", method, None, args, None)
        return [answer for of_one_engine in answers for answer in of_one_engine]
