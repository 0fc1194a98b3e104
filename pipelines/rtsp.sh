#!/usr/bin/env bash
# RTSP in: the stream of a network camera, with what the model finds, as it happens.
#
#   rtsp.sh [--model MODEL]... [--set PROPERTY=VALUE]... [--seconds N] rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH
#
# On a desktop a window shows the picture; elsewhere JSON lines go to standard output. It ends with an error when the
# camera goes away: to connect again, run it in a loop, or do in an application what this pipeline does and set it to NULL
# and to PLAYING again upon an error.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set threshold=0.6, say. It runs until Ctrl-C, or for --seconds.
# Needs: the plugin (built or installed), GStreamer's base, good, bad and libav plugins.
# Shows: rtspsrc for video only, whatever else the camera sends; with inference-mode=newest every frame leaves at once with
# the newest result, and says how old that is.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 1 ] || { usage >&2 && exit 2; }
[[ ${arguments[0]} == rtsp*://* ]] || die "expected an address that begins with rtsp://, not '${arguments[0]}'"
find_plugin
find_models dicenet-segment
set_network "${arguments[0]}"
set_live_sink
set_launcher

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  run_live "the camera" rtspsrc "location=$(quote "${arguments[0]}")" latency=200 name=camera \
    camera. ! application/x-rtp,media=video ! decodebin \
    ! "${network[@]}" ! "${sink[@]}"
  exit
}
