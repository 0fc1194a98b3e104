# What the scripts of this folder share; to be sourced. It finds the plugin, models and the elements that run them, and
# holds the parts that several pipelines have in common, as arrays of words for gst-launch-1.0.
# shellcheck shell=bash disable=SC2034,SC2054
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
build=${DICENET_BUILD:-$root/build}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# The comment on top of the script that runs is its help.
usage() {
  sed -n '2,/^[^#]/{/^# SPDX/d;/^# shellcheck/d;/^#/s/^# \{0,1\}//p}' "$0"
}

# Reads the options that all scripts know. Sets as_is, show, test_picture and seconds, and the arrays models, properties
# and arguments.
read_options() {
  models=()
  as_is=false
  show=false
  test_picture=false
  properties=()
  seconds=
  arguments=()
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --model) models+=("${2:?--model needs a file or a name}") && shift ;;
      --set) properties+=("${2:?--set needs PROPERTY=VALUE}") && shift ;;
      --seconds)
        [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || die "--seconds needs a whole number from 1, not '${2:-}'"
        seconds=$2 && shift
        ;;
      --as-is) as_is=true ;;
      --show) show=true ;;
      --test) test_picture=true ;;
      --*) die "unknown option $1; --help tells what there is" ;;
      *) arguments+=("$1") ;;
    esac
    shift
  done
}

# The plugin as it was built here, or else the one that is installed; the models that are here, behind the user's own.
find_plugin() {
  export DICENET_MODEL_PATH=${DICENET_MODEL_PATH:+$DICENET_MODEL_PATH:}$root/models
  if [ -e "$build/gst/libgstdicenet.so" ]; then
    export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
    export PATH=$build/dicenet-core/tools:$PATH
  fi
  gst-inspect-1.0 dicenetsegment >/dev/null 2>&1 ||
    die "there is no dicenet plugin: run pipelines/demo.sh once, or build it: meson setup build && ninja -C build"
}

# Sets models to the given ones, if no option did, and elements to those for their tasks.
find_models() {
  local model about element property
  [ ${#models[@]} -gt 0 ] || models=("$@")
  elements=()
  for model in "${models[@]}"; do
    about=$(dicenet info --json "$model" 2>&1) || die "${about#dicenet info: }"
    elements+=("dicenet$(sed -n 's/^ *"task" : "\(.*\)",$/\1/p' <<<"$about")")
  done
  for property in "${properties[@]}"; do
    for element in "${elements[@]}"; do
      ! has_property "$element" "$property" || continue 2
    done
    die "there is no property '${property%%=*}': gst-inspect-1.0 $element tells what there is"
  done
}

has_property() { gst-inspect-1.0 "$1" | grep "^  ${2%%=*} *: " >/dev/null; }

# Sets network: frames of any format in, frames with results out. The queues let the networks run beside each other, and
# beside what is before and behind them. Turned pictures of telephones are set upright first: networks know people who stand
# on their feet. Of the properties that were set, each element gets those that it has.
set_network() {
  local i property
  network=(queue ! videoconvert ! videoflip video-direction=auto)
  for i in "${!models[@]}"; do
    network+=(! "${elements[i]}" "model=${models[i]}")
    for property in "${properties[@]}"; do
      ! has_property "${elements[i]}" "$property" || network+=("$property")
    done
    network+=(! queue)
  done
}

# Sets reader: from a file, a camera or an address to frames. Everything that decodes has the name "decoder".
set_reader() {
  case $1 in
    /dev/*)
      [ -e "$1" ] || die "there is no camera $1$(cameras)"
      reader=(v4l2src "device=$1" ! decodebin name=decoder)
      ;;
    *://*) reader=(uridecodebin "uri=$1" name=decoder) ;;
    *)
      [ -f "$1" ] || die "there is no file $1"
      reader=(filesrc "location=$1" ! decodebin name=decoder)
      ;;
  esac
}

cameras() {
  local found=(/dev/video*)
  [ -e "${found[0]}" ] && echo "; there is ${found[*]}"
}

# Runs gst-launch-1.0; a live pipeline for --seconds, or else until Ctrl-C.
launch_live() {
  local limit=()
  [ -z "$seconds" ] || limit=(timeout --foreground --preserve-status --signal=INT "$seconds")
  "${limit[@]}" gst-launch-1.0 -e "$@"
}

is_live() { [[ $1 == /dev/* || $1 == rtsp*://* ]]; }

has_sound() {
  local uri=$1
  [[ $1 == *://* ]] || uri=$(realpath "$1")
  ! is_live "$1" && gst-discoverer-1.0 "$uri" 2>/dev/null | grep '^ *audio' >/dev/null
}

# H.264 that every player shows. Not the encoder's own idea of a format: from RGB it would choose 4:4:4. And without looking
# ahead: it would hold back seconds of pictures, while branches that it has in common with other sinks stand still.
encoder=(videoconvert ! video/x-raw,format=I420
  ! x264enc speed-preset=veryfast tune=zerolatency pass=qual quantizer=20 ! h264parse)

# Sets sound, for a pipeline whose container has the name "container". The queue has no limit in time: files may
# bring the sound of seconds before its picture, and a full queue here would stop the reader for good.
set_sound() {
  sound=()
  has_sound "$1" || return 0
  sound=(decoder. ! queue ! audioconvert ! audioresample ! opusenc
    ! queue max-size-time=0 max-size-buffers=0 ! container.)
}

# Sets output, for what is live: a window on a desktop, JSON lines on standard output elsewhere.
set_live_output() {
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    output=(dicenetoverlay ! videoconvert ! autovideosink)
  else
    output=(dicenetjson ! fdsink)
  fi
}
