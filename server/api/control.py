"""`POST /v1/chat/completions/control`: ends the thinking of a running request, as in llama.cpp.

The responses are llama.cpp's too: 400 for an invalid control request, otherwise 200 and whether it took
effect (tools/server/server-context.cpp, post_control).
"""

import json
from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from server.api.authentication import key_of
from server.api.errors import error_response

PATH = "/v1/chat/completions/control"
ACTIONS = ("end_thinking", "reasoning_end")
"""Our name and llama.cpp's name for the same action."""


async def control(request: Request) -> Response:
    """Handle {"id": ID, "action": "end_thinking"}; the response is {"success": bool, "message": reason}."""
    try:
        body: Any = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        return error_response(PATH, 400, f"the request body is not valid JSON: {error}")
    if not isinstance(body, dict):
        return error_response(PATH, 400, "the request body is not a JSON object")
    for name in body:
        if name not in ("id", "action", "model"):  # llama.cpp's router reads the model
            return error_response(PATH, 400, f"{name!r} is not a field of a control request", name)
    response_id, action = body.get("id"), body.get("action")
    if not isinstance(response_id, str) or not response_id:
        return error_response(PATH, 400, "missing completion id", "id")
    if action not in ACTIONS:
        message = f"unknown control action: must be one of {', '.join(ACTIONS)}"
        return error_response(PATH, 400, message, "action")
    key = key_of(request.scope)
    ended = await request.app.state.engine_client.in_flight.end_thinking(
        response_id, key.name if key else None
    )
    if ended:
        return JSONResponse({"success": True})
    why = (
        "no active completion for this id on this server"
        if ended is None
        else "thinking is over in this completion"
    )
    return JSONResponse({"success": False, "message": why})
