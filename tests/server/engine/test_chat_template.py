"""Whether a model opens thinking by itself is read off its chat template."""

import pytest
from transformers import PreTrainedTokenizerBase

from server.budget.plan import Habit
from server.engine.chat_template import WithVariables, efforts_of, habit_of, variables_of
from server.reasoning.families import FAMILIES
from tests.server.reasoning.chat_templates import sources

GEMMA = FAMILIES["gemma4"]
THINK = FAMILIES["think"]


@pytest.mark.parametrize(
    ("template", "family", "habit"),
    [
        ("Qwen-Qwen3-4B-Instruct-2507", "think", Habit.NEVER),
        ("Qwen-Qwen3-Coder-30B-A3B-Instruct", "think", Habit.NEVER),
        ("Qwen-Qwen3-0.6B", "think", Habit.ALWAYS),
        ("Qwen-Qwen3.5-0.8B", "think", Habit.WHEN_TOLD),
        ("tencent-DeepSeek-V3.1-Terminus-W4AFP8", "think", Habit.WHEN_TOLD),
        ("google-gemma-4-31B-it", "gemma4", Habit.WHEN_TOLD),
        ("inclusionAI-Ling-2.6-flash", "think", Habit.WHEN_TOLD),
        ("moonshotai-Kimi-K2-Thinking", "think", Habit.ALWAYS),
    ],
)
def test_habit_of_a_real_template(template: str, family: str, habit: Habit) -> None:
    assert habit_of(FAMILIES[family], PreTrainedTokenizerBase(), sources()[template]) is habit


def test_what_the_operator_tells_every_template_counts() -> None:
    thinks = WithVariables(PreTrainedTokenizerBase(), {"thinking": True})
    source = sources()["tencent-DeepSeek-V3.1-Terminus-W4AFP8"]
    assert habit_of(THINK, thinks, source) is Habit.ALWAYS
    keeps = WithVariables(PreTrainedTokenizerBase(), {"preserve_thinking": True})
    assert variables_of(keeps, sources()["Qwen-Qwen3.6-35B-A3B"]).shows_earlier is True


def test_without_a_template_thinking_is_for_those_who_ask() -> None:
    assert habit_of(THINK, PreTrainedTokenizerBase()) is Habit.WHEN_TOLD


def test_a_template_that_cannot_render_a_lone_question_is_one_too() -> None:
    refusing = "{{ raise_exception('no') }}<think></think>"
    assert habit_of(THINK, PreTrainedTokenizerBase(), refusing) is Habit.WHEN_TOLD


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Qwen-Qwen3-0.6B", None),
        ("openai-gpt-oss-120b", {"low", "medium", "high"}),
        ("tencent-Hy3", {"low", "high"}),
        ("zai-org-GLM-5.2", {"high"}),
    ],
)
def test_effort_words_are_those_that_the_template_tells_apart(template: str, words: set[str] | None) -> None:
    assert efforts_of(PreTrainedTokenizerBase(), sources()[template]) == words


@pytest.mark.parametrize(
    ("template", "shown", "by"),
    [
        ("Qwen-Qwen3-0.6B", False, None),
        ("Qwen-Qwen3.6-35B-A3B", False, ("preserve_thinking", True)),
        ("GLM-4.7-Flash", False, ("clear_thinking", False)),
        ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", False, ("truncate_history_thinking", False)),
        ("ByteDance-Seed-OSS", True, None),
    ],
)
def test_earlier_thinking_is_shown_as_the_template_shows_it(
    template: str, shown: bool, by: tuple[str, bool] | None
) -> None:
    found = variables_of(PreTrainedTokenizerBase(), sources()[template])
    assert (found.shows_earlier, found.shows_earlier_by) == (shown, by)


def test_what_a_template_that_cannot_render_shows_is_not_known() -> None:
    found = variables_of(PreTrainedTokenizerBase(), "{{ raise_exception('no') }}")
    assert (found.shows_earlier, found.shows_earlier_by) == (None, None)


@pytest.mark.parametrize(
    ("template", "modes", "reads_budget"),
    [
        ("Qwen-Qwen3-0.6B", {}, False),
        ("MiniMaxAI-MiniMax-M3-MXFP8", {True: "enabled", False: "disabled"}, False),
        ("baichuan-inc-Baichuan-M2-32B", {True: "on", False: "off"}, False),
        ("crusoeai-DeepSeek-V4-Flash", {True: "thinking", False: "chat"}, False),
        ("deepseek-ai-DeepSeek-V3.2", {}, False),  # only its text speaks of a mode
        ("ByteDance-Seed-OSS", {}, True),
        ("meituan-longcat-LongCat-2.0", {}, True),
    ],
)
def test_variables_are_those_that_the_template_reads(
    template: str, modes: dict[bool, str], reads_budget: bool
) -> None:
    found = variables_of(PreTrainedTokenizerBase(), sources()[template])
    assert (found.modes, found.reads_budget) == (modes, reads_budget)


@pytest.mark.parametrize(
    ("template", "family", "effort"),
    [
        ("tencent-Hy3", "hy", "high"),
        ("Qwen-Qwen3-0.6B", "think", None),
        ("zai-org-GLM-5.2", "think", None),
        ("openai-gpt-oss-120b", "gpt-oss", None),
    ],
)
def test_effort_that_switches_thinking_on_is_found_where_nothing_else_does(
    template: str, family: str, effort: str | None
) -> None:
    found = variables_of(PreTrainedTokenizerBase(), sources()[template], FAMILIES[family])
    assert found.on_effort == effort


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("NVIDIA-Nemotron-Nano-v2", {False: "/no_think"}),
        ("nvidia-Llama-3_3-Nemotron-Super-49B-v1_5", {False: "/no_think"}),
        ("inclusionAI-Ling-2.6-flash", {True: "detailed thinking on"}),
        ("DarkArtsForge-Zepar-24B-v1", {True: "/think"}),
        ("HuggingFaceTB-SmolLM3-3B", {}),  # it reads words, and enable_thinking as well
        ("GLM-4.6", {}),  # it writes "/nothink" itself
        ("Qwen-Qwen3-0.6B", {}),  # the model may know the word, its template does not
        ("nvidia-Llama-3.1-Nemotron-Nano-8B-v1", {}),
    ],
)
def test_words_in_the_system_prompt_are_those_that_the_template_acts_upon(
    template: str, words: dict[bool, str]
) -> None:
    assert variables_of(PreTrainedTokenizerBase(), sources()[template]).words == words
