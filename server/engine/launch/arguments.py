"""vLLM's command line, with what thinking budgets need filled in."""

import argparse
from argparse import Namespace
from collections.abc import Sequence

try:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
except ModuleNotFoundError:  # since vLLM 0.33
    from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm import envs
from vllm.exceptions import VLLMClientError
from vllm.utils.argparse_utils import FlexibleArgumentParser

from server.budget.parsing.model_suffix import SUFFIX
from server.engine.launch.speculation import check_flags
from server.engine.reasoning_parser import parser_name
from server.reasoning.family import Family

EXTENSION = "server.engine.worker.extension.BudgetWorkerExtension"
PARSER_MODULE = "server.engine.reasoning_parser"
CONFLICTS = {
    "--worker-extension-cls": "thinking budgets use it themselves",
    "--enable-elastic-ep": "an engine that joins later would know no thinking budget",
    "--enable-batch-sharded-sampling": "thinking budgets want each worker to sample the whole batch",
    "--enable-trace-replay": "a replayed token cannot be replaced by a thinking budget's",
    "--return-sampling-mask": "a forced token is in no sampling mask",
    "--reasoning-effort-map": "--effort-tokens says what an effort means here, and thinks that long",
    "--watermark-config": "a forced token has no watermark",
}
"""What cannot be combined with thinking budgets, and why."""
SHUTDOWN_TIMEOUT_S = 20
"""The time that orchestrators wait before they kill (30 s), less the time of the shutdown itself."""


def make_parser(program: str, default_model: str) -> argparse.ArgumentParser:
    """A parser with every flag of `vllm serve`."""
    parser: argparse.ArgumentParser = make_arg_parser(
        FlexibleArgumentParser(
            prog=program, description="vLLM's OpenAI-compatible server, with thinking budgets."
        )
    )
    parser.set_defaults(model=default_model, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    return parser


def budget_flags(family: Family, given: Namespace) -> list[str]:
    """The vLLM flags that install budgets, to be appended to the user's.

    Raises:
        ValueError: The user's flags exclude budgets; it names the flag.
    """
    for flag, why in CONFLICTS.items():
        if getattr(given, flag[2:].replace("-", "_"), None):
            raise ValueError(f"{flag}: {why} (--family none switches thinking budgets off)")
    if given.speculative_config:
        check_flags(given.speculative_config)
    flags = ["--worker-extension-cls", EXTENSION]
    if not given.reasoning_parser:
        parser = family.vllm_parser or parser_name(family)
        flags += ["--reasoning-parser", parser, "--reasoning-parser-plugin", PARSER_MODULE]
    return flags


def log_flags(form: str, given: Namespace) -> list[str]:
    """The vLLM flags that give the log lines of all its processes, and uvicorn's, the format of ours."""
    if form != "json" or hasattr(given, "logging_config"):
        return []
    return ["--logging-config.formatter", "json"]


def refuse_other_launchers(given: Namespace) -> None:
    """Refuse flags with which `vllm serve` starts something else than one HTTP server.

    Raises:
        ValueError: It names the flag.
    """
    asked = {
        "--headless": given.headless,
        "--grpc": given.grpc,
        "--data-parallel-multi-port-external-lb": given.data_parallel_multi_port_external_lb,
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"{flag}: s1-serve is one HTTP server, of one or several processes (--api-server-count), in"
                " front of all its engines"
            )


def refuse_divided(given: Namespace) -> None:
    """Refuse what only one of several API processes would know.

    Raises:
        ValueError: It names the flag.
    """
    count = given.api_server_count
    if count is not None and count < 1:
        raise ValueError(f"--api-server-count: {count} is below 1")
    if count is not None and count > 1 and envs.VLLM_ALLOW_RUNTIME_LORA_UPDATING:
        raise ValueError(
            f"--api-server-count {count}: with VLLM_ALLOW_RUNTIME_LORA_UPDATING an adapter would be loaded in"
            " one of the processes only"
        )


def refuse_unreachable(given: Namespace) -> None:
    """Refuse a model's name that no request can use, and a negative time.

    Raises:
        ValueError: It names the model or the flag.
    """
    names = given.served_model_name or [given.model]
    for name in (*names, *(lora.name for lora in given.lora_modules or ())):
        if SUFFIX.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be a served model's name: its suffix would be parsed as a thinking budget"
            )
    if given.shutdown_timeout < 0:
        raise ValueError(f"--shutdown-timeout: {given.shutdown_timeout} is negative")


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> Namespace:
    """Parse and validate the command line; wrong flags exit the program with vLLM's own message."""
    try:
        arguments = parser.parse_args(list(argv))
        if arguments.model_tag:
            arguments.model = arguments.model_tag
        validate_parsed_serve_args(arguments)
    except (TypeError, ValueError, OSError, VLLMClientError) as error:
        parser.error(str(error))
    return arguments
