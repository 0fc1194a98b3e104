#!/usr/bin/env bash
# Builds with warnings as errors and runs the tests, after installing missing packages.
#
#   run.sh [quick | thorough] [--sanitize] [MESON-OPTION...]
#
# quick runs what takes seconds only; thorough adds what other tests cover in part, and what needs the test material
# (docs/testing.md). --sanitize builds with AddressSanitizer and UndefinedBehaviorSanitizer. Other arguments are passed to
# `meson setup`, for example -Dcuda=disabled. The last line counts the tests; the exit status is that of the tests.
# Requires Debian 12 or later, or a derivative; root, or sudo, if packages are missing. DICENET_BUILD is the build folder,
# by default build-test, or build-asan with --sanitize.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${DICENET_BUILD:-$root/build-test}
options=(-Dwerror=true) which=(--setup default)
case ${1:-} in
  quick | thorough) which=(--setup "$1") && shift ;;
esac
case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
  --sanitize)
    shift
    build=${DICENET_BUILD:-$root/build-asan}
    # The introspection scanner is a program without the sanitizers' runtime.
    options+=("-Db_sanitize=address,undefined" -Db_lundef=false --buildtype=debugoptimized -Dintrospection=disabled)
    ;;
esac

"$root/pipelines/packages.sh" build run tests
reconfigure=()
[ ! -e "$build/build.ninja" ] || reconfigure=(--reconfigure)
meson setup "$build" "$root" "${reconfigure[@]}" "${options[@]}" "$@"
meson compile -C "$build"

# Many tests wait, for programs that time out or start: twice as many at once as processors keep these busy.
export MESON_TESTTHREADS=${MESON_TESTTHREADS:-$((2 * $(nproc)))}
status=0
meson test -C "$build" --no-rebuild --print-errorlogs "${which[@]}" || status=$?

count() { sed -n "s/^$1: *\([0-9]*\) *$/\1/p" "$build/meson-logs/testlog-${which[1]}.txt" | tail -n 1; }
passed=$(count 'Ok')
failed=$(($(count 'Fail') + $(count 'Unexpected Pass') + $(count 'Timeout')))
skipped=$(count 'Skipped')
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
