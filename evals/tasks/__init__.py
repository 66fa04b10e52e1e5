"""The tasks, one row each.

reasoning_gym:<name> stands for any usable generator of that library, jsonl for a user's own file.
"""

from pathlib import Path

from evals.tasks.aime24 import AIME24
from evals.tasks.aime25 import AIME25
from evals.tasks.amc23 import AMC23
from evals.tasks.gpqa_diamond import GPQA_DIAMOND
from evals.tasks.gsm8k import GSM8K
from evals.tasks.math500 import MATH500
from evals.tasks.nano import NANO
from evals.tasks.olympiadbench import OLYMPIADBENCH
from evals.tasks.own_file import OWN, OwnFile
from evals.tasks.reasoning_gym import PREFIX, reasoning_gym_task
from evals.tasks.task import Task, TaskError

__all__ = ["TASKS", "Task", "TaskError", "task_named"]

TASKS: dict[str, Task] = {
    "nano": NANO,
    "aime24": AIME24,
    "aime25": AIME25,
    "math500": MATH500,
    "gpqa_diamond": GPQA_DIAMOND,
    "gsm8k": GSM8K,
    "olympiadbench": OLYMPIADBENCH,
    "amc23": AMC23,
}


def task_named(name: str, data: Path | None = None, own: OwnFile | None = None) -> Task:
    """The task with this name; `data` and `own` make that of a user's own file.

    Raises:
        TaskError: There is none.
    """
    if name == OWN:
        return (own or OwnFile()).task(data)
    if own is not None and own != OwnFile():
        raise TaskError(f"--scorer, --name and --...-field are of --task {OWN}: {name} has its own")
    if name.startswith(PREFIX):
        return reasoning_gym_task(name.removeprefix(PREFIX))
    if name not in TASKS:
        raise TaskError(f"unknown task {name!r}; there are {', '.join(TASKS)}, {PREFIX}<name>, {OWN}")
    return TASKS[name]
