"""What uvicorn's and vLLM's logs leave out: keys that stand in a URL, tracebacks of clients' mistakes."""

import logging

from vllm.exceptions import GracefulHTTPError, VLLMClientError

ACCESS_LOG = "uvicorn.access"
ANTHROPIC_LOG = "vllm.entrypoints.anthropic.api_router"
_PATH_ARGUMENT = 2
"""Of uvicorn's line: client, method, path with its query, version, status."""


def hush_logs() -> None:
    """From now on; handlers may still be set."""
    for name, rule in ((ACCESS_LOG, hide_query), (ANTHROPIC_LOG, drop_clients_mistakes)):
        if rule not in logging.getLogger(name).filters:
            logging.getLogger(name).addFilter(rule)


def hide_query(record: logging.LogRecord) -> bool:
    """No field of any URL here is worth a log line; a key in one is worth none."""
    if isinstance(record.args, tuple) and len(record.args) > _PATH_ARGUMENT:
        args = list(record.args)
        path, question, _ = str(args[_PATH_ARGUMENT]).partition("?")
        args[_PATH_ARGUMENT] = f"{path}?..." if question else path
        record.args = tuple(args)
    return True


def drop_clients_mistakes(record: logging.LogRecord) -> bool:
    """Its client was told; a traceback says that the server is at fault."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, VLLMClientError | GracefulHTTPError)
