#!/usr/bin/env bash
# A file to an annotated file: what the models find is drawn on every frame, the sound is kept.
#
#   annotate.sh [--model MODEL]... [--set PROPERTY=VALUE]... INPUT OUTPUT.mkv
#
# INPUT is a video file of any kind that GStreamer reads, or an address (https://...). Masks, boxes or class names are
# drawn, after what the models are for.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad, ugly and libav plugins.
# Shows: dicenetoverlay, and how a second branch of the same file reaches the same container in step.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 2 ] || { usage >&2 && exit 2; }
find_plugin
find_models dicenet-segment
set_reader "${arguments[0]}"
set_sound "${arguments[0]}"
set_network

gst-launch-1.0 -e "${reader[@]}" \
  decoder. ! "${network[@]}" ! dicenetoverlay ! "${encoder[@]}" ! queue ! container. \
  "${sound[@]}" \
  matroskamux name=container ! filesink "location=${arguments[1]}"
