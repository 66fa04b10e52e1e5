#!/usr/bin/env bash
# Every method of test-time scaling on s1-nano: a server of its own, one sweep, one report. An unfinished one goes on.
# make methods OUT=folder ARGS="more flags of s1-eval sweep"
set -euo pipefail
out=$1
shift
port=${PORT:-8017}
mkdir -p "$(dirname "$out")"
python -m server --port "$port" >"$out.server.log" 2>&1 &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
until python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do
    kill -0 "$server" || { tail "$out.server.log"; exit 1; }
    sleep 1
done

methods=(
    "majority:4" "short_m:8:m=3" "rejection:accept_up_to=64:tries=4" "best_of_n:4:scorer=likelihood"
    "auto:every=16:patience=2" "auto:every=16:patience=3" "auto:every=8:probe=entropy" "auto:every=16:patience=2:num_waits=4"
    "rebase:width=4:step_tokens=32:scorer=likelihood" "beam:width=4:step_tokens=32:scorer=likelihood"
    "beyond_context:window=64:rounds=3:summary_tokens=32" "majority:total_tokens=256" "majority:8"
    "mcts:total_tokens=256:width=4:step_tokens=32:scorer=likelihood" "longest:4"
)
python -m evals sweep --base-url "http://127.0.0.1:$port/v1" --task nano --problems 1000 --out "$out" --majority 0 \
    --max-tokens 16,32,64,128 --grace 32:16,64:32,128:64 --waits 1,2,4 --no-wait none --alpha 64 --think-tokens 64 \
    --method "$(IFS=,; echo "${methods[*]}")" "$@"
python -m evals report "$out"
