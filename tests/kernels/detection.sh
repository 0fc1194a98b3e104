#!/usr/bin/env bash
# The kernels for int8 that can be selected are those that Linux says this processor has instructions for.
#
#   detection.sh TEST-KERNELS
#
# Skipped (77) where Linux does not say it.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

flags=$(sed -n 's/^\(flags\|Features\)[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
if [ -z "$flags" ]; then
  echo "no flags in /proc/cpuinfo"
  exit 77
fi
found=$("$1" 0 1)
status=0
for pair in avx2:avx2 avx_vnni:avxvnni avx512bw:avx512 avx512_vnni:vnni asimddp:dotprod; do
  flag=${pair%:*} set=${pair#*:}
  has=0 && [[ " $flags " = *" $flag "* ]] && has=1
  selected=0 && grep -q "^int8-$set: 2 kernels" <<<"$found" && selected=1
  echo "$flag $has, int8-$set $selected"
  [ "$has" = "$selected" ] || status=1
done
exit "$status"
