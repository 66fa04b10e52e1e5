"""s1-nano's weights behind a tokenizer and a template with another family's marks."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transformers.convert_slow_tokenizer import bytes_to_unicode

from server.reasoning.family import Family
from server.settings import EMBEDDED_MODEL_PATH

OPENS, ENDS = 3, 4
"""s1-nano's own "<think>" and "</think>": whatever these ids are called, it opens and ends by them."""
FREE = 400
"""From here on no id of s1-nano's is in use; its weights have rows for them, none likelier than another."""
WORDS = ("so", "qz", " vq", "qz\n")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mark, and the tokens that write it."""

    family: str
    start: str
    end: str
    opening: str
    """What the template writes at the end of a prompt."""
    also_end: tuple[str, ...] = ()
    """What may be written for the end, too; it is never forced."""
    added: Mapping[int, str] = field(default_factory=dict)
    """Tokens of their own: marks, by id."""
    ordinary: Mapping[int, str] = field(default_factory=dict)
    """Tokens of ordinary text that s1-nano's vocabulary lacks, by id; no text is encoded by them."""
    pool: tuple[int, ...] = ()
    """What a model that spells at random samples from."""
    breaks_line: bool = False
    """Whether a forced end begins with a line break."""


def kind_of(family: Family, *, opens: bool = True) -> Kind:
    """A family whose marks, or the parts of them in angle brackets, are tokens."""
    pieces = [each for each in re.split(r"(<[^<>]*>|\n)", f"{family.start}{family.end}") if each.strip()]
    if not family.tells and family.is_detectable:
        pieces = [family.start, family.end]
    pieces = list(dict.fromkeys(pieces))
    added = {FREE + n: each for n, each in enumerate(pieces) if not (opens and each.isalpha())}
    texts = [each for each in (*pieces, *WORDS) if each not in added.values()]
    ordinary = {FREE + len(pieces) + n: each for n, each in enumerate(texts)}
    starts = {number for number, text in added.items() if text in family.start and text not in family.end}
    hides = opens or len(starts) == 1  # else it would open again after each end
    return Kind(
        family=family.name,
        start=family.start,
        end=family.end,
        opening=family.start.replace("\n", "\\n") if opens else "",
        added=added,
        ordinary=ordinary,
        pool=tuple(each for each in (*added, *ordinary) if each not in starts or not hides),
    )


def text_kind_of(family: Family) -> Kind:
    """A family whose marks are ordinary text, cut into tokens that have something of their neighbours.

    The model spells the last of the ends.
    """
    end = family.ends[-1]
    cut = (f".{end[:2]}", end[:2], end[2:-1], f"{end[-1]}\n\n", end[:-1], f"{end[-1]}4", "so", f" {end[0]}")
    ordinary = {FREE + n: each for n, each in enumerate(cut)}
    own = {OPENS: f" {family.start}", ENDS: f"{end}\n\n"}
    return Kind(
        family=family.name,
        start=family.start,
        end=family.end,
        also_end=family.also_end,
        opening=f"{family.start}\\n",
        ordinary={**own, **ordinary},
        pool=tuple(ordinary),
    )


def marked_folder(kind: Kind, folder: Path) -> Path:
    """The model's folder."""
    for each in EMBEDDED_MODEL_PATH.iterdir():
        if each.suffix in (".json", ".safetensors"):
            shutil.copy(each, folder)
    tokenizer = json.loads((EMBEDDED_MODEL_PATH / "tokenizer.json").read_text())
    model = next(token for token in tokenizer["added_tokens"] if token["id"] == ENDS)
    kept = [token for token in tokenizer["added_tokens"] if token["id"] not in (OPENS, ENDS)]
    tokenizer["added_tokens"] = [
        *kept,
        *({**model, "id": number, "content": text} for number, text in kind.added.items()),
    ]
    vocabulary = tokenizer["model"]["vocab"]
    for text in [text for text, number in vocabulary.items() if number in (OPENS, ENDS)]:
        del vocabulary[text]
    vocabulary |= {text: number for number, text in kind.added.items()}
    letters = bytes_to_unicode()
    for number, text in kind.ordinary.items():
        written = "".join(letters[byte] for byte in text.encode())
        assert written not in vocabulary, text
        vocabulary[written] = number
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((EMBEDDED_MODEL_PATH / "tokenizer_config.json").read_text())
    settings["chat_template"] = settings["chat_template"].replace("<think>\\n", kind.opening)
    assert kind.opening in settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
