#!/usr/bin/env bash
# math-verify 0.9.0 (with latex2sympy2_extended 1.11.0): different units, number bases and magnitudes are one answer.
#
# Expected: answers that differ in what stands beside the number are unequal, or cannot be compared. Seen: 5 km
# equals 5 m, 2516 in base 8 equals 2516 in base 7, and 10 equals 10 million, though \$5 against 5\% is told apart
# from 5 against 6 as it should be. A grader that trusts it scores these as correct, and a vote over samples counts
# them as one answer. The number alone is compared; what is dropped leaves no trace in the result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2
"$folder/venv/bin/python" - <<'PY'
from math_verify import parse, verify

PAIRS = {
    (r"$5 \text{ km}$", r"$5 \text{ m}$"): True,
    ("$2516_8$", "$2516_7$"): True,
    ("$10$", r"$10 \text{ million}$"): True,
    ("$2516$", "$2517$"): False,
    ("$5$", "$6$"): False,
}
seen = {pair: verify(parse(pair[0]), parse(pair[1])) for pair in PAIRS}
for pair, equal in seen.items():
    print(*pair, "equal" if equal else "unequal", [parse(one) for one in pair])
assert seen == PAIRS
PY
