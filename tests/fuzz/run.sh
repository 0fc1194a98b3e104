#!/usr/bin/env bash
# Builds the fuzz targets with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs them.
#
#   run.sh [--seconds N] [--jobs N] [--build FOLDER] [--keep FOLDER] [TARGET...]
#
# Targets: elements json labels model properties shapes (default: all), each for N seconds (30), as many at a time as
# --jobs says (default: as there are processors). The build folder is build-fuzz; --build names another, which then is
# used as it is. Inputs that reach new code are kept in FOLDER/TARGET/corpus (default: build-fuzz/inputs), and the next
# run starts from them; what fails goes to FOLDER/TARGET/found. The status is 1 if anything was found.
# Needs: clang with libFuzzer (Debian: clang, libclang-rt-dev), and what the build needs.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$folder/../.." && pwd)
build=$root/build-fuzz
seconds=30 jobs=$(nproc) keep='' given='' targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    --seconds) seconds=${2:?--seconds: expected a number} && shift 2 ;;
    --jobs) jobs=${2:?--jobs: expected a number} && shift 2 ;;
    --build) build=${2:?--build: expected a folder} given=yes && shift 2 ;;
    --keep) keep=${2:?--keep: expected a folder} && shift 2 ;;
    elements | json | labels | model | properties | shapes) targets+=("$1") && shift ;;
    *) echo "run.sh: '$1': expected --seconds, --jobs, --build, --keep, or one of elements json labels model properties shapes" >&2 && exit 2 ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: --seconds $seconds: expected a whole number from 1" >&2 && exit 2; }
[[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: --jobs $jobs: expected a whole number from 1" >&2 && exit 2; }
[ ${#targets[@]} -gt 0 ] || targets=(elements json labels model properties shapes)
keep=${keep:-$build/inputs}

if [ -z "$given" ]; then
  [ -e "$build/build.ninja" ] ||
    CC=clang meson setup "$build" "$root" -Dfuzz=true -Dcuda=disabled -Dintrospection=disabled \
      -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized
  meson compile -C "$build" fuzz
fi

export G_SLICE=always-malloc # memory from a pool of GLib's hides what is done to it after it was freed
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# The memory limit finds inputs that use much memory, the timeout those that hang.
limits=(-timeout=20 -rss_limit_mb=2000 -malloc_limit_mb=300 -max_len=4096)

# Leaks are checked afterwards, on the corpus: the check requires full stacks to distinguish leaks from what GLib keeps,
# and with them each run would take many times as long.
fuzz() {
  local target=$1 at=$keep/$1 program=$build/tests/fuzz/fuzz-$1 inputs TIMEFORMAT='%U %S'
  inputs=("$at/corpus" "$folder/regressions/$target" "$build/tests/fuzz/seeds/$target")
  mkdir -p "$at/corpus" "$at/found"
  : >"$at/leaks"
  { time ASAN_OPTIONS=detect_leaks=0 "$program" "${limits[@]}" -max_total_time="$seconds" -print_funcs=0 \
    -dict="$folder/json.dict" -print_final_stats=1 -artifact_prefix="$at/found/" "${inputs[@]}" >"$at/log" 2>&1; } 2>"$at/time" &&
    ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0 LSAN_OPTIONS=print_suppressions=0:suppressions=$root/tests/elements/lsan.supp \
      "$program" -rss_limit_mb=4000 -timeout=60 -runs=0 -artifact_prefix="$at/found/" "${inputs[@]}" >"$at/leaks" 2>&1
}

report() {
  local target=$1 ok=$2 log=$keep/$1/log runs edges cpu result="nothing found"
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  cpu=$(awk '{ printf "%.0f", $1 + $2 }' "$keep/$target/time")
  [ "$ok" = 0 ] || result=FOUND
  ! grep -q 'run interrupted' "$log" || result=interrupted
  echo "$target: ${runs:-?} runs in $cpu s of processor time, ${edges:-0} edges, $result"
  if [ "$result" = FOUND ]; then
    grep -hE '^SUMMARY|not so:|Test unit written' "$log" "$keep/$target/leaks" || tail -n 20 "$log"
  fi
}

status=0 running=0
declare -A target_of
# Waits for the first process that ends.
reap() {
  local pid ok=0
  wait -n -p pid || ok=1 status=1
  running=$((running - 1))
  report "${target_of[$pid]}" "$ok"
}
for target in "${targets[@]}"; do
  [ "$running" -lt "$jobs" ] || reap
  fuzz "$target" &
  target_of[$!]=$target running=$((running + 1))
done
while [ "$running" -gt 0 ]; do reap; done
exit "$status"
