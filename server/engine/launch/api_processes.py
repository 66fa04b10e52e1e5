"""Several API processes in front of the same engines (--api-server-count), the way of vLLM's launcher.

This process starts the engines and the API processes, passes signals on to these, and ends with them. It
serves nothing itself. Unlike vLLM's, which stops engines and API processes at once, it stops the engines once
every API process has drained.
"""

import copyreg
import os
import signal
import socket
import tempfile
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType, MappingProxyType
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.utils import bind_engine_zmq_listeners, launch_core_engines
from vllm.v1.executor import Executor
from vllm.v1.metrics.prometheus import setup_multiprocess_prometheus
from vllm.v1.utils import APIServerProcessManager

from server.engine.launch.leaving import leave
from server.engine.launch.orphans import bind_engines, die_with_parent
from server.engine.launch.speculation import configure
from server.reasoning.family import Family

ENGINE_EXIT_TIMEOUT_S = 5.0
LOADS = "api_server_loads"
"""In what vLLM tells an API process: the open connections of each, to accept on the least loaded."""


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """One of `count`, as vLLM's client of the engines wants it."""

    index: int
    count: int
    addresses: Mapping[str, Any]
    loads: Any
    """A shared array of their open connections."""
    folder: str
    """Where they listen to each other: of this user alone."""


Serve = Callable[[ApiProcess, Any, socket.socket], int]
"""What runs in each of them, with what was passed along and where to accept; returns its exit status."""


def run_api_processes(
    arguments: Namespace, family: Family | None, listener: socket.socket, serve: Serve, passed: Any
) -> int:
    """Start engines and API processes, and wait until they have ended.

    Args:
        arguments: vLLM's flags; `api_server_count` is above 1.
        family: The model's, None where it is unknown.
        listener: Where all of them accept.
        serve: A function of a module's top level: each process imports it.
        passed: Its second argument, which can be pickled.

    Returns:
        The exit status: 0 where all have ended well.
    """
    copyreg.pickle(MappingProxyType, _pickled)
    setup_multiprocess_prometheus()
    bind_engines()
    engine_args = AsyncEngineArgs.from_cli_args(arguments)
    engine_args._api_process_count, engine_args._api_process_rank = arguments.api_server_count, -1
    usage = UsageContext.OPENAI_API_SERVER
    config = engine_args.create_engine_config(usage) if family is None else configure(engine_args, usage)
    listeners = bind_engine_zmq_listeners(config, arguments.api_server_count)
    with tempfile.TemporaryDirectory(prefix="s1-serve-") as folder:
        with launch_core_engines(
            config, Executor.get_class(config), not engine_args.disable_log_stats, listeners.addresses
        ) as launch:
            coordinator = launch.coordinator
            processes = APIServerProcessManager(
                listen_address="",
                sock=listener,
                args=Namespace(
                    max_num_queued_reqs=getattr(arguments, "max_num_queued_reqs", None),
                    s1=(serve, passed, folder),
                ),
                num_servers=arguments.api_server_count,
                input_listeners=listeners.inputs,
                output_listeners=listeners.outputs,
                target_server_fn=run_api_process,
                stats_update_address=coordinator.get_stats_publish_address() if coordinator else None,
                tensor_queue=launch.tensor_queue,
            )
            launch.watched_frontend_processes = processes.processes
        listener.close()
        pass_signals_on(processes.processes)  # until now a signal ends this process at once, and they with it
        try:
            return _wait(processes.processes, launch.engine_manager, coordinator)
        finally:
            processes.shutdown(timeout=ENGINE_EXIT_TIMEOUT_S)
            for each in filter(None, (launch.engine_manager, coordinator)):
                each.shutdown(timeout=ENGINE_EXIT_TIMEOUT_S)


def run_api_process(_: str, listener: socket.socket, arguments: Namespace, client: dict[str, Any]) -> None:
    """The main function of an API process."""
    die_with_parent()
    serve, passed, folder = arguments.s1
    count, index, loads = client.pop("client_count"), client.pop("client_index"), client.pop(LOADS, None)
    leave(serve(ApiProcess(index, count, client, loads, folder), passed, listener))


def _pickled(table: MappingProxyType[Any, Any]) -> tuple[Callable[..., Any], tuple[dict[Any, Any]]]:
    """A table that cannot be changed is one in the other process, too."""
    return _read_only, (dict(table),)


def _read_only(table: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(table)


def pass_signals_on(processes: Sequence[BaseProcess]) -> None:
    """SIGTERM and SIGINT of this process are theirs."""

    def pass_on(number: int, _: FrameType | None) -> None:
        _signal(processes, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)


def _signal(processes: Sequence[BaseProcess], number: int) -> None:
    for each in processes:
        if each.pid is not None and each.is_alive():
            os.kill(each.pid, number)


def _wait(processes: Sequence[BaseProcess], engines: Any, coordinator: Any) -> int:
    """Until every API process has ended. Whatever ends in an error stops the rest.

    Of engines that died nobody gets an answer any more: what waits for one is cut off.
    """
    waiting: dict[Any, BaseProcess | None] = {each.sentinel: each for each in processes}
    if coordinator is not None:
        waiting[coordinator.proc.sentinel] = coordinator.proc
    if engines is not None:  # None: all of them are on other machines
        waiting[_end_of(engines)] = None
    failed = 0
    while any(each in waiting for each in (it.sentinel for it in processes)):
        for sentinel in connection.wait(list(waiting)):
            process = waiting.pop(sentinel)
            if process is not None:
                process.join()  # its sentinel is closed a moment before its exit status is there
                if process in processes and process.exitcode == 0:
                    continue
            failed = 1
            _signal(processes, signal.SIGTERM if process in processes else signal.SIGINT)
    return failed


def _end_of(engines: Any) -> connection.Connection:
    """What is readable once an engine has ended."""
    ended, told = connection.Pipe(duplex=False)

    def watch() -> None:
        engines.monitor_engine_liveness()
        told.close()

    threading.Thread(target=watch, name="s1_engines", daemon=True).start()
    return ended
