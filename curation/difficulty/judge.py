"""A model as judge: given question, attempt and reference, it ends with Yes or No.

The task is that of the paper's grading prompt (s1, data/grading.txt), in our own words.
"""

from dataclasses import dataclass

from curation.ask.endpoint import CachedEndpoint
from curation.ask.request import Request
from server.reasoning.records import Problem

SYSTEM = """\
You mark answers to questions from mathematics and the sciences.
You are given a question, what a student wrote, and the reference solution.

Decide whether the student is right by holding the answer against the reference.
Where the reference ends in a number or a choice, only that result counts.
Where it is a proof or a derivation, the student's reasoning must be sound and reach the same conclusion.

First say in a few sentences how you decide.
Then write one last line that holds a single word: Yes if the student is right, No if not."""

# An unclear verdict is asked for again as another sample; at temperature 0 it would be the same.
TRIES = 3
VERDICTS = {"Yes": True, "No": False}


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """The judge at one endpoint."""

    endpoint: CachedEndpoint

    async def right(self, problem: Problem, attempt: str) -> tuple[bool | None, str]:
        """(verdict, how); the verdict is None after TRIES replies that end in neither word.

        Raises:
            UnansweredError: As `CachedEndpoint.ask`.
        """
        last = ""
        for sample in range(TRIES):
            reply = await self.endpoint.ask(self._request(problem, attempt, sample))
            last = last_line(reply.answer)
            if last in VERDICTS:
                return VERDICTS[last], f"judge {self.endpoint.place.model}"
        return None, f"the judge ends with {last[:80]!r}, neither Yes nor No"

    def _request(self, problem: Problem, attempt: str, sample: int) -> Request:
        reference = problem.solution or problem.answer
        prompt = f"# Question\n{problem.question}\n\n# Student\n{attempt}\n\n# Reference\n{reference}"
        return Request(
            model=self.endpoint.place.model,
            prompt=prompt,
            system=SYSTEM,
            temperature=0.0 if sample == 0 else 1.0,
            seed=sample,
            sample=sample,
        )


def last_line(text: str) -> str:
    """The last line of a text."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
