"""One row of the batch: a controller kept in step with the output list that the engine shares with us."""

from collections.abc import Sequence
from copy import copy

from server.budget.budget import NEVER
from server.budget.plan import Plan
from server.budget.running.action import NONE, Action
from server.budget.running.controller import Controller
from server.budget.running.report import ForcedRecord

ON_ITS_WAY = -1
"""Stands in an output list for a token that was sampled and not yet copied back (async scheduling)."""


class BatchRow:
    """Drives one controller from `output`, the request's live list of output tokens.

    The list is the truth: a token that was sampled and then discarded (a chunk of a prefill, a step
    taken back) never appears in it, and the controller is only told what appears.
    """

    __slots__ = (
        *("_heard", "_length_left", "_sampled_end", "_sampled_end_at"),
        *("action", "begins_mark", "controller", "output", "wake"),
    )

    def __init__(self, plan: Plan, output: list[int], requested_at: int = NEVER) -> None:
        self.output = output
        self.controller = Controller(plan, requested_at)
        self.action: Action = self.controller.next_action()
        self.wake = 0
        """The length of `output` from which the action must be asked for anew."""
        self.begins_mark = plan.text.beginning if plan.text is not None else frozenset()
        """Tokens that begin a mark of ordinary text: after one of them it must be, too."""
        self._heard = 0
        """How many tokens of `output` have been looked at for these."""
        self._sampled_end = NONE
        self._sampled_end_at = NONE
        self._length_left = 0

    @property
    def _length(self) -> int:
        """Of the output as the engine has it, tokens on their way included."""
        return max(len(self.output), self._length_left)

    def _arrived(self) -> int:
        """How many tokens of the output are not still on their way."""
        arrived = len(self.output)
        while arrived and self.output[arrived - 1] == ON_ITS_WAY:
            arrived -= 1
        return arrived

    def listen(self) -> None:
        """Tokens may have come: whether one of them begins a mark."""
        arrived = self._arrived()
        if not self.begins_mark.isdisjoint(self.output[self._heard : arrived]):
            self.wake = 0
        self._heard = arrived

    def end_sampled(self, token: int, at: int) -> None:
        """A watched token was sampled for output position `at`, or an end LANDED there.

        Whether it stays is seen when the list grows.
        """
        self._sampled_end, self._sampled_end_at = token, at
        self.wake = 0

    def end_thinking(self) -> int:
        """Thinking closes from the next token on that is sampled. Returns that token's position."""
        controller = self.controller
        controller.requested_at = min(controller.requested_at, self._length)
        self.wake = 0
        return controller.requested_at

    def catch_up(self) -> None:
        """Tell the controller what came, and ask it for the next action."""
        arrived = self._arrived()
        while self.controller.position < arrived:
            self._step(arrived)
        if not self.controller.position <= self._sampled_end_at < self._length:
            self._sampled_end = self._sampled_end_at = NONE  # taken in, or never came to stay
        self.action = self.controller.next_action()
        self.wake = self.controller.steady_until()

    def actions_along(self, draft: Sequence[int]) -> list[Action] | None:
        """The actions at the positions behind 0, 1, ... tokens of a draft; None where all are `action`.

        There are as many as can be reached: there is no position behind a draft's token that would be
        replaced, or ends thinking or the message, or is none, nor behind the request's room.
        """
        if len(self.output) + len(draft) < self.wake and self.begins_mark.isdisjoint(draft):
            return None
        self.catch_up()
        twin, actions = self.controller.fork(), [self.action]
        plan = twin.plan
        for token in draft[: max(0, plan.room - len(self.output) - 1)]:
            action = actions[-1]
            stays = action.force == NONE or token in (action.force, action.spare)
            ends = token in action.watched or token in action.completing or token in plan.end_of_turn
            if token < 0 or not stays or ends:
                break
            twin.observe(token)
            actions.append(twin.next_action())
        return actions

    def script(self, most: int) -> list[int]:
        """The token ids that come next whatever is sampled, at most so many; caught up with what came."""
        twin, action, script = self.controller.fork(), self.action, list[int]()
        while action.force != NONE and action.spare == NONE and len(script) < most:
            script.append(action.force)
            twin.observe(action.force)
            action = twin.next_action()
        return script

    def script_behind(self, draft: Sequence[int], most: int) -> list[int]:
        """The same behind a step that forces from its first position on, and whose tokens have not come yet.

        `draft`: what the step verifies. It brings the script as far as the draft agrees with it, and a token.
        """
        script = self.script(len(draft) + 1 + most)
        pairs = enumerate(zip(script, draft, strict=False))
        agreed = next((at for at, (ours, theirs) in pairs if ours != theirs), len(draft))
        return script[agreed + 1 :][:most]

    def leave(self) -> None:
        """The request is out of the batch, for good or until it rejoins: let go of its list."""
        self.catch_up()
        self._length_left = len(self.output)
        self.output = []

    def rejoin(self, output: list[int]) -> None:
        """The request is back in the batch (it was preempted)."""
        self.output, self._length_left, self._heard = output, 0, 0
        if len(output) < self.controller.position:
            was = self.controller
            self.controller = Controller.replay(was.plan, output, was.sampled_ends, was.requested_at)
        self.wake = 0

    def peek_record(self) -> ForcedRecord:
        """What was forced so far, tokens on their way included; the row stays as it was."""
        twin = copy(self)
        twin.controller = self.controller.fork()
        return twin.close_record()

    def close_record(self) -> ForcedRecord:
        """What was forced, the request being over: tokens still on their way came, too."""
        self.catch_up()
        controller = self.controller
        while controller.position < self._length:
            controller.next_action()
            here = controller.position == self._sampled_end_at
            controller.observe(ON_ITS_WAY, self._sampled_end if here else NONE)
        return ForcedRecord(dict(controller.forced), tuple(controller.waits_at), controller.end)

    def _step(self, arrived: int) -> None:
        controller, output = self.controller, self.output
        controller.next_action()
        at = controller.position
        if at == self._sampled_end_at:
            controller.observe(output[at], self._sampled_end)
            return
        until = min(arrived, controller.steady_until())
        if at < self._sampled_end_at < until:
            until = self._sampled_end_at
        if self.begins_mark and not self.begins_mark.isdisjoint(output[at:until]):
            until = next(place for place in range(at, until) if output[place] in self.begins_mark)
        if until - at > 1:
            controller.observe_plain(output[at:until])
        else:
            controller.observe(output[at])
