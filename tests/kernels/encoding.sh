#!/usr/bin/env bash
# The kernels for AVX-VNNI have its encoding of VPDPBUSD and nothing of AVX-512, which processors with AVX-VNNI may lack.
#
#   encoding.sh LIBRARY
#
# Requires objdump from Debian's binutils; skipped (77) without.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

if ! command -v objdump >/dev/null; then
  echo "objdump not found: install binutils"
  exit 77
fi
code=$(objdump --disassemble --no-show-raw-insn "$1")
products=$(grep -c 'vpdpbusd' <<<"$code" || true)
encoded=$(grep -c '{vex} vpdpbusd' <<<"$code" || true)
echo "$products VPDPBUSD, $encoded of them as in AVX-VNNI"
if [ "$products" = 0 ] || [ "$products" != "$encoded" ]; then
  echo "expected all of them, and some" >&2
  exit 1
fi
if grep -E '%zmm|%[xy]mm(1[6-9]|2[0-9]|3[01])|%k[0-7]|\{1to' <<<"$code"; then
  echo "expected no registers of AVX-512" >&2
  exit 1
fi
