"""`s1-serve`: vLLM's server, every flag of it, with thinking budgets and an embedded model by default."""

import argparse
import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence

from server.environment import set_engine_environment
from server.settings import EMBEDDED_MODEL, EMBEDDED_MODEL_PATH, Settings

PROGRAM = "s1-serve"
EMBEDDED_DEFAULTS = {
    "served_model_name": [EMBEDDED_MODEL],
    "host": "127.0.0.1",
    # So small a model is sooner served than compiled, and needs no share of the machine's memory.
    "enforce_eager": True,
    "max_num_seqs": 128,
    "kv_cache_memory_bytes": 1 << 30,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Parse, say what will be done, serve. Exits non-zero on a wrong setting and on a dead engine."""
    set_engine_environment()
    # vLLM reads its environment when it is imported.
    from server.api.serve import bind, serve
    from server.engine.arguments import budget_flags, log_flags, make_parser, parse
    from server.engine.family import find_family

    given = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser(PROGRAM, default_model=EMBEDDED_MODEL)
    Settings.add_flags(parser)
    arguments = _fill_in(parse(parser, given))
    try:
        settings = Settings.read(arguments)
        family, found = find_family(settings.family, arguments)
        given += log_flags(settings.log_format, arguments)
        if family is not None:
            given += budget_flags(family, arguments)
        arguments = _fill_in(parse(parser, given))
        listener = bind(arguments)
    except (argparse.ArgumentTypeError, ValueError, OSError) as error:
        parser.error(str(error))
    _announce(
        arguments, settings, f"{family.name} ({found})" if family else f"none: no thinking budgets ({found})"
    )
    well = asyncio.run(serve(arguments, settings, family, listener))
    sys.exit(0 if well else 1)


def _fill_in(arguments: Namespace) -> Namespace:
    """The embedded model's path and defaults, if it is the model; a flag that was given stays."""
    if arguments.model == EMBEDDED_MODEL:
        arguments.model = str(EMBEDDED_MODEL_PATH)
        for name, value in EMBEDDED_DEFAULTS.items():
            if not getattr(arguments, name):
                setattr(arguments, name, value)
    return arguments


def _announce(arguments: Namespace, settings: Settings, family: str) -> None:
    budget, ceiling = settings.default_thinking_budget.max_tokens, settings.max_thinking_budget
    lines = {
        "model": arguments.model,
        "family": family,
        "default": "unlimited" if budget in (None, -1) else f"{budget} thinking tokens",
        "ceiling": "none" if ceiling is None else f"{ceiling} thinking tokens",
        "SIGTERM": f"running requests get {arguments.shutdown_timeout} s to finish",
        "address": f"http://{arguments.host or '0.0.0.0'}:{arguments.port}",
    }
    for name, value in lines.items():
        print(f"{PROGRAM}: {name:8} {value}", flush=True)


if __name__ == "__main__":
    main()
