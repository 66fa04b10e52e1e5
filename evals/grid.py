"""The cells of a sweep: every task, model, arm and repeat that the settings ask for, each once, in order."""

from collections.abc import Iterator, Sequence

from evals.cell import Cell, Sampling
from evals.methods import Arm, arms_of
from evals.settings import SweepSettings
from evals.tasks.task import Task


def cells_of(settings: SweepSettings, tasks: Sequence[Task], models: Sequence[str]) -> list[Cell]:
    """The cells; of a task or model that is named twice, each once.

    Raises:
        ArmError: A method's setting cannot be parsed.
    """
    cells = (
        Cell(task, model, arm, _sampling(settings, arm), repeat, settings.suffix)
        for task in tasks
        for model in models
        for arm in _arms(settings, task)
        for repeat in _repeats(settings, arm)
    )
    return list({cell.name: cell for cell in cells}.values())


def _arms(settings: SweepSettings, task: Task) -> tuple[Arm, ...]:
    """The arms of a task; its default number of samples for voting applies unless another was given."""
    wanted = dict(settings.wanted)
    wanted.setdefault("sample", str(task.samples))
    return arms_of(wanted)


def _repeats(settings: SweepSettings, arm: Arm) -> Iterator[int]:
    return iter(range(arm.samples if arm.samples > 1 else settings.repeats))


def _sampling(settings: SweepSettings, arm: Arm) -> Sampling:
    temperature = settings.sample_temperature if arm.sampled else settings.temperature
    return Sampling(temperature, settings.top_p, settings.seed, settings.max_completion_tokens)
