"""A model folder with Mistral's own tokenizer: tekken's text tokens from mistral-common's package, and the
control tokens of its version 13 around thinking."""

import json
from importlib.resources import files
from pathlib import Path

from mistral_common.tokens.tokenizers.tekken import Tekkenizer

MARKS = ("[THINK]", "[/THINK]", "[CALL_ID]", "[ARGS]")


def mistral_folder(folder: Path) -> Path:
    """Without weights: what start-up reads before it loads them."""
    tekken = json.loads((files("mistral_common") / "data" / "tekken_240911.json").read_text())
    control = [
        {"rank": token["rank"], "token_str": str(token["token_str"]), "is_control": True}
        for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    ]
    control += [
        {"rank": len(control) + n, "token_str": mark, "is_control": True} for n, mark in enumerate(MARKS)
    ]
    tekken["special_tokens"] = control
    tekken["config"]["version"] = "v13"
    (folder / "tekken.json").write_text(json.dumps(tekken))
    (folder / "config.json").write_text(json.dumps({"model_type": "mistral"}))
    (folder / "consolidated.safetensors").touch()  # by which vLLM knows a repository in Mistral's own format
    return folder
