"""The trainer's side of a running server: it asks for rollouts, and exchanges the server's weights."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from safetensors.torch import save_file
from torch import Tensor

from training.errors import TrainingError
from training.rl.recipes import RlRecipe
from training.rl.rollout import Rollout, rollouts_of

TIMEOUT_S = 600.0
FILE = "policy.safetensors"
SEED_RANGE = 2**31


class RolloutServer:
    """`folder`: where the server reads weights from (its --weight-updates)."""

    def __init__(self, url: str, name: str, folder: Path, recipe: RlRecipe) -> None:
        self._url, self._name, self._folder, self._recipe = url, name, folder, recipe

    def exchange(self, weights: Mapping[str, Tensor]) -> float:
        """Let the server go on with these weights, and return the seconds that took.

        By their names in the checkpoint, with the shapes that they have there: [rows, columns] or [width].
        Requests that run are finished with the old ones first, and the server's prefix cache is emptied.

        Raises:
            TrainingError: The server refuses them.
        """
        began = time.monotonic()
        partial = self._folder / f"{FILE}.part"
        save_file(dict(weights), partial, metadata={"format": "pt"})
        partial.replace(self._folder / FILE)
        self._post("/pause?mode=wait")
        self._post("/start_weight_update")
        self._post("/update_weights", {"update_info": {"file": FILE}})
        self._post("/finish_weight_update")
        self._post("/resume")
        return time.monotonic() - began

    def rollouts(self, questions: Sequence[str], step: int) -> list[list[Rollout]]:
        """The recipe's number of rollouts of each question, with seeds that the step fixes.

        Raises:
            TrainingError: The server refuses a question, or is gone.
        """
        with ThreadPoolExecutor(len(questions)) as pool:
            return list(pool.map(lambda each: self._ask(each[1], step, each[0]), enumerate(questions)))

    def _ask(self, question: str, step: int, place: int) -> list[Rollout]:
        recipe = self._recipe
        budget = {"max_tokens": recipe.max_thinking, "num_waits": recipe.waits, "on_max": recipe.on_max}
        body = {
            "model": self._name,
            "messages": [{"role": "user", "content": question}],
            "n": recipe.samples,
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            # Of vLLM's n choices the one after the other has the next seed.
            "seed": (recipe.seed * 1_000_003 + step * recipe.batch + place * recipe.samples) % SEED_RANGE,
            "max_completion_tokens": recipe.max_thinking + recipe.answer_tokens,
            "thinking_budget": {**budget, "answer_reserve_tokens": recipe.answer_tokens, "on_loop": "ignore"},
            "logprobs": True,
            "return_token_ids": True,
        }
        found = rollouts_of(self._post("/v1/chat/completions", body))
        if len(found) != recipe.samples:
            raise TrainingError(f"the server gave {len(found)} rollouts for {recipe.samples}")
        return found

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        try:
            request = Request(self._url + path, data or b"", headers, method="POST")
            with urlopen(request, timeout=TIMEOUT_S) as reply:
                return json.load(reply)
        except HTTPError as error:
            raise TrainingError(f"the server refuses {path}: {error.read().decode()[:500]}") from error
        except (URLError, OSError, ValueError) as error:
            raise TrainingError(f"the server at {self._url} did not answer {path}: {error}") from error
