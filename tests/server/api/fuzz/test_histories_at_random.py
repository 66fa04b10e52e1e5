"""Real conversations with random fields and edits: whatever comes of them is no 5xx and no torn stream."""

import json
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.server.api.every_endpoint import ENDPOINTS
from tests.server.api.fuzz.bodies import bodies
from tests.server.api.fuzz.replies import fault

SHORT, LONG = 40, 2600
"""Requests to each endpoint; four times LONG is above 10,000."""
ANSWERED = 0.3


def send_at_random(client: httpx.Client, path: str, requests: int, start: int) -> None:
    statuses: Counter[int] = Counter()
    faults: list[str] = []

    @seed(start)
    @settings(
        max_examples=requests,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies(path))
    def send(body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        try:
            response = client.post(path, content=raw, headers={"content-type": "application/json"})
        except httpx.HTTPError as error:
            faults.append(f"{error!r}: {raw.decode()}")
            return
        statuses[response.status_code] += 1
        if wrong := fault(path, response):
            faults.append(f"{wrong}: {raw.decode()}")

    send()
    assert not faults, f"{len(faults)} of {statuses.total()}:\n" + "\n\n".join(faults[:20])
    assert statuses.total() >= requests
    assert statuses[200] >= ANSWERED * statuses.total(), statuses


@ENDPOINTS
def test_edited_conversations_get_a_reply_that_can_be_read(client: httpx.Client, path: str) -> None:
    send_at_random(client, path, SHORT, start=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@ENDPOINTS
def test_thousands_of_edited_conversations_do(client: httpx.Client, path: str) -> None:
    send_at_random(client, path, LONG, start=2)
