"""Exchanges the weights of a running engine, so that no response is made with old and new ones together.

vLLM's calls are kept, with their order made a rule: pause, start, update, finish, resume. vLLM's own pause is
not enough: its `wait` leaves a preempted request in the queue, half of it written, and goes on with it after
the update; and a response of several requests (`scaling`) is none of its business.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from vllm.distributed.weight_transfer.base import WeightTransferUpdateRequest
from vllm.exceptions import GracefulHTTPError
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from server.engine.client.call import Call
from server.engine.client.stopping import CutOffError, ServerStoppingError, WeightsChangedError
from server.engine.client.weight_files import WeightFileError, WeightFiles

POLL_INTERVAL_S = 0.01
ABORT, WAIT = "abort", "wait"
CALLED_OFF = "the pause was called off (POST /resume) while it waited: requests are served"


class Stage(Enum):
    """Where an exchange stands; the value is how a refusal calls it."""

    SERVING = "requests are served: pause first (POST /pause)"
    WAITING = (
        "a pause waits for what runs: wait, too (POST /pause?mode=wait), end what runs with a 503"
        " (POST /pause?mode=abort), or call the pause off (POST /resume)"
    )
    PAUSING = "a pause is nearly there: wait for it (POST /pause)"
    PAUSED = "no update was started (POST /start_weight_update)"
    STARTED = "an update was started, and its weights have not come (POST /update_weights)"
    LOADED = "the new weights are loaded: finish the update (POST /finish_weight_update)"
    BROKEN = "an update failed half way, and the weights are neither old nor new: start the server anew"


class WeightUpdateError(GracefulHTTPError):
    """An update that is refused, or failed."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.CONFLICT) -> None:
        super().__init__(message, status)


class WeightGate:
    """Which weights the engine has, and whether requests may come to it now."""

    def __init__(self) -> None:
        self.version = 0
        """Counts the updates."""
        self.stage = Stage.SERVING
        self._open = asyncio.Event()
        self._open.set()
        self.is_cut_off = False
        """Whether the server stops: requests are refused."""

    async def enter(self, call: Call | None) -> None:
        """Wait while the weights are exchanged, before a request of this call begins.

        Raises:
            WeightsChangedError: An earlier one of the same response was answered with other weights.
            CutOffError: There are no weights to answer with.
            ServerStoppingError: The server stops.
        """
        await self._open.wait()
        if self.is_cut_off:
            raise ServerStoppingError
        if self.stage is Stage.BROKEN:
            raise CutOffError(self.stage.value)
        while call is not None:
            if call.weights is None:
                call.weights = self.version
            elif call.weights != self.version:
                raise WeightsChangedError
            call = call.parent

    def check(self) -> None:
        """Check that a sequence may be sent now: one that is late would run with the next weights.

        Raises:
            WeightsChangedError: A pause has begun since its request entered.
        """
        if self.stage is not Stage.SERVING:
            raise WeightsChangedError

    def close(self) -> None:
        """From now on no request begins; those that run are waited for."""
        self.stage = Stage.WAITING
        self._open.clear()

    def open(self) -> None:
        """Requests that waited begin, with whatever weights there are."""
        self.stage = Stage.SERVING
        self._open.set()

    def cut_off(self) -> None:
        """The server stops: requests that wait are refused."""
        self.is_cut_off = True
        self._open.set()

    def give_up(self) -> None:
        """The weights are lost: requests are refused, those that wait included."""
        self.stage = Stage.BROKEN
        self._open.set()

    def want(self, *stages: Stage) -> None:
        """Check that it is the turn of what is asked for.

        Raises:
            WeightUpdateError: It is not; it says what is to be done first.
        """
        if self.stage not in stages:
            raise WeightUpdateError(self.stage.value)


class UpdatableLLM(AsyncLLM):
    """vLLM's calls for an exchange of weights; set `weight_files` to allow it."""

    weight_files: WeightFiles | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As AsyncLLM."""
        super().__init__(*args, **kwargs)
        self.weights = WeightGate()
        self._exchanging = asyncio.Lock()
        """One step of an exchange after the other, however they are asked for; a pause only as it begins."""

    async def check_health(self) -> None:
        """As AsyncLLM: what asks is told to start the server anew.

        Raises:
            EngineDeadError: The engine is dead, or an update failed half way.
        """
        if self.weights.stage is Stage.BROKEN:
            raise EngineDeadError
        await super().check_health()

    @abstractmethod
    def end_requests(self) -> None:
        """End all that run with an error that says why. The subclass knows how."""

    async def pause_generation(self, *, mode: str = ABORT, clear_cache: bool = True) -> None:
        """Let running requests finish (`wait`), or end them with a 503 (`abort`), and empty the caches.

        A pause that waits already is joined: by `wait`, whose caller may have lost it in a time-out, and by
        `abort`, which waits no longer.

        Raises:
            ValueError: Requests, or the prefix cache, would outlive the pause; or it was called off.
        """
        if mode not in (ABORT, WAIT):
            raise ValueError(f"mode: {mode!r} would go on with old tokens after an update: abort or wait")
        if not clear_cache:
            raise ValueError("clear_cache: false would keep what the old weights cached")
        async with self._exchanging:
            if self.weights.stage is Stage.PAUSED:
                return
            if self.weights.stage not in (Stage.SERVING, Stage.WAITING, Stage.PAUSING):
                raise ValueError(self.weights.stage.value)
            if self.weights.stage is Stage.SERVING:
                self.weights.close()
                self._pausing = asyncio.create_task(self._pause())
            if mode == ABORT:
                self.weights.stage = Stage.PAUSING
                self.end_requests()
            pausing = self._pausing
        await asyncio.wait([pausing])
        if pausing.cancelled():
            raise ValueError(CALLED_OFF)
        pausing.result()

    async def _pause(self) -> None:
        try:
            while self.weights.stage is Stage.WAITING and self.output_processor.has_unfinished_requests():
                await asyncio.sleep(POLL_INTERVAL_S)
            self.weights.stage = Stage.PAUSING
            await super().pause_generation(mode=ABORT, clear_cache=True)
        except BaseException:
            self.weights.open()
            raise
        self.weights.stage = Stage.PAUSED

    async def resume_generation(self) -> None:
        """Serve again; a pause that waits is called off.

        Raises:
            WeightUpdateError: An update is not finished, or a pause no longer waits.
        """
        async with self._exchanging:
            self.weights.want(Stage.SERVING, Stage.WAITING, Stage.PAUSED)
            if self.weights.stage is Stage.WAITING:
                self._pausing.cancel()
                await asyncio.wait([self._pausing])
            else:
                await super().resume_generation()
            self.weights.open()

    async def start_weight_update(self) -> None:
        """As AsyncLLM, while paused.

        Raises:
            WeightUpdateError: It is not the turn of this.
        """
        async with self._exchanging:
            self.weights.want(Stage.PAUSED)
            await self._call(super().start_weight_update)
            self.weights.stage = Stage.STARTED

    async def update_weights(self, request: WeightTransferUpdateRequest) -> None:
        """As AsyncLLM, once in an update, from a file that was checked.

        Raises:
            WeightUpdateError: It is not the turn of this, or the file is refused: the update is over then,
                with the old weights. Or it failed, and there are none.
        """
        async with self._exchanging:
            self.weights.want(Stage.STARTED)
            try:
                path = self._file_of(request.update_info)
            except WeightFileError as error:
                await self._call(super().finish_weight_update)  # nothing was loaded
                self.weights.stage = Stage.PAUSED
                raise WeightUpdateError(str(error), HTTPStatus.BAD_REQUEST) from error
            checked = WeightTransferUpdateRequest(update_info={"file": str(path)})
            try:
                await self._call(lambda: super(UpdatableLLM, self).update_weights(checked))
            except BaseException:
                self.weights.give_up()
                raise
            self.weights.stage = Stage.LOADED

    def _file_of(self, info: object) -> Path:
        """The file of weights that a client names.

        Raises:
            WeightFileError: It is refused.
        """
        if self.weight_files is None or not isinstance(info, dict) or info.keys() != {"file"}:
            raise WeightFileError("update_info: an object with one field, file")
        return self.weight_files.check(info["file"])

    async def finish_weight_update(self, weight_version: str | None = None) -> None:
        """As AsyncLLM.

        Raises:
            WeightUpdateError: It is not the turn of this.
        """
        async with self._exchanging:
            self.weights.want(Stage.LOADED)
            await self._call(lambda: super(UpdatableLLM, self).finish_weight_update(weight_version))
            self.weights.version += 1
            self.weights.stage = Stage.PAUSED

    async def _call(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask the workers.

        Raises:
            WeightUpdateError: One failed.
        """
        try:
            await ask()
        except Exception as error:  # of a worker it may be any; the trainer is told
            raise WeightUpdateError(str(error), HTTPStatus.INTERNAL_SERVER_ERROR) from error
