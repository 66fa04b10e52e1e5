r"""The letter of a choice: "B", "(b)", "**B) foo**", `\text{Option B}`, "B because A is wrong"."""

import re

from server.reasoning.wrapping import unwrapped

_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s?\{([^{}]*)\}")
_NAMED = r"(?:(?:the\s)?(?:correct\s|right\s|best\s|final\s)?"
_NAMED += r"(?:option|choice|answer|letter)s?(?:\s(?:is|letter))?[\s:]{0,3})?"
_LETTER = re.compile(
    rf"[\s*$({{\[]{{0,8}}{_NAMED}[\s*$({{\[]{{0,8}}([A-Za-z])(?![A-Za-z0-9'])", re.IGNORECASE
)
_REASON = re.compile(
    r"[\s*)}\]$(,—–-]{0,6}(?:because|since|as|is\s(?:the\s)?(?:correct|right|best|answer))\b|[\s*)}\]$]{1,4}[-–—]\s[A-Za-z]{2}",
    re.IGNORECASE,
)
_ANOTHER = re.compile(r"[\s,;&/)}\]$*]{0,6}(?:and|or)?[\s({\[$*]{0,6}[A-Za-z](?![A-Za-z0-9'])")
_ONLY = re.compile(
    rf"[\s*$({{\[]{{0,8}}{_NAMED}[\s*$({{\[]{{0,8}}([A-Za-z])[\s.)}}\]*$:,]{{0,8}}$", re.IGNORECASE
)
_WITH_ITS_TEXT = re.compile(rf"(?:{_NAMED}\(([A-Z])\)|{_NAMED}([A-Z])[).:])\s+(?=\S)", re.IGNORECASE)
_MENTIONED = re.compile(
    r"\b(?:option|choice)\s[\s(*$]{0,4}([A-Z])(?![A-Za-z0-9'])|\(([A-Z])\)", re.IGNORECASE
)
LONGEST_CHOICE = 4000


def letter(text: str) -> str | None:
    """The choice that a text names; None for a word, a number, or two choices."""
    plain = _plain(text)
    match = _LETTER.match(plain)
    if match is None:
        return _mentioned(plain)
    rest = plain[match.end() :]
    if _REASON.match(rest) or not rest.strip(" .)]}*$:,"):
        return match.group(1).upper()
    return None if rest[0] not in ".):,*]" or _ANOTHER.match(rest) else match.group(1).upper()


def _plain(text: str) -> str:
    return unwrapped(_TEXT.sub(r"\1", text[:LONGEST_CHOICE]))


def _mentioned(plain: str) -> str | None:
    """The one choice that is spoken of as such: "5.2 eV (option C)"."""
    named = {(one or other).upper() for one, other in _MENTIONED.findall(plain)}
    return named.pop() if len(named) == 1 else None


def only_letter(text: str) -> str | None:
    """The choice, where the text is that and its own text at most; a formula such as "(a, b)" is none."""
    plain = _plain(text)
    match = _ONLY.match(plain) or _WITH_ITS_TEXT.match(plain)
    return next(group for group in match.groups() if group).upper() if match else None


def same_letter(gold: str, said: str) -> bool:
    """Both name a choice, and the same one."""
    wanted = letter(gold)
    return wanted is not None and wanted == letter(said)
