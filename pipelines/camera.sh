#!/usr/bin/env bash
# A camera: what it sees, with what the model finds, as it happens.
#
#   camera.sh [--model MODEL]... [--set PROPERTY=VALUE]... [--seconds N] [--test] [/dev/videoN]
#
# On a desktop a window shows the picture; elsewhere JSON lines go to standard output. Without a device the first camera
# that works is taken. --test shows GStreamer's test picture in its place.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set threshold=0.6, say. It runs until Ctrl-C, or for --seconds.
# Needs: a camera that Linux knows (v4l2), the plugin (built or installed), GStreamer's base and good plugins.
# Shows: a live source; with inference-mode=newest every frame leaves at once with the newest result, and says how old that
# is, so that the picture stays in step with the world where the model is slower than the camera.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

# Not every /dev/video* is one: the metadata and encoder devices of cameras and boards have that name too.
first_camera() {
  local device
  for device in /dev/video*; do
    [ -e "$device" ] || continue
    timeout 10 gst-launch-1.0 -q v4l2src "device=$device" num-buffers=1 ! fakesink >/dev/null 2>&1 || continue
    echo "$device" && return
  done
  die "no camera was found$(cameras): plug one in, name one (camera.sh /dev/video2), or see the test picture with --test"
}

read_options "$@"
[ ${#arguments[@]} -lt 2 ] || { usage >&2 && exit 2; }
find_plugin
find_models dicenet-segment
if "$test_picture"; then
  # shellcheck disable=SC2054
  reader=(videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=30/1 ! identity name=decoder)
  frames=(decoder.)
  device=/dev/none called="the test picture"
else
  device=${arguments[0]:-$(first_camera)}
  called=$device
  set_reader "$device" || exit
fi
set_network "$device"
set_live_sink
set_launcher

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  run_live "$called" "${reader[@]}" "${frames[@]}" ! "${network[@]}" ! "${sink[@]}"
  exit
}
