"""With real models' tokenizers: template, mask and server agree to the token on what is said.

The server's side is its own code: the marks' ids, where thinking stands in a prompt, the plan's forced ids.
"""

from collections.abc import Callable, Sequence

import pytest
from transformers import PreTrainedTokenizerFast

from server.budget.budget import ThinkingBudget
from server.budget.plan import FamilyTokens, Opening, Plan
from server.budget.planning.make_plan import PlanContext, make_plan
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES, detect_family
from server.reasoning.records import Problem, Trace, TrainingExample
from tests.training import real_tokenizers
from training.lesson import IGNORE, Lesson, Writer
from training.recipes import RECIPES
from training.sft import marked

QUESTION = "What is the remainder of 7^100 divided by 13?"
THINKING = "Let me see.\n\n7^2 = 49 ≡ 10 (mod 13).\nWait, that is right:\t49 − 39 = 10."
SAMPLE = TrainingExample(Problem("p", QUESTION, "9"), Trace("p", THINKING, "9"), "t.jsonl:1")

Make = Callable[[], PreTrainedTokenizerFast]
CASES: dict[str, tuple[Make, str, Opening]] = {
    "qwen2.5 learns s1": (real_tokenizers.qwen25, "s1", Opening.FORCE),
    "qwen2.5 learns sky-t1": (real_tokenizers.qwen25, "sky-t1", Opening.AWAIT),
    "qwen2.5 learns kimi": (real_tokenizers.qwen25, "kimi", Opening.AWAIT),
    "qwen3": (real_tokenizers.qwen3, "think", Opening.AWAIT),
    "deepseek": (real_tokenizers.deepseek, "think", Opening.OPEN),
    "magistral": (real_tokenizers.magistral, "magistral", Opening.AWAIT),
}


class Case:
    """One model's tokenizer, a lesson in it, and the server's view of both."""

    def __init__(self, make: Make, family: str, opening: Opening) -> None:
        self.tokenizer, self.opening = make(), opening
        self.writer = Writer(self.tokenizer, FAMILIES[family], "real")
        self.lesson: Lesson = self.writer.write(SAMPLE)
        eos = self.tokenizer.eos_token_id
        self.marks: FamilyTokens = family_tokens(FAMILIES[family], self.tokenizer, [eos])
        chat = [{"role": "user", "content": QUESTION}]
        # As vLLM renders a chat: the text of the template, tokenised without further special tokens.
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        self.prompt: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        self.said = [label for label in self.lesson.labels if label != IGNORE]

    def plan(self) -> Plan:
        """The server's, for a request whose thinking is cut."""
        occasion = PlanContext(self.prompt, 8192)
        asked, encode = ThinkingBudget(max_tokens=64), Encoder(self.tokenizer)
        return make_plan(asked, self.marks, encode, occasion, vocabulary_of(self.tokenizer))


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


def places(ids: Sequence[int], mark: Sequence[int]) -> list[int]:
    return [at for at in range(len(ids)) if tuple(ids[at : at + len(mark)]) == tuple(mark)]


def test_the_prompt_under_no_loss_is_the_one_the_server_sends(case: Case) -> None:
    assert [*case.lesson.ids] == case.prompt + case.said
    assert case.plan().opening is case.opening


def test_thinking_opens_with_what_the_server_forces_or_finds(case: Case) -> None:
    opened_at = places(case.said, case.marks.start)
    assert opened_at == ([] if case.opening is Opening.OPEN else [0])


def test_thinking_ends_once_and_with_the_ids_that_the_server_forces(case: Case) -> None:
    plan = case.plan()
    (at,) = places(case.said, plan.end)
    behind = case.said[at + len(plan.end) :]
    if case.writer.family.name == "s1":  # the paper trains on "Answer:" and forces "Final Answer:"
        assert case.tokenizer.decode(behind).startswith("\nAnswer: 9")
        assert behind[0] == plan.cue[0]
    else:
        assert tuple(behind[: len(plan.cue)]) == plan.cue
    if plan.line_breaks:
        assert case.said[at - 1] in plan.line_breaks


def test_the_loss_reads_as_it_was_written(case: Case) -> None:
    family = case.writer.family
    start = "" if case.opening is Opening.OPEN else family.start + "\n"
    text = case.tokenizer.decode(case.said)
    assert text.startswith(f"{start}{THINKING}\n{family.end}\n")
    assert case.said[-len(case.writer.turn_end) :] == case.writer.turn_end
    assert case.writer.turn_end[0] == case.tokenizer.eos_token_id


def test_a_nudge_that_the_server_puts_in_is_the_tokens_that_training_saw(case: Case) -> None:
    (nudge,) = case.plan().nudges
    assert places(case.said, nudge), "the thinking has a line that begins with Wait"


def test_qwen3s_own_template_writes_the_same_conversation() -> None:
    case = Case(*CASES["qwen3"])
    answer = {"role": "assistant", "content": "Final Answer: 9", "reasoning_content": THINKING}
    chat = [{"role": "user", "content": QUESTION}, answer]
    text = case.tokenizer.apply_chat_template(chat, tokenize=False)
    assert case.tokenizer.encode(text, add_special_tokens=False) == [*case.lesson.ids]


def test_the_papers_text_in_one_piece_is_the_same_tokens() -> None:
    """simplescaling/s1, data/tokenization.py: one string through the template, one call of the tokenizer."""
    case = Case(*CASES["qwen2.5 learns s1"])
    said = f"<|im_start|>think\n{THINKING}\n<|im_start|>answer\nAnswer: 9"
    chat = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": said}]
    text = case.tokenizer.apply_chat_template(chat, tokenize=False)
    assert case.tokenizer.encode(text, add_special_tokens=False) == [*case.lesson.ids]


def test_where_marks_are_ordinary_text_one_piece_would_hide_the_end_from_the_server() -> None:
    case = Case(*CASES["qwen2.5 learns sky-t1"])
    in_one_piece = case.tokenizer.encode(case.tokenizer.decode(case.said), add_special_tokens=False)
    assert not places(in_one_piece, case.marks.end) and places(case.said, case.marks.end)


def test_the_published_template_tells_the_server_the_family_and_renders_as_before() -> None:
    tokenizer = real_tokenizers.qwen25()
    told = marked(tokenizer, RECIPES["s1-32b"])
    assert detect_family("./ckpt", told, tokenizer.get_vocab())[0] is FAMILIES["s1"]
    chat = [{"role": "user", "content": QUESTION}]
    before, after = (
        tokenizer.apply_chat_template(chat, chat_template=t, tokenize=False, add_generation_prompt=True)
        for t in (tokenizer.chat_template, told)
    )
    assert before == after
