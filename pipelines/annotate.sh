#!/usr/bin/env bash
# A file to an annotated file: what the model finds is drawn on every frame, the sound is kept.
#
#   annotate.sh [--model FILE] [--set PROPERTY=VALUE]... INPUT OUTPUT.mkv
#
# INPUT is a video file of any kind that GStreamer reads, or an address (https://...). Masks, boxes or class names are
# drawn, after what the model is for.
# --set passes a property of the element on: --set inference-interval=5, say.
# Needs: the plugin (built or installed), a model, GStreamer's base, good, bad, ugly and libav plugins.
# Shows: dicenetoverlay, and how a second branch of the same file reaches the same container in step.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 2 ] || { usage >&2 && exit 2; }
find_plugin
find_model
set_reader "${arguments[0]}"
set_sound "${arguments[0]}"
set_network

gst-launch-1.0 -e "${reader[@]}" \
  decoder. ! "${network[@]}" ! dicenetoverlay ! "${encoder[@]}" ! queue ! container. \
  "${sound[@]}" \
  matroskamux name=container ! filesink "location=${arguments[1]}"
