"""kill -9 while a teacher is asked: the same command asks only for what was not answered yet."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from curation.ask.request import ModelAddress
from curation.ask.settings import AskSettings
from curation.traces.teacher import Teacher
from tests.curation.endpoint import Body, Said, chat, faked
from tests.curation.rows import a_row, kept

PROGRAM = """
import sys
from pathlib import Path
from curation.ask.settings import AskSettings
from curation.ask.request import ModelAddress
from curation.traces.teacher import Teacher
from tests.curation.rows import a_row
rows = [a_row(f"What is {at}?", id=str(at)) for at in range(40)]
list(Teacher(ModelAddress("m", sys.argv[1]), AskSettings(Path(sys.argv[2]), 2))(rows))
"""


def test_after_kill_9_only_unanswered_questions_are_asked(tmp_path: Path) -> None:
    answered: list[str] = []

    def slow(body: Body, _: int) -> Said:
        time.sleep(0.02)
        answered.append(body["messages"][0]["content"])
        return chat("So.", "Hm.")

    memory = tmp_path / "replies.sqlite"
    with faked(slow) as fake:
        child = subprocess.Popen([sys.executable, "-c", PROGRAM, fake.url, str(memory)], cwd=Path.cwd())
        while len(answered) < 12:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        time.sleep(0.1)
        before = set(answered)
        fake.asked.clear()
        rows = [a_row(f"What is {at}?", id=str(at)) for at in range(40)]
        outcomes = list(Teacher(ModelAddress("m", fake.url), AskSettings(memory, 2))(rows))
    assert len(kept(outcomes)) == 40
    again = before & set(fake.prompts())
    assert len(again) <= 2 + 2  # what was in flight, and what was answered but not yet written down
    assert len(fake.asked) <= 40 - len(before) + len(again)
