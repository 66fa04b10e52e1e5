"""The requests' log: one line for each choice that ended and each budget that was refused.

Prompts stand in it only when the operator asks; what a client wrote is quoted, so that it makes no lines.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TextIO

from server.observability.record import ChoiceRecord

LOGGER = "s1-serve"
_BARE = re.compile(r"[\w./:+-]+", re.ASCII)
_FRACTION_DIGITS = 6

Fields = Mapping[str, object]


class RequestLog:
    """Writes lines of "text" or "json", or none ("off"), to `out`. No request fails by a failed write."""

    def __init__(self, form: str, out: TextIO) -> None:
        self._logger = logging.Logger(LOGGER, logging.INFO)  # its own: no other configuration reaches it
        if form == "off":
            self._logger.disabled = True
            return
        handler = logging.StreamHandler(out)
        handler.setFormatter(_Json() if form == "json" else _Text())
        self._logger.addHandler(handler)

    def end(self, ended: ChoiceRecord) -> None:
        """A choice has ended."""
        self._write("ended", _fields(ended))

    def refuse(self, path: str, field: str) -> None:
        """A budget was refused. `field`: what the client called it."""
        self._write("refused", {"path": path, "field": field})

    def _write(self, event: str, fields: Fields) -> None:
        self._logger.info(event, extra={"fields": fields})


def _fields(ended: ChoiceRecord) -> Fields:
    thinking, times = ended.thinking, asdict(ended.times)
    seconds = {name: None if s is None else round(s, _FRACTION_DIGITS) for name, s in times.items()}
    return {
        "id": ended.id,
        "choice": ended.choice,
        "model": ended.model,
        "family": ended.family,
        "key": ended.key,
        "end": ended.end,
        "prompt_tokens": ended.prompt_tokens,
        "thinking_tokens": thinking.tokens,
        "answer_tokens": ended.answer_tokens,
        "max_tokens": thinking.max_tokens,
        "min_tokens": thinking.min_tokens,
        "num_waits": thinking.num_waits,
        "clamped": ended.is_clamped,
        "waits_used": thinking.waits_used,
        "forced_tokens": thinking.forced_tokens,
        "shows_answer": ended.shows_answer,
        **seconds,
        **({} if ended.prompt is None else {"prompt": ended.prompt}),
    }


class _Json(logging.Formatter):
    """One JSON object per line, its first keys as in vLLM's own JSON lines."""

    def format(self, record: logging.LogRecord) -> str:
        head = {
            "asctime": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "levelname": record.levelname,
            "name": record.name,
            "message": record.getMessage(),
        }
        return json.dumps({**head, **_fields_of(record)})


class _Text(logging.Formatter):
    """key=value, after uvicorn's prefix; unknown values are left out."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = [f"{key}={_shown(value)}" for key, value in _fields_of(record).items() if value is not None]
        return f"{record.levelname}:     {' '.join([record.getMessage(), *pairs])}"


def _fields_of(record: logging.LogRecord) -> Fields:
    fields: Fields = record.__dict__["fields"]
    return fields


def _shown(value: object) -> str:
    return value if isinstance(value, str) and _BARE.fullmatch(value) else json.dumps(value)
