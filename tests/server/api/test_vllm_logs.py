"""The logs of others hold no key, and no traceback where a client was at fault."""

import logging
import sys

import pytest
from vllm.exceptions import VLLMValidationError

from server.api.vllm_logs import drop_clients_mistakes, hide_query


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/models?key=sk-secret", "/v1/models?..."),
        ("/v1/models?a=1&api_key=sk-secret#x", "/v1/models?..."),
        ("/v1/models", "/v1/models"),
        ("/?sk-secret", "/?..."),
    ],
)
def test_query_of_a_url_is_in_no_log(path: str, shown: str) -> None:
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        __file__,
        1,
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:5", "GET", path, "1.1", 200),
        None,
    )
    assert hide_query(record)
    assert record.getMessage() == f'127.0.0.1:5 - "GET {shown} HTTP/1.1" 200'


@pytest.mark.parametrize(("error", "is_logged"), [(VLLMValidationError("no"), False), (KeyError("x"), True)])
def test_traceback_is_logged_where_the_server_is_at_fault(error: Exception, is_logged: bool) -> None:
    try:
        raise error
    except (VLLMValidationError, KeyError):
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "Error", (), sys.exc_info())
    assert drop_clients_mistakes(record) is is_logged
