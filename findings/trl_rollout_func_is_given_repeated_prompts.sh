#!/usr/bin/env bash
# trl 1.16.0 (transformers 5.19.0, torch 2.13.0): GRPOTrainer gives a `rollout_func` each prompt num_generations times.
#
# Expected, by its docstring: the function "receives the raw per-process prompt slice with no duplication" and "is
# responsible for returning the correct number of completions per prompt". Seen: with num_generations=4 and a batch
# of 8 it gets 8 prompts, 2 of them different, each 4 times in a row, and one completion for each is right. A function
# that does what the docstring says, num_generations completions for each prompt it was given, returns 32: nothing
# checks that, the reward function is called with 8 prompts beside 32 completions (one that pairs them with zip
# rewards the second prompt for samples of the first), and the step ends in an IndexError about an index of a dimension.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu || "$folder/venv/bin/pip" install -q torch==2.13.0
"$folder/venv/bin/pip" install -q trl==1.16.0 transformers==5.19.0
cat >"$folder/rollouts.py" <<'PY'
import sys

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

GENERATIONS, BATCH = 4, 8
WORDS = ["<pad>", "<eos>", "one", "two", "three", "four", "yes"]
given, rewarded = [], []


def run(folder, copies):
    """One step with a rollout_func that answers each prompt so many times, with the prompt's own word."""
    given.clear(), rewarded.clear()
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")

    def rollout(prompts, trainer):
        given.append(list(prompts))
        each = [fast.encode(prompt) for prompt in prompts for _ in range(copies)]
        return {"prompt_ids": each, "completion_ids": [[*ids, 1] for ids in each],
                "logprobs": [[-1.0] * (len(ids) + 1) for ids in each]}

    def reward(prompts, completions, **_):
        rewarded.append((list(prompts), list(completions)))
        return [float(n) for n in range(len(prompts))]

    config = Qwen2Config(vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, num_hidden_layers=1,
                         num_attention_heads=1, num_key_value_heads=1, pad_token_id=0, eos_token_id=1)
    settings = GRPOConfig(output_dir=folder, max_steps=1, per_device_train_batch_size=BATCH, report_to=[],
                          num_generations=GENERATIONS, max_completion_length=8, use_cpu=True, bf16=False,
                          save_strategy="no", logging_steps=1, shuffle_dataset=False)
    GRPOTrainer(model=Qwen2ForCausalLM(config), args=settings, processing_class=fast, reward_funcs=reward,
                train_dataset=Dataset.from_dict({"prompt": ["one", "two", "three", "four"]}),
                rollout_func=rollout).train()


if __name__ == "__main__":
    doc = " ".join(GRPOTrainer.__doc__.split())
    assert "receives the raw per-process prompt slice with no duplication" in doc
    run(sys.argv[1], 1)
    print("given:", given[0])
    assert given[0] == ["one"] * 4 + ["two"] * 4, given
    try:
        run(sys.argv[1], GENERATIONS)
    except IndexError as error:
        print("IndexError:", error)
    else:
        raise AssertionError("the step went through")
    prompts, completions = rewarded[0]
    print(f"rewarded: {len(prompts)} prompts, {len(completions)} completions")
    assert (len(prompts), len(completions)) == (BATCH, BATCH * GENERATIONS)
PY
"$folder/venv/bin/python" "$folder/rollouts.py" "$folder/out"
