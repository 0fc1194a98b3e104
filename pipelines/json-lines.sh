#!/usr/bin/env bash
# A file to JSON lines: one line per frame, with its time and what the model finds in it.
#
#   json-lines.sh [--model MODEL]... [--set PROPERTY=VALUE]... INPUT [OUTPUT.jsonl]
#
# Without OUTPUT the lines go to standard output: json-lines.sh clip.mp4 | jq .segmentation.classes
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad and libav plugins.
# Shows: dicenetjson; pictures are decoded, looked at and thrown away, nothing is drawn or encoded.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 1 ] || [ ${#arguments[@]} = 2 ] || { usage >&2 && exit 2; }
find_plugin
find_models dicenet-segment
set_reader "${arguments[0]}"
set_network
if [ ${#arguments[@]} = 2 ]; then sink=(filesink "location=${arguments[1]}"); else sink=(fdsink); fi

gst-launch-1.0 -q "${reader[@]}" decoder. ! "${network[@]}" ! dicenetjson "source=${arguments[0]}" ! "${sink[@]}"
