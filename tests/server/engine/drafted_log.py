"""What steps that verified drafts gave the rows, for tests that must know where a budget acted."""

from dataclasses import dataclass
from typing import Any

import torch

from server.engine.worker.drafted_step import REJECTED
from server.engine.worker.enforcer import Enforcer
from server.engine.worker.extension import BudgetWorkerExtension

EXTENSION = "tests.server.engine.drafted_log.LoggingWorkerExtension"
WireStep = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """Of one row: the output before it, and in tokens its draft, what was sampled, and what came of that."""

    at: int
    drafted: int
    sampled: int
    came: int

    def acts_within(self, position: int) -> bool:
        """Whether a token put in at this output position stands behind a draft's token, or cuts one off."""
        if not (self.drafted and self.at <= position < self.at + self.came):
            return False
        return position > self.at or self.came < self.sampled


class LoggingWorkerExtension(BudgetWorkerExtension):
    """The product's, with a log beside it."""

    _log: dict[str, list[WireStep]]

    def s1_install(self, text: dict[str, Any] | None, blanks: list[int]) -> str:
        said = super().s1_install(text, blanks)
        registry = self._s1_rows
        assert registry is not None
        settles = registry._settle.__self__  # type: ignore[attr-defined]
        enforcer: Enforcer = getattr(settles, "enforcer", settles)
        commit, self._log = enforcer.commit_drafted, {}

        def commit_and_log(sampled: torch.Tensor) -> None:
            if (step := enforcer.drafted) is None:
                return
            names = {id(row): name for name, row in registry._rows.items()}
            before = (sampled != REJECTED).sum(dim=1).tolist()
            commit(sampled)
            after = (sampled != REJECTED).sum(dim=1).tolist()
            for index, row in enforcer._rows.items():
                drafted = int(step.behind[index]) - index * sampled.shape[1]
                found = (len(row.output), drafted, before[index], after[index])
                self._log.setdefault(names[id(row)], []).append(found)

        enforcer.commit_drafted = commit_and_log  # type: ignore[method-assign]
        return said

    def s1_drafted_steps(self) -> dict[str, list[WireStep]]:
        """By row id."""
        return self._log
