#!/usr/bin/env bash
# reasoning-gym 0.1.25: two of its verifiers give full reward to one constant, whatever is asked.
#
# Expected: the mean score of a constant answer is about the share of problems whose answer it is. Seen, of 200
# problems each: coin_flip (the probability of so many heads) gives at least 0.99 to "0" for most of them, and
# game_of_life_halting gives 1.0 to "True", to "False" and to a word that is neither. A model trained or measured on
# them learns, and shows, nothing. leg_counting, beside them, gives a constant next to nothing, as it should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q reasoning-gym==0.1.25
"$folder/venv/bin/python" - <<'PY'
import reasoning_gym


def full(task, constant):
    """Of 200 problems, how many give this answer 0.99 or more."""
    problems = reasoning_gym.create_dataset(task, size=200, seed=1)
    return sum(problems.score_answer(constant, entry) >= 0.99 for entry in problems)


seen = {
    (task, constant): full(task, constant)
    for task, constants in {
        "coin_flip": ("0",),
        "game_of_life_halting": ("True", "False", "perhaps"),
        "leg_counting": ("0", "4"),
    }.items()
    for constant in constants
}
for (task, constant), count in seen.items():
    print(f"{task}: {constant!r} has full reward on {count} of 200")
assert seen["coin_flip", "0"] > 150
assert all(seen["game_of_life_halting", each] == 200 for each in ("True", "False", "perhaps"))
assert seen["leg_counting", "0"] + seen["leg_counting", "4"] < 20
PY
