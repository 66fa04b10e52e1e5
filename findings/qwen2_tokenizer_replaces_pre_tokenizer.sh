#!/usr/bin/env bash
# transformers 5.19.0: a checkpoint of model_type qwen2 does not get the pre-tokenizer of its own tokenizer.json.
#
# Expected: AutoTokenizer reads tokenizer.json as it stands, as it does for other model types. Seen: for model_type
# "qwen2" it makes a Qwen2Tokenizer, which puts Qwen2's own pre-tokenizer (digits one by one) in the place of the
# file's; naming PreTrainedTokenizerFast as tokenizer_class in tokenizer_config.json changes nothing. "123", one
# token of this vocabulary, comes out as three; qwen3, llama and mistral keep the file's. A model trained from
# scratch with a tokenizer of its own under the qwen2 architecture is then fed tokens that it has never seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.19.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PY'
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

VOCABULARY = ("<unk>", "1", "2", "3", "12", "123")


def tokens(model_type: str) -> list[str]:
    folder = Path(sys.argv[1]) / model_type
    folder.mkdir()
    ids = {token: at for at, token in enumerate(VOCABULARY)}
    inner = Tokenizer(models.BPE(vocab=ids, merges=[("1", "2"), ("12", "3")], unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return AutoTokenizer.from_pretrained(folder).tokenize("123")


seen = {model_type: tokens(model_type) for model_type in ("qwen2", "qwen3", "llama", "mistral")}
print(seen)
assert seen["qwen2"] == ["1", "2", "3"]
assert seen["qwen3"] == seen["llama"] == seen["mistral"] == ["123"]
PY
