"""Every real reference answer is read and judged right in every shape in which models write answers."""

import json
from pathlib import Path

import pytest

from evals.tasks.scorers import score_math
from server.reasoning.grading.pool import Verdict
from server.reasoning.grading.verify import judged
from server.reasoning.records import Problem

FIXTURE = Path(__file__).parent / "fixtures" / "golds.jsonl"
GOLDS = [json.loads(line)["gold"] for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
# @ is the answer as a formula is written: in dollar signs, unless it has some of its own. % is the bare one.
SHAPES = {
    "a box": r"So we get \boxed{%}.",
    "a box of dollars": r"\boxed{@}",
    "a box with a label": r"The answer is: \boxed{Answer: %}",
    "a label": "Final Answer: %",
    "the next line": "Final Answer:\n%",
    "lines of \\[": "Final Answer:\n\\[\n%\n\\]",
    "lines of $$": "\n\nFinal Answer:\n\n$$\n%\n$$\n",
    "lines of \\(": "Final Answer:\n\\(\n%\n\\)",
    "\\[ on one line": "Final Answer:\n\\[ % \\]",
    "\\[ after the label": "Final Answer: \\[\n%\n\\]",
    "\\( on one line": "Final Answer:\n\\( % \\)",
    "a fence": "Final Answer:\n```\n%\n```",
    "a fence with a language": "Final Answer:\n```latex\n%\n```",
    "a list item": "Final Answer:\n- @",
    "a numbered item": "Final Answer:\n1. @",
    "a bold line": "Final Answer:\n**@**",
    "a bold label": "**Final Answer:** @",
    "all bold": "**Final Answer: @**",
    "a bold label without a colon": "**Final Answer**\n\n\\[\n%\n\\]",
    "a heading": "## Final Answer\n\n@",
    "a heading with a colon": "### Answer:\n@\n",
    "a heading and a rule": "## Final Answer\n\n---\n\n@",
    "a numbered heading": "**5. Final Answer**\n\n@",
    "a section of TeX": "\\section*{Final Answer}\n@",
    "a bold label of TeX": "\\textbf{Final Answer:} @",
    "a bold label of HTML": "<b>Final Answer:</b> @",
    "a heading of HTML": "<h3>Final Answer</h3>\n@",
    "a quotation": "> **Answer:** @",
    "a sentence": "Final Answer: The minimum is @.",
    "a sentence on the next line": "Final Answer:\nThe value that we want is @.",
    "a sentence about the answer": "Final Answer: The final answer is @.",
    "a reason": "Final Answer: @, because the other cases fail.",
    "an aside": "Final Answer: The maximum is @, which is attained at $x = 77$.",
    "a verb": "Final answer: Thus, we get @.",
    "spoken": "Thus the answer is @.",
    "spoken, with a colon": "The final answer is: @. I hope it is correct.",
    "spoken, in lines of \\[": "The answer is\n\\[\n%.\n\\]",
    "spoken, in $$": "Therefore, the final answer is:\n\n$$%$$",
    "an equation": "Answer = @",
    "a dash": "Final Answer — @",
    "an abbreviation": "Ans: @",
    "a label within \\[": "\\[Answer: %\\]",
    "a label of text within \\[": "\\[\\text{Final Answer: } %\\]",
    "ticks": "Final Answer: `%`",
    "tags": "<answer> @ </answer>",
    "tags on lines": "<answer>\n%\n</answer>",
    "an object": '{"answer": "%"}',
    "a text after it": "**Final Answer:** @\n\nThis completes the solution.",
    "nothing but it": "%",
    "nothing but the formula": "@",
    "nothing but lines of \\[": "\\[\n%\n\\]",
    "nothing but ticks": "`%`",
}


class MathVerify:
    """math-verify in this process; the pool has tests of its own."""

    async def equal(self, gold: str, said: str) -> Verdict:
        return Verdict(*judged(gold, said))


def written(shape: str, gold: str) -> str:
    own = gold.removeprefix("$").removesuffix("$")
    if "$" in own.replace(r"\$", ""):  # "$69$,$84$" has its own signs
        return shape.replace("@", gold).replace("%", gold)
    return shape.replace("@", f"${own}$").replace("%", own)


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_gold_in_this_shape_is_right(shape: str) -> None:
    missed = []
    for gold in GOLDS:
        score = await score_math(Problem("p", "?", gold), written(SHAPES[shape], gold), MathVerify())
        if score.value != 1.0:
            missed.append((gold, score))
    assert not missed


def test_there_are_as_many_golds_and_shapes_as_the_table_says() -> None:
    table = (Path(__file__).parents[2] / "evals" / "GRADING.md").read_text(encoding="utf-8")
    assert f"{len(SHAPES)} shapes x {len(GOLDS)} golds" in table
