#!/usr/bin/env bash
# On an emulated older CPU, no unsupported instruction is executed: runs all kernels that can be selected there, and a
# whole network, whose log names the selected set. The emulator aborts at an unsupported instruction.
#
#   old-processor.sh PROCESSOR EXPECTED-SET ROUNDS TEST-KERNELS DICENET MODEL
#
# An emulator takes its time: ROUNDS, of random shapes, are fewer than elsewhere.
# Requires qemu-x86_64 from Debian's qemu-user; skipped (77) without.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

processor=$1 expected=$2 rounds=$3 test_kernels=$4 dicenet=$5 model=$6
if ! qemu=$(command -v qemu-x86_64 || command -v qemu-x86_64-static); then
  echo "qemu-x86_64 not found: install qemu-user"
  exit 77
fi
emulate=("$qemu" -cpu "$processor")

"${emulate[@]}" "$test_kernels" 0 "$rounds"
log=$(G_MESSAGES_DEBUG=dicenet "${emulate[@]}" "$dicenet" bench "$model" --seconds 0 2>&1)
echo "$log"
chosen=$(sed -n 's/.*kernels: \([a-z0-9]*\)$/\1/p' <<<"$log")
if [ "$chosen" != "$expected" ]; then
  echo "expected the kernels for $expected on $processor, found those for $chosen" >&2
  exit 1
fi
