"""Progress is for eyes: it changes no row, and writes nothing into files and pipes."""

from functools import partial
from io import StringIO
from itertools import count

from curation.run.progress import line, watched


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_items_come_through_as_they_were() -> None:
    assert list(watched(range(5), "traces", 5, StringIO())) == [0, 1, 2, 3, 4]


def test_a_terminal_sees_how_far_a_slow_stage_is_and_a_file_sees_nothing() -> None:
    terminal, file = Terminal(), StringIO()
    for out in (terminal, file):
        list(watched(range(5), "traces", 5, out, partial(next, count(0.0, 3.0))))
    assert "traces  2 of 5" in terminal.getvalue()
    assert file.getvalue() == ""


def test_a_line_says_rows_speed_and_time_left() -> None:
    assert line("traces", 100, 700, 10.0) == "          traces  100 of 700, 10.0 rows/s, 1 min left"
