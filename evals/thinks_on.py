"""Whether thinking continues inside the answer, judged by its text; the report also judges its length.

After a hard close some models continue thinking in the answer, so that the budget saves nothing.
"""

import re

from server.reasoning.families import FAMILIES

_MARK = re.compile("|".join(re.escape(mark) for family in FAMILIES.values() for mark in family.marks))
# A paragraph that opens as thinking does. "Wait" is s1's nudge, the rest R1's own openings.
_HESITATION = re.compile(
    r"^\s*(?:wait|hmm+|alternatively|hold on|let me (?:re|double)|but wait|actually,)\b",
    re.IGNORECASE | re.MULTILINE,
)


def thinks_on(answer: str, nudge: str | None = None) -> bool:
    """Whether the answer contains a thinking mark, or a line that begins with a hesitation or the nudge."""
    if _MARK.search(answer) or _HESITATION.search(answer):
        return True
    return bool(nudge) and any(line.lstrip().startswith(str(nudge)) for line in answer.splitlines())
