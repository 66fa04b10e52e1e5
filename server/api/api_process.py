"""The main function of one of several API processes (--api-server-count)."""

import os
import signal
import socket
import sys

import uvloop
from vllm.logger import configure_logging
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager

from server.api.app import Setup, serve
from server.engine.launch.api_processes import ApiProcess
from server.keys.store.store import QuotaStoreError


def serve_process(process: ApiProcess, setup: Setup, listener: socket.socket) -> int:
    """Serve until a signal comes. Returns the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os._exit(128 + number))  # until it is up
    arguments = setup.arguments
    if (logging_config := getattr(arguments, "logging_config", None)) is not None:
        configure_logging(logging_config)
    if arguments.tool_parser_plugin:
        ToolParserManager.import_tool_parser(arguments.tool_parser_plugin)
    if arguments.reasoning_parser_plugin:
        ReasoningParserManager.import_reasoning_parser(arguments.reasoning_parser_plugin)
    try:
        return 0 if uvloop.run(serve(setup, listener, process)) else 1
    except QuotaStoreError as error:
        print(error, file=sys.stderr, flush=True)
        return 2
