"""What the server's own OpenAPI allows, by schemathesis: whatever comes of it is no 5xx, no torn stream."""

import json
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.server.api.fuzz.bodies import LIMITS, MAX_TOKENS
from tests.server.api.fuzz.replies import fault

schemathesis = pytest.importorskip("schemathesis")

SHORT, LONG = 6, 300
"""Requests to each operation that takes a body."""
MOST_ITEMS, LONGEST = 2, 20
OPERATIONS = 12
"""So many take a body, or a path with a name in it."""


def bounded(schema: Any) -> Any:
    """The schema with short lists and texts, and no fields beside the named ones: its generation ends."""
    if isinstance(schema, list):
        return [bounded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: bounded(value) for name, value in schema.items()}
    kind = kept.get("type")
    if kind == "array":
        kept["maxItems"] = max(min(MOST_ITEMS, kept.get("maxItems", MOST_ITEMS)), kept.get("minItems", 0))
    elif kind == "string" and not {"enum", "const", "pattern", "format"}.intersection(kept):
        kept["maxLength"] = max(LONGEST, kept.get("minLength", 0))
    elif kind == "object" and "properties" in kept:
        kept["additionalProperties"] = False
    elif kind == "object":
        kept["maxProperties"] = MOST_ITEMS
    return kept


def send_at_random(client: httpx.Client, requests: int, start: int) -> Counter[str]:
    """Returns the number of requests to each operation."""
    schema = schemathesis.openapi.from_dict(bounded(client.get("/openapi.json").json()))
    sent: Counter[str] = Counter()
    faults: list[str] = []

    def send(case: Any) -> None:
        body = _few_tokens(case.path, case.body) if isinstance(case.body, dict) else case.body
        has_body = isinstance(body, dict | list | str | int | float | None)
        raw = json.dumps(body).encode() if has_body else b""
        sent[f"{case.method} {case.path}"] += 1
        try:
            response = client.request(
                case.method,
                case.formatted_path,
                content=raw,
                headers={"content-type": "application/json"},
            )
        except httpx.HTTPError as error:
            faults.append(f"{error!r}: {case.path} {raw.decode()}")
            return
        if wrong := fault(case.path, response):
            faults.append(f"{wrong}: {case.path} {raw.decode()}")

    for each in schema.get_all_operations():
        operation = each.ok()
        limited = settings(
            max_examples=requests,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(start)(limited(given(case=operation.as_strategy())(send)))()
    assert not faults, f"{len(faults)} of {sent.total()}:\n" + "\n\n".join(faults[:20])
    return sent


def _few_tokens(path: str, body: dict[str, Any]) -> dict[str, Any]:
    name = LIMITS.get(path, "max_tokens")
    asked = body.get(name)
    is_few = isinstance(asked, int | float) and not isinstance(asked, bool) and asked <= MAX_TOKENS
    return body | {"model": "s1-nano"} | ({} if is_few else {name: MAX_TOKENS})


def test_what_the_openapi_allows_gets_a_reply_that_can_be_read(client: httpx.Client) -> None:
    sent = send_at_random(client, SHORT, start=1)
    assert sum(count >= SHORT for count in sent.values()) >= OPERATIONS - 3, sent


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_much_of_what_the_openapi_allows_does(client: httpx.Client) -> None:
    send_at_random(client, LONG, start=2)
