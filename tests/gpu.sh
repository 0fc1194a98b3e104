#!/usr/bin/env bash
# Everything that requires an NVIDIA GPU: tests of the CUDA backend, compute-sanitizer on them, golden outputs, and the
# tables of docs/cuda.md. Prints one line per step, and a summary at the end.
#
#   gpu.sh [STEP...] [--build DIR] [--output DIR]
#   gpu.sh --pack DIR [--build DIR]
#
# STEPs: tests, sanitizer, golden, units, bench, pytorch; default: all, in this order. --build is a build with
# -Dcuda=enabled and its tests (default: build), --output a folder for the output of each step (output/gpu).
#
# --pack copies what of a build the steps need into a folder, with the libraries that it needs and golden outputs: on a
# machine with a GPU but without GLib or Meson, a checkout and --build with that folder are enough.
# Needs: a GPU and its driver; compute-sanitizer, numpy (golden, bench), PyTorch and torchvision (pytorch): what lacks
# any of them is skipped, and the line says so.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build output=$root/output/gpu pack='' steps=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    --build) build=$(realpath "$2") && shift ;;
    --output) output=$2 && shift ;;
    --pack) pack=$2 && shift ;;
    tests | sanitizer | golden | units | bench | pytorch) steps+=("$1") ;;
    *) echo "gpu.sh: '$1' is no step: see gpu.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[ ${#steps[@]} -gt 0 ] || steps=(tests sanitizer golden units bench pytorch)

dicenet=$build/dicenet-core/tools/dicenet
kernels=(test-gpu-units test-gpu-planes test-gpu-pixels)
goldens=(included classify/0.2_random detect/ssd300_0.5_voc_pyramid segment/1.0_pascal_256x256/sample13_333x257
  segment/1.75_pascal_384x384/sample4_384x384)

# --- packing ---

pack_build() {
  local shared=${DICENET_SHARED:-$root/../shared} programs=("$dicenet") golden name
  for name in "${kernels[@]}" test-cuda-contexts; do programs+=("$build/tests/cuda/$name"); done
  for name in "${programs[@]}" "$build"/cuda/libdicenet-cuda.so "$build"/dicenet-core/libdicenet.so.0 "$build"/tests/core/core-*.safetensors; do
    mkdir -p "$pack/$(dirname "${name#"$build"/}")"
    cp -L "$name" "$pack/${name#"$build"/}"
  done
  # The C library must be the other machine's own.
  mkdir -p "$pack/lib"
  ldd "${programs[@]}" | awk '$2 == "=>" && $3 ~ /^\// && $1 !~ /^lib(c|m|dl|rt|pthread|dicenet)\.so/ { print $3 }' | sort -u |
    xargs cp -L -t "$pack/lib"
  if [ -d "$shared/golden" ]; then
    for golden in "${goldens[@]:1}"; do # the included ones are in the checkout
      mkdir -p "$pack/shared/golden/$(dirname "$golden")"
      cp "$shared/golden/$golden.safetensors" "$pack/shared/golden/$golden.safetensors"
    done
    mkdir -p "$pack/shared/models"
    cp "$shared"/models/random/{dicenet_0.2,ssd300}_*.pth "$shared"/models/edgenets/dicenet_s_{1.0_pascal_256x256,1.75_pascal_384x384}.pth \
      "$pack/shared/models"
  fi
  du -sh "$pack"
}

if [ -n "$pack" ]; then
  pack_build
  exit 0
fi

# --- running ---

[ ! -d "$build/lib" ] || export LD_LIBRARY_PATH="$build/lib:$build/dicenet-core${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
[ ! -d "$build/shared" ] || export DICENET_SHARED="$build/shared"
export DICENET_CUDA_MODULE=${DICENET_CUDA_MODULE:-$build/cuda/libdicenet-cuda.so}
export DICENET_TEST_MODELS=$build/tests/core DICENET_TEST_BACKEND=cuda PYTHONDONTWRITEBYTECODE=1
mkdir -p "$output"
lines=() failed=0

# Runs a command with a time limit; adds its last line, or how it failed, to the summary.
check() {
  local name=$1 limit=$2 status=0 begin=$SECONDS last
  shift 2
  timeout "$limit" "$@" >"$output/$name.txt" 2>&1 || status=$?
  last=$(grep -v '^ *$' "$output/$name.txt" | tail -n 1 | cut -c1-150 || true)
  case $status in
    0) status=ok ;;
    77) status=skipped ;;
    124) status="no end" failed=1 ;;
    *) status="FAILED $status" failed=1 ;;
  esac
  tell "$name" "$status" "$((SECONDS - begin)) s" "$last"
}

tell() {
  lines+=("$(printf '%-42s %-10s %6s  %s' "$@")")
  echo "${lines[-1]}"
}

# Finds a Python in which these statements succeed.
python_with() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c "$1" 2>/dev/null; then echo "$candidate" && return; fi
  done
  return 1
}

golden() {
  check "golden-${1//\//-}${2:+-$2}" 60 "$python" "$root/tests/golden/golden.py" "$dicenet" "$1" ${2:+"$2"}
}

# NAME and options for random_model.py: times on the device, and including copies.
bench() {
  local model=$output/$1.safetensors precision batch
  [ -e "$model" ] || "$python" "$root/tests/reference/random_model.py" "$model" "${@:2}" >/dev/null
  for precision in float32 tf32 float16; do
    for batch in 1 32 64; do
      check "bench-$1-$precision-$batch" 60 "$dicenet" bench "$model" --backend cuda --precision "$precision" --batch "$batch" --seconds 0.5
    done
  done
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo "no NVIDIA driver here"
python=$(python_with 'import numpy') || python=''
for step in "${steps[@]}"; do
  echo "== $step"
  case $step in
    tests)
      for name in "${kernels[@]}" test-cuda-contexts; do check "$name" 120 "$build/tests/cuda/$name"; done
      ;;
    sanitizer) # seed 1 and a few rounds: it slows kernels down a hundred times
      if ! command -v compute-sanitizer >/dev/null; then
        tell sanitizer skipped '' 'compute-sanitizer is not there'
        continue
      fi
      for tool in memcheck racecheck; do
        for name in "${kernels[@]}"; do
          check "$tool-$name" 90 compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/tests/cuda/$name" 1 4
        done
      done
      check memcheck-contexts 90 env CK_FORK=no compute-sanitizer --error-exitcode 1 "$build/tests/cuda/test-cuda-contexts"
      ;;
    units) check fused-and-unfused 60 "$build/tests/cuda/test-gpu-units" --bench ;;
    golden | bench)
      if [ -z "$python" ]; then
        tell "$step" skipped '' 'no Python with numpy'
      elif [ "$step" = golden ]; then
        for name in "${goldens[@]}"; do golden "$name"; done
        for precision in tf32 float16 bfloat16; do golden included "$precision"; done
        check parity-anchor-free 120 "$python" "$root/tests/golden/parity.py" "$dicenet" anchor-free
      else
        bench classify-2.4 --task classify --scale 2.4 --classes 1000 --size 224x224
        bench ssd300-2.4 --task detect --scale 2.4 --classes 21 --size 300x300 --pyramid
        bench segment-1.75 --task segment --scale 1.75 --classes 21 --size 384x384
      fi
      ;;
    pytorch)
      if torch=$(python_with 'import sys, torch, torchvision, numpy; sys.exit(not torch.cuda.is_available())'); then
        check pytorch 500 "$torch" "$root/tests/bench/gpu.py" --build "$build" --models "$output" --modes eager,graph \
          --json "$output/pytorch.json"
        cat "$output/pytorch.txt"
      else
        tell pytorch skipped '' 'no PyTorch with torchvision and numpy that finds a GPU'
      fi
      ;;
  esac
done
echo
echo "== all"
printf '%s\n' "${lines[@]}"
exit "$failed"
