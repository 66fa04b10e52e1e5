"""The families, one row each, and which of them a model is of."""

from collections.abc import Collection, Iterable

from server.reasoning.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        # s1 and s1.1 re-use the chat's turn mark: Qwen2.5's tokenizer and template don't show it.
        # simplescaling/s1, vllm_causllms.py: the newline and "Final Answer:" of a forced end.
        Family(
            name="s1",
            start="<|im_start|>think",
            end="<|im_start|>answer",
            cue="\nFinal Answer:",
            assistant=(),  # the marks begin with it
            tool_call=(),
            always_opens=True,
            line_break_before_end=True,
            step_mark="<|im_start|>{steps} steps left",
            is_detectable=False,
            answer_prefix="Answer: ",  # simplescaling/s1, data/tokenization.py
            model_prefixes=(
                *("simplescaling/s1-", "simplescaling/s1.1-"),
                *("simplescaling/token-conditional-control", "simplescaling/step-conditional-control"),
            ),
        ),
        # vllm/parser/seed_oss.py
        Family(
            name="seed",
            start="<seed:think>",
            end="</seed:think>",
            end_of_turn=("<seed:eos>",),
            tool_call=("<seed:tool_call>",),
        ),
        # Magistral
        Family(
            name="magistral",
            start="[THINK]",
            end="[/THINK]",
            end_of_turn=("</s>",),
            tool_call=("[TOOL_CALLS]",),
        ),
        # Kimi-VL-Thinking and Kimi-K1.5: ordinary text to most tokenizers
        Family(name="kimi", start="◁think▷", end="◁/think▷", is_plain_text=True),
        # Sky-T1: ordinary text to Qwen2.5's tokenizer, several tokens
        Family(name="sky-t1", start="<|begin_of_thought|>", end="<|end_of_thought|>", is_plain_text=True),
        # vllm/parser/gemma4.py: a tool's response, which the model waits for, ends its turn as well.
        Family(
            name="gemma4",
            start="<|channel>thought\n",
            end="<channel|>",
            end_of_turn=("<turn|>", "<|tool_response>"),
            tool_call=("<|tool_call>",),
            tells=("<|channel>", "<channel|>"),
        ),
        # Harmony's channels (openai/harmony, docs/format.md). vLLM reads the output of a gpt_oss model by its
        # own harmony parser whatever it is told, and its reasoning parser knows where a grammar begins.
        Family(
            name="gpt-oss",
            start="<|channel|>analysis<|message|>",
            end="<|end|>",
            transition="<|start|>assistant<|channel|>final<|message|>",
            reopens=True,
            vllm_parser="openai_gptoss",
            grammar_follows_end=True,  # its grammar writes the whole way to the answer
            cue="",
            assistant=("<|start|>",),
            end_of_turn=("<|return|>", "<|call|>"),
            tool_call=(),
            tells=("<|channel|>", "<|constrain|>"),
        ),
        # vllm/parser/inkling.py, vllm/renderers/inkling_encoding.py: typed messages, of which all end alike.
        Family(
            name="inkling",
            start="<|content_thinking|>",
            end="<|end_message|>",
            transition="<|message_model|><|content_text|>",
            reopens=True,
            vllm_parser="inkling",
            cue="",
            assistant=("<|message_model|>",),
            end_of_turn=("<|content_model_end_sampling|>",),
            tool_call=("<|content_invoke_tool_json|>",),
        ),
        # Muse Glimmer: vllm/reasoning/muse_glimmer_reasoning_parser.py and the chat template in TRL. Behind
        # "<|start|>assistant" a message says whom it is for, thinking itself.
        Family(
            name="muse",
            start=" to=self<|message|>",
            end="<|eom|>",
            transition="<|start|>assistant to=user<|message|>",
            reopens=True,
            vllm_parser="muse_glimmer",
            has_grammar=False,  # its is_reasoning_end: a tool's channel alone, never the user's
            cue="",
            assistant=("<|start|>",),
            end_of_turn=("<|eot|>",),
            tool_call=(),
            tells=("<|eom|>", "<|message|>"),
        ),
        # Kimi K3: vllm/reasoning/kimi_k3_reasoning_parser.py; the efforts are vllm/renderers/kimi_k3.py's.
        Family(
            name="kimi-k3",
            start="<|open|>think<|sep|>",
            end="<|close|>think<|sep|>",
            transition="<|open|>response<|sep|>",
            vllm_parser="kimi_k3",
            grammar_follows_end=True,
            cue="",
            assistant=(),  # '<|open|>message role="assistant"<|sep|>', behind a message that has ended
            end_of_turn=("<|end_of_msg|>",),
            tool_call=(),
            tells=("<|open|>", "<|close|>", "<|sep|>"),
            efforts=("low", "high", "max"),
        ),
        # K2 Horizon: vllm/reasoning/k2_horizon_reasoning_parser.py, which has other marks for low and medium.
        Family(
            name="k2-horizon",
            start="<ifm|think>",
            end="</ifm|think>",
            tool_call=("<ifm|tool_calls>",),
            efforts=("high",),
        ),
        # Command A Reasoning, A+, R7B. Marks of their own stand around the answer, and no cue before them.
        Family(
            name="cohere",
            start="<|START_THINKING|>",
            end="<|END_THINKING|>",
            cue="",
            end_of_turn=("<|END_OF_TURN_TOKEN|>",),
            tool_call=("<|START_ACTION|>",),
        ),
        Family(
            name="minimax-m3",
            start="<mm:think>",
            end="</mm:think>",
            may_be_spelled=True,  # vllm/reasoning/minimax_m3_reasoning_parser.py
            end_of_turn=("[e~[",),
            tool_call=("<minimax:tool_call>",),
        ),
        Family(
            name="longcat",
            start="<longcat_think>",
            end="</longcat_think>",
            end_of_turn=("</longcat_s>",),
            tool_call=("<longcat_tool_call>",),
        ),
        # Solar Open 2
        Family(
            name="solar",
            start="<|think:start|>",
            end="<|think:end|>",
            end_of_turn=("<|im:end|>",),
            tool_call=(),
        ),
        Family(
            name="exaone-deep",
            start="<thought>",
            end="</thought>",
            end_of_turn=("[|endofturn|]",),
            tool_call=(),
        ),
        # vllm/parser/plamo3.py
        Family(
            name="plamo3",
            start="<|plamo:begin_think:plamo|>",
            end="<|plamo:end_think:plamo|>",
            end_of_turn=("<|plamo:tag|>",),
            tool_call=("<|plamo:begin_tool_requests:plamo|>",),
        ),
        Family(
            name="apertus",
            start="<|inner_prefix|>",
            end="<|inner_suffix|>",
            end_of_turn=("<|assistant_end|>",),
            tool_call=("<|tools_prefix|>",),
        ),
        # Hy3 and later: vllm/reasoning/hy_v3_reasoning_parser.py, whose suffix the tokenizer's settings tell.
        Family(
            name="hy",
            start="<think:opensource>",
            end="</think:opensource>",
            assistant=("<｜hy_Assistant:opensource｜>",),
            end_of_turn=("<｜hy_eos:opensource｜>",),
            tool_call=("<tool_calls:opensource>",),
            suffix=":opensource",
        ),
        # Reka Flash 3
        Family(
            name="reka",
            start="<reasoning>",
            end="</reasoning>",
            end_of_turn=("<sep>",),
            tool_call=(),
        ),
        # Granite 3.2: vllm/reasoning/granite_reasoning_parser.py; quantised instances write "Here's".
        Family(
            name="granite",
            start="Here is my thought process:",
            end="Here is my response:",
            also_start=("Here's my thought process:",),
            also_end=("Here's my response:",),
            cue="",
            end_of_turn=("<|end_of_text|>",),
            tool_call=(),
            model_prefixes=("ibm-granite/granite-3.2-",),
            is_plain_text=True,
        ),
        # Apriel 1.5, 1.6 and Apriel Nemotron 15B Thinker, by their chat templates
        Family(
            name="apriel",
            start="Here are my reasoning steps:\n",
            end="[BEGIN FINAL RESPONSE]",
            cue="",
            end_of_turn=("<|end|>",),
            tool_call=("<tool_calls>",),
            is_plain_text=True,
        ),
        # DeepSeek-R1 and its distillations, Qwen3, QwQ, s1-nano, and most since
        Family(
            name="think",
            start="<think>",
            end="</think>",
            # DeepSeek's and Ling's are their tokenizers' ends of sequence as well, and "<sep>" is Reka's.
            end_of_turn=("<|im_end|>", "<｜end▁of▁sentence｜>", "<|role_end|>", "<sep>"),
            tool_call=(
                *("<tool_call>", "<tool_calls>", "<|tool_call_start|>", "<minimax:tool_call>"),
                *("<|tool_calls_section_begin|>", "<｜tool▁calls▁begin｜>"),
            ),
        ),
    )
}


def detect_family(
    model: str, chat_template: str | None, vocabulary: Collection[str]
) -> tuple[Family | None, str]:
    """The family of a model and how it was found, in words; (None, reason) if nothing identifies it.

    Only marks that are single tokens or occur in the template count: any tokenizer can encode a text like
    "<think>".
    """
    for family in FAMILIES.values():
        if model.lower().startswith(family.model_prefixes or ("\0",)):
            return family, f"the model's name {model!r}"
    families = [family.written_in(vocabulary) for family in FAMILIES.values() if family.is_detectable]
    for family in families:
        tells = family.tells or (family.start, family.end)
        if all(mark in vocabulary for mark in tells):
            return family, f"{' and '.join(tells)} in the tokenizer"
    for family in FAMILIES.values():
        if chat_template and _is_in(family.starts, chat_template) and _is_in(family.ends, chat_template):
            return family, f"{family.start.strip()} and {family.end} in the chat template"
    for family in families:
        if chat_template and _is_in(family.starts, chat_template.rpartition(_PROMPT)[2]):
            return family, f"{family.start.strip()} at the end of the chat template"
    searched = "the tokenizer" if chat_template is None else "the tokenizer or the chat template"
    return None, f"no known thinking marks in {searched}"


_PROMPT = "add_generation_prompt"
"""What follows the last mention of it in a template begins the assistant's turn."""


def _is_in(spellings: Iterable[str], template: str) -> bool:
    """Whether a template's source holds the mark; a line break at its end may be written in many ways."""
    return any(mark.strip() in template for mark in spellings)
