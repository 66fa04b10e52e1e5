"""A row survives its JSON line, whatever text it holds."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from curation.row import Row, RowFile, row_from, row_line
from tests.curation.rows import a_row

TEXT = st.text()  # Hypothesis draws no lone surrogates


@given(TEXT, TEXT, TEXT)
def test_a_row_comes_back_from_its_line_as_it_was(question: str, thinking: str, said: str) -> None:
    row = a_row(question, thinking=thinking, said=said)
    line = row_line(row)
    assert line.count(b"\n") == 1
    assert row_from(line) == row


def test_a_row_file_can_be_read_again_and_again(tmp_path: Path) -> None:
    rows: list[Row] = [a_row(id=f"math/{at}") for at in range(3)]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(map(row_line, rows)))
    file = RowFile(tmp_path / "rows.jsonl")
    assert list(file) == rows
    assert list(file) == rows
