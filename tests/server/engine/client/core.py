"""vLLM's connection to its engines, as far as calls to the workers see it: engines answer when told to."""

from typing import Any


class Core:
    """`asked`: which engine was asked to end the thinking of which rows."""

    client_index = 0
    core_engine: Any = "only"

    def __init__(self, **more: Any) -> None:
        self.utility_results: dict[int, Any] = {}
        self.encoder = self
        self.asked: list[tuple[Any, list[str]]] = []
        vars(self).update(more)

    def encode(self, call: Any) -> list[Any]:
        return [call]

    async def _send_input_message(self, message: tuple[Any, ...], engine: Any) -> None:
        method, _, (rows,), _ = message[1][3]
        assert method == "s1_end_thinking"
        self.asked.append((engine, rows))

    def answer(self, workers: list[dict[str, int]]) -> None:
        """As the client does when it reads the socket, in the middle of its turn."""
        _, waiting = self.utility_results.popitem()
        waiting.set_result(workers)


class PromptCore(Core):
    """Each engine answers at once, that the rows' next token is at `position`."""

    position = 7

    async def _send_input_message(self, message: tuple[Any, ...], engine: Any) -> None:
        await super()._send_input_message(message, engine)
        self.answer([dict.fromkeys(self.asked[-1][1], self.position)])
