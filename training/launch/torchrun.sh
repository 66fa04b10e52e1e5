#!/usr/bin/env bash
# One machine, all its GPUs (or $GPUS processes):
#   training/launch/torchrun.sh --recipe qwen2.5-7b-s1k --data s1k/train.jsonl --out ckpt
# Killed, the same command goes on.
set -euo pipefail
exec torchrun --standalone --nproc-per-node "${GPUS:-gpu}" -m training sft "$@"
