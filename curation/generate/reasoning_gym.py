"""Procedural problems of the reasoning-gym library, seeded; the task is the domain.

Left out are tasks that a seed does not reproduce, that store no answer, or whose answers cannot be compared.
Its verifiers are not used: answers are compared like any others.
"""

from collections.abc import Iterator

from curation.errors import CurationError
from curation.row import Dropped, Outcome, Row
from server.reasoning.gym import UNSOUND_COMPARISON, UNSOUND_PROBLEMS, why_not
from server.reasoning.records import Problem

SOURCE = "reasoning_gym"


def sound_tasks() -> list[str]:
    """The usable tasks, sorted."""
    from reasoning_gym.factory import DATASETS

    return sorted(set(DATASETS) - {*UNSOUND_PROBLEMS, *UNSOUND_COMPARISON})


def gym_rows(tasks: tuple[str, ...], count: int, seed: int) -> Iterator[Outcome]:
    """Yield `count` problems, spread evenly over the tasks; without tasks: over all sound ones.

    Raises:
        CurationError: A task is unknown or not usable.
    """
    from reasoning_gym import create_dataset

    names = tasks or tuple(sound_tasks())
    if wrong := [name for name in names if name not in set(sound_tasks())]:
        why = why_not(wrong[0], UNSOUND_PROBLEMS, UNSOUND_COMPARISON)
        raise CurationError(f"reasoning_gym:{wrong[0]}: {why or 'there is no such task'}")
    for place, name in enumerate(names):
        size = count // len(names) + (place < count % len(names))
        data = create_dataset(name, seed=seed, size=max(size, 1))
        for number in range(size):
            yield _row(name, number, seed, data[number])


def _row(name: str, number: int, seed: int, entry: dict[str, object]) -> Outcome:
    identity = f"{name}-{seed}-{number}"
    answer = entry["answer"]
    problem = Problem(
        f"{SOURCE}/{identity}",
        str(entry["question"]),
        "" if answer is None else str(answer),
        "" if answer is None else str(answer),
        name,
        SOURCE,
    )
    row = Row(problem, "procedural", f"reasoning_gym/{name}", "Apache-2.0", identity)
    return row if answer is not None else Dropped(row, "no_reference", "the task stores no answer")
