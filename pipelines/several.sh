#!/usr/bin/env bash
# Several files at once: one process, one branch per file, one copy of the model in memory for all of them.
#
#   several.sh [--model MODEL]... [--set PROPERTY=VALUE]... INPUT INPUT...
#
# Writes NAME.jsonl for each INPUT into the current folder, one line per frame.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad and libav plugins.
# Shows: branches of one pipeline; elements with the same model file share its weights, and each has a session of its own
# with a share of the processors.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_options "$@"
[ ${#arguments[@]} -gt 1 ] || { usage >&2 && exit 2; }
find_plugin
find_models dicenet-segment

threads=$(($(nproc) / ${#arguments[@]}))
properties=("threads=$((threads > 0 ? threads : 1))" "${properties[@]}")
pipeline=()
declare -A taken
for i in "${!arguments[@]}"; do
  input=${arguments[i]}
  name=$(basename "${input%.*}").jsonl
  [ -z "${taken[$name]:-}" ] || die "'$input' and '${taken[$name]}' would both be written to $name: rename one"
  taken[$name]=$input
  set_reader "$input"
  set_network
  # Names are the pipeline's: each branch needs its own.
  pipeline+=("${reader[@]/name=decoder/name=decoder$i}"
    "decoder$i." ! "${network[@]}" ! dicenetjson "source=$input" ! filesink "location=$name")
done
gst-launch-1.0 "${pipeline[@]}"
say "Written: ${!taken[*]}"
