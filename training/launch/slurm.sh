#!/usr/bin/env bash
# The paper's run: 16 H100 on two machines that share a file system.
#   sbatch training/launch/slurm.sh --recipe s1-32b --data s1k/train.jsonl --out ckpt
# Requeued, it goes on from its last whole checkpoint.
#SBATCH --job-name=s1-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "${GPUS:-gpu}" \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "$head:${PORT:-29500}" \
    -m training sft "$@"
