#!/usr/bin/env bash
# Whether the kit and the files that travel with it (tracked, and untracked but not ignored) are below so many bytes.
#   docker/gpu-kit/check_size.sh [BYTES]
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=${1:-$((62 * 1024 * 1024))}
size() { xargs -0 -r stat -c %s -- | awk '{n += $1} END {print n + 0}'; }
tree=$(git ls-files -z --cached --others --exclude-standard | size)
kit=$(find .gpukit -type f -print0 | size)
echo "tracked files $((tree >> 10)) KiB + kit $((kit >> 10)) KiB = $(((tree + kit) >> 10)) KiB of $((limit >> 10)) KiB"
[ $((tree + kit)) -lt "$limit" ] || { echo "too large by $(((tree + kit - limit) >> 10)) KiB" >&2; exit 1; }
