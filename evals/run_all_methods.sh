#!/usr/bin/env bash
# Every method of test-time scaling on s1-nano: a server of its own and one for the trained scorer, one sweep, one
# report. An unfinished one goes on.
# make methods OUT=folder ARGS="more flags of s1-eval sweep"; SCORER=folder: another one than the embedded scorer
set -euo pipefail
out=$1
shift
port=${PORT:-8017}
scorer_port=$((port + 1))
mkdir -p "$(dirname "$out")"
python -m server --model "${SCORER:-s1-nano-scorer}" --runner pooling --enforce-eager --max-num-seqs 128 \
    --kv-cache-memory-bytes 1G --host 127.0.0.1 --port "$scorer_port" >"$out.scorer.log" 2>&1 &
scorer=$!
trained="{\"kind\": \"classify\", \"url\": \"http://127.0.0.1:$scorer_port\", \"end_mark\": \"</think>\", \"reads_thinking\": true}"
python -m server --port "$port" --scorers "{\"trained\": $trained}" >"$out.server.log" 2>&1 &
server=$!
trap 'kill "$server" "$scorer"; wait "$server" "$scorer" || true' EXIT
for each in "$port $server $out.server.log" "$scorer_port $scorer $out.scorer.log"; do
    read -r at process log <<<"$each"
    until python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$at/health')" 2>/dev/null; do
        kill -0 "$process" || { tail "$log"; exit 1; }
        sleep 1
    done
done

step='step=.\n:step_tokens=64:scorer=trained' # s1-nano ends a batch of candidates, and a decision, with such a line
methods=(
    "majority:4" "short_m:8:m=3" "rejection:accept_up_to=64:tries=4" "best_of_n:4:scorer=likelihood"
    "auto:every=16:patience=2" "auto:every=16:patience=3" "auto:every=8:probe=entropy" "auto:every=16:patience=2:num_waits=4"
    "rebase:width=4:step_tokens=32:scorer=likelihood" "beam:width=4:step_tokens=32:scorer=likelihood"
    "beyond_context:window=64:rounds=3:summary_tokens=32" "majority:total_tokens=256" "majority:8"
    "longest:4" "best_of_n:8:scorer=trained" "mcts:total_tokens=604:width=2:accept=0.9:$step"
    "deepconf:8:keep=50:window=16" "rebase:width=4:$step:weighted=true" "best_of_n:4:scorer=trained" "auto:probe=margin"
    "deepconf:8:keep=50:window=16:warmup=4:every=16" "beam:width=4:$step"
)
python -m evals sweep --base-url "http://127.0.0.1:$port/v1" --task nano --problems 1000 --out "$out" --majority 0 \
    --max-tokens 16,32,64,128 --grace 32:16,64:32,128:64 --waits 1,2,4 --no-wait none --alpha 64 --think-tokens 64 \
    --method "$(IFS=,; echo "${methods[*]}")" "$@"
python -m evals report "$out"
