"""What the soak sends beside the mix: quotas, control, samples, adapters, and what generates nothing.

Each errand checks what came by itself, and raises WrongReplyError.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from safetensors.numpy import save_file

from evals.bench.mix import CHAT, QUESTION, Job, Json, Outcome
from evals.events import events_of

METERED, SAMPLING = "sk-soak-metered", "sk-soak-sampling"
SAMPLES = 3
ADAPTER_RANK = 8


class WrongReplyError(Exception):
    """A response is not what its request gets."""


def key_file(main: str) -> str:
    """For --api-keys-file: a key without a limit, one whose quota runs out, and one of sampled requests."""
    return (
        f'[main]\nkey = "{main}"\n[sampling]\nkey = "{SAMPLING}"\n'
        f'[metered]\nkey = "{METERED}"\nquota_tokens = 600\nquota_window_s = 10\n'
    )


def write_adapter(folder: Path, config: Mapping[str, Any]) -> None:
    """A LoRA that changes nothing, for a Llama model with this config.json, as peft writes one."""
    folder.mkdir(parents=True)
    said = {"peft_type": "LORA", "r": ADAPTER_RANK, "lora_alpha": ADAPTER_RANK, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(said | {"task_type": "CAUSAL_LM", "bias": "none"}))
    width, out = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = np.zeros((ADAPTER_RANK, width), np.float32)
        tensors[f"{name}.lora_B.weight"] = np.zeros((out, ADAPTER_RANK), np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")


@dataclass(slots=True)
class Errands:
    """`adapter`: the folder of a LoRA that the server can load; None: no adapter is loaded."""

    client: httpx.AsyncClient
    adapter: Path | None
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def table(self) -> list[tuple[int, Job]]:
        """How many of each kind, beside 500 of the mix."""
        table: list[tuple[int, Job]] = [
            (40, self._metered),
            (20, self._control),
            (15, self._sampled),
            (20, self._counted),
            (20, self._tokens),
            (5, self._looked_up),
        ]
        return table if self.adapter is None else [*table, (5, self._adapted)]

    def _chat(self, **more: Any) -> Json:
        question = QUESTION.format(self.chance.randrange(100, 999))
        return {"model": "s1-nano", "messages": [{"role": "user", "content": question}], **more}

    async def _metered(self) -> Outcome:
        """Until the quota is spent, and after: then a 429 that says when to come back."""
        outcome = Outcome("metered", choices=1)
        body = self._chat(temperature=1.0)
        response = await self.client.post(CHAT, json=body, headers=_key(METERED))
        outcome.status = response.status_code
        if response.status_code == 429:
            _want("retry-after" in response.headers, response)
            outcome.choices = 0
            return outcome
        return _chosen(outcome, response)

    async def _control(self) -> Outcome:
        """Thinking that would go on is ended by a second request."""
        outcome = Outcome("control", choices=1)
        body = self._chat(thinking_budget={"min_tokens": 500}, stream=True)
        body["stream_options"] = {"include_usage": True}
        asked = False
        async with self.client.stream("POST", CHAT, json=body) as response:
            outcome.status = response.status_code
            async for text in events_of(response):
                event = json.loads(text)
                for choice in event["choices"]:
                    if choice.get("finish_reason"):
                        outcome.reports.append(choice["thinking"])
                outcome.output_tokens = (event.get("usage") or {}).get("completion_tokens", 0)
                if not asked:
                    asked = True
                    order = {"id": event["id"], "action": "end_thinking"}
                    told = await self.client.post(f"{CHAT}/control", json=order)
                    _want(told.status_code == 200, told)
        return outcome

    async def _sampled(self) -> Outcome:
        outcome = Outcome("sampled", choices=SAMPLES)
        body = self._chat(temperature=1.0, scaling={"method": "majority", "n": SAMPLES})
        response = await self.client.post(CHAT, json=body, headers=_key(SAMPLING))
        outcome.status = response.status_code
        _want(response.status_code == 200, response)
        usage = response.json()["usage"]
        outcome.output_tokens = usage["completion_tokens"]
        outcome.sampled_tokens = usage["completion_tokens_details"]["reasoning_tokens"]
        return outcome

    async def _counted(self) -> Outcome:
        response = await self.client.post("/v1/messages/count_tokens", json=self._chat(thinking_budget=20))
        _want(response.status_code == 200 and response.json()["input_tokens"] > 0, response)
        return Outcome("count_tokens", status=response.status_code)

    async def _tokens(self) -> Outcome:
        text = QUESTION.format(self.chance.randrange(100, 999))
        words = {"model": "s1-nano", "prompt": text, "add_special_tokens": False}
        tokens = (await self.client.post("/tokenize", json=words)).json()["tokens"]
        back = await self.client.post("/detokenize", json={"model": "s1-nano", "tokens": tokens})
        _want(back.json().get("prompt") == text, back)
        return Outcome("tokenize", status=back.status_code)

    async def _looked_up(self) -> Outcome:
        for path in ("/v1/models", "/health", "/version", "/openapi.json"):
            response = await self.client.get(path)
            _want(response.status_code == 200, response)
        return Outcome("look up", status=200)

    async def _adapted(self) -> Outcome:
        """Load an adapter, ask it, unload it."""
        outcome, name = Outcome("adapter", choices=1), "soak"
        async with self._loading:
            await self._load("load", lora_name=name, lora_path=str(self.adapter))
            try:
                body = self._chat(temperature=1.0, max_completion_tokens=60)
                response = await self.client.post(CHAT, json=body | {"model": name})
            finally:
                await self._load("unload", lora_name=name)
        outcome.status = response.status_code
        return _chosen(outcome, response)

    async def _load(self, verb: str, **body: str) -> None:
        response = await self.client.post(f"/v1/{verb}_lora_adapter", json=body)
        _want(response.status_code == 200, response)


def _key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _chosen(outcome: Outcome, response: httpx.Response) -> Outcome:
    _want(response.status_code == 200, response)
    body = response.json()
    outcome.reports = [choice["thinking"] for choice in body["choices"]]
    outcome.output_tokens = body["usage"]["completion_tokens"]
    return outcome


def _want(is_right: bool, response: httpx.Response) -> None:
    if not is_right:
        raise WrongReplyError(f"{response.request.url.path}: {response.status_code} {response.text[:300]}")
