"""The command `s1-serve`: all of vLLM's server flags, plus thinking budgets and an embedded default model."""

import argparse
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from server.announce import PROGRAM, announce
from server.api.rate_limits import limits_by_key
from server.budget.budget import UNLIMITED, ThinkingBudget
from server.environment import set_engine_environment
from server.flag_values import ENDPOINTS
from server.keys.key import Key, all_keys
from server.keys.store.address import MEMORY
from server.keys.store.store import MemoryStore, QuotaStoreError
from server.reasoning.coverage import coverage_table
from server.reasoning.family import Family
from server.settings import (
    EMBEDDED_MODEL,
    EMBEDDED_MODEL_PATH,
    EMBEDDED_SCORER,
    EMBEDDED_SCORER_PATH,
    Settings,
)

UNREAD_TOOLS = "none: tool_choice auto means none (--tool-call-parser)"
EMBEDDED = {EMBEDDED_MODEL: EMBEDDED_MODEL_PATH, EMBEDDED_SCORER: EMBEDDED_SCORER_PATH}
EMBEDDED_DEFAULTS = {
    "host": "127.0.0.1",
    # Compiling such a small model takes longer than it saves, and 1 GiB of KV cache is enough.
    "enforce_eager": True,
    "max_num_seqs": 128,
    "kv_cache_memory_bytes": 1 << 30,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, print the configuration, serve until a signal arrives, and exit.

    The exit status is 0 after a clean shutdown, 1 when the engine has died, and 2 for a wrong setting.
    `s1-serve families` prints which of vLLM's reasoning parsers are covered instead.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given == ["families"]:
        print(coverage_table())
        return
    set_engine_environment()
    # vLLM reads its environment when it is imported. uvloop comes with it: its own servers run on it.
    import uvloop

    from server.api.api_process import serve_process
    from server.api.app import Setup, bind, serve
    from server.engine.launch.api_processes import run_api_processes
    from server.engine.launch.arguments import (
        budget_flags,
        log_flags,
        make_parser,
        parse,
        refuse_divided,
        refuse_other_launchers,
        refuse_unreachable,
    )
    from server.engine.launch.find_family import check_defaults, find_family
    from server.engine.launch.find_tool_parser import tool_flags
    from server.engine.launch.leaving import leave
    from server.engine.launch.weight_transfer import update_flags

    parser = make_parser(PROGRAM, default_model=EMBEDDED_MODEL)
    Settings.add_flags(parser)
    arguments = _fill_in(parse(parser, given))
    try:
        refuse_other_launchers(arguments)
        refuse_divided(arguments)
        refuse_unreachable(arguments)
        settings = Settings.read(arguments)
        family, found = find_family(settings.family, arguments)
        check_defaults(settings.budget_defaults, family, arguments)
        given += log_flags(settings.log_format, arguments)
        if family is not None:
            given += budget_flags(family, arguments)
        if settings.weight_updates is not None:
            given += update_flags(arguments)
        tools, reads_tools = tool_flags(family, arguments)
        given += tools
        arguments = _fill_in(parse(parser, given))
        keys = all_keys(settings.api_keys_file, arguments.api_key, os.environ.get("VLLM_API_KEY"))
        _check_keys(keys, settings, family)
        _check_store(keys, settings, arguments)
        address, listener = bind(arguments)
    except (argparse.ArgumentTypeError, ValueError, OSError, LookupError, OverflowError) as error:
        parser.error(str(error))
    found = f"{family.name} ({found})" if family else f"none: no thinking budgets ({found})"
    announce(
        model=f"{arguments.model} as {', '.join(arguments.served_model_name or [arguments.model])}",
        family=found,
        tools=arguments.tool_call_parser if reads_tools else UNREAD_TOOLS,
        default=_shown(settings.default_thinking_budget),
        ceiling=_tokens(settings.max_thinking_budget),
        keys=", ".join(key.name for key in keys) or "none: whoever can reach it may ask",
        quotas=MEMORY if settings.quota_store is None else settings.quota_store.name,
        SIGTERM=f"running requests get {arguments.shutdown_timeout} s to finish",
        address=address,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_loading)  # until the server is up and installs its graceful shutdown
    setup = Setup(arguments, settings, family, keys, reads_tools)
    if _api_processes(arguments) > 1:
        leave(run_api_processes(arguments, family, listener, serve_process, setup))
    try:
        is_healthy = uvloop.run(serve(setup, listener))
    except QuotaStoreError as error:
        parser.error(str(error))
    leave(0 if is_healthy else 1)


def _stop_loading(number: int, _: object) -> None:
    """Exit at once: no request runs yet, and child processes end with this one."""
    print(f"{PROGRAM}: stopped before it was ready", flush=True)
    os._exit(128 + number)


def _fill_in(arguments: Namespace) -> Namespace:
    """For an embedded model, set its path and its defaults; a flag that was given is kept."""
    if arguments.model in EMBEDDED:
        own: dict[str, object] = {"served_model_name": [arguments.model]}
        if arguments.model == EMBEDDED_SCORER:
            arguments.runner = "pooling"
        arguments.model = str(EMBEDDED[arguments.model])
        for name, value in (own | EMBEDDED_DEFAULTS).items():
            if not getattr(arguments, name):
                setattr(arguments, name, value)
    return arguments


def _check_keys(keys: Sequence[Key], settings: Settings, family: Family | None) -> None:
    """Check the keys against the other settings.

    Raises:
        ValueError: A limited key on a model without a thinking family, a key whose ceiling contradicts the
            default budget, --open-endpoints without any key, or --weight-updates without an admin's.
    """
    limits_by_key(keys, settings.budget_defaults, MemoryStore())
    limited = [key.name for key in keys if key.is_limited]
    if limited and family is None:
        raise ValueError(
            f"--api-keys-file: {', '.join(limited)}: thinking cannot be limited on a model of no known family"
        )
    if keys and settings.weight_updates is not None and not any(key.is_admin for key in keys):
        raise ValueError("--weight-updates: no API key is an admin's (admin = true in --api-keys-file)")
    if not keys and set(settings.open_endpoints) != set(ENDPOINTS):
        raise ValueError("--open-endpoints: no API keys are set (--api-key, --api-keys-file)")


def _api_processes(arguments: Namespace) -> int:
    return arguments.api_server_count or 1


def _check_store(keys: Sequence[Key], settings: Settings, arguments: Namespace) -> None:
    """Check that every process knows of the quotas.

    Raises:
        ValueError: There are several, and their quotas are in memory.
    """
    count, quotas = _api_processes(arguments), [key.name for key in keys if key.quota is not None]
    if count > 1 and quotas and settings.quota_store is None:
        raise ValueError(
            f"--api-server-count {count}: each process would give {', '.join(quotas)} a quota of its own:"
            " they need a store that they share (--quota-store redis://HOST:PORT/DATABASE)"
        )


def _shown(budget: ThinkingBudget) -> str:
    """The fields of the budget that are set, as text."""
    is_set = {name: value for name, value in asdict(budget).items() if value not in (None, UNLIMITED)}
    return ", ".join(f"{name} {value}" for name, value in is_set.items()) or "unlimited"


def _tokens(ceiling: int | None) -> str:
    return "none" if ceiling is None else f"{ceiling} thinking tokens a request"


if __name__ == "__main__":
    main()
