"""Parses a Dockerfile into stages of instructions, as far as ours use the language."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: its keyword, its --flags, and the rest as written."""

    keyword: str
    flags: tuple[tuple[str, str], ...]
    text: str

    @property
    def words(self) -> list[str]:
        """The words of an instruction, in JSON or shell form."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass(slots=True)
class Stage:
    """`base` is an image or the name of a stage."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages in order; the last one is the image."""
    stages: list[Stage] = []
    for line in _lines(path.read_text()):
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(name, base))
            continue
        flags = []
        while found := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            flags.append((found[1], found[2]))
            rest = rest[found.end() :]
        stages[-1].instructions.append(Instruction(keyword, tuple(flags), rest.strip()))
    return stages


def _lines(text: str) -> list[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in kept.replace("\\\n", " ").splitlines() if line.strip()]
