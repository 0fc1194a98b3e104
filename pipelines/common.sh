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
# video, force and arguments.
read_options() {
  models=()
  as_is=false
  show=false
  test_picture=false
  properties=()
  seconds=
  video=1
  force=false
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
      --video)
        [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || die "--video needs a whole number from 1, not '${2:-}'"
        video=$2 && shift
        ;;
      --force) force=true ;;
      --as-is) as_is=true ;;
      --show) show=true ;;
      --test) test_picture=true ;;
      --) shift && arguments+=("$@") && break ;;
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
    export PATH=$build/dicenet-core/tools:$build/pipelines:$PATH
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

# Sets network: frames of any format in, frames with results out. Turned pictures of telephones are set upright first, and
# interlaced ones made whole, one frame of each: networks know people who stand on their feet, without stripes. Of the
# properties that were set, each element gets those that it has.
# The queues let the networks run beside each other, and beside what is before and behind them. Where the input $1 is live, the first one holds the newest frame, and no other more than one: what they held would be late.
set_network() {
  local i property between=(queue) first=(queue)
  if is_live "$1"; then
    between=(queue max-size-buffers=1 max-size-bytes=0 max-size-time=0)
    first=("${between[@]}" leaky=downstream)
  fi
  network=("${first[@]}" ! deinterlace fields=top ! videoconvert ! videoflip video-direction=auto)
  for i in "${!models[@]}"; do
    network+=(! "${elements[i]}" "model=$(quote "${models[i]}")")
    for property in "${properties[@]}"; do
      ! has_property "${elements[i]}" "$property" || network+=("$property")
    done
    network+=(! "${between[@]}")
  done
}

# A value as gst-launch-1.0 reads it: any character stands for itself.
quote() {
  local value=${1//\\/\\\\}
  printf '"%s"' "${value//\"/\\\"}"
}

# The same for the name of a file.
quote_file() {
  case $1 in
    /*) quote "$1" ;;
    *) quote "./$1" ;;
  esac
}

# Looks at a file or an address, unless it is live, and sets reader: from there to frames. Everything that decodes has the
# name "decoder". Sets frames, its pad with the video, sounds, those with sound, and size. What has no video that can be
# decoded is refused: it could wait for ever.
set_reader() {
  check_input "$1"
  frames=(decoder. ! 'video/x-raw(ANY)')
  sounds=()
  size=()
  is_live "$1" || look "$1"
  case $1 in
    /dev/*) reader=(v4l2src "device=$1" ! decodebin name=decoder) ;;
    *://*) reader=(uridecodebin "uri=$(quote "$1")" name=decoder) ;;
    *) reader=(filesrc "location=$(quote_file "$1")" ! decodebin name=decoder) ;;
  esac
}

check_input() {
  case $1 in
    *$'\n'*) die "names with line breaks are not read" ;;
    /dev/*) [ -e "$1" ] || die "there is no camera $1$(cameras)" ;;
    *://*) ;;
    *)
      [ -e "$1" ] || die "there is no file $1"
      [ -f "$1" ] || die "$1 is not a file"
      ;;
  esac
}

look() {
  local key value found file=$1
  [[ $1 == *://* ]] || file=$(realpath -- "$1")
  found=$(dicenet-look --video "$video" "$file") || exit 1
  while IFS='=' read -r key value; do
    case $key in
      video) frames=("decoder.src_$value") ;;
      size) read -ra size <<<"$value" ;;
      sound) read -ra sounds <<<"$value" ;;
    esac
  done <<<"$found"
}

cameras() {
  local found=(/dev/video*)
  [ -e "${found[0]}" ] && echo "; there is ${found[*]}"
}

# Sets launcher: gst-launch-1.0; for --seconds, or else until Ctrl-C.
set_launcher() {
  launcher=(gst-launch-1.0 -e -q)
  [ -z "$seconds" ] || launcher=(timeout --foreground --preserve-status --signal=INT "$seconds" "${launcher[@]}")
}

is_live() { [[ $1 == /dev/* || $1 == rtsp*://* ]]; }

# How long a pipeline from a file to files may stand still.
patience=${DICENET_PATIENCE:-60}

# Runs gst-launch-1.0 to its end. Ctrl-C, SIGTERM and SIGHUP are handed on as $1, and not twice: the command
# has a process group of its own, which a terminal does not send Ctrl-C to. stopped tells that there was one.
launch() {
  local signal=$1 child status watch=
  shift
  stopped=false
  set -m
  "$@" &
  child=$!
  set +m
  trap 'stopped=true; kill -s "$signal" "$child" 2>/dev/null || true' INT TERM HUP
  if "$watched"; then watch_progress "$child" & watch=$!; fi
  while :; do
    status=0
    wait "$child" 2>/dev/null || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  trap - INT TERM HUP
  [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
  return "$status"
}

# Whether launch ends what makes no progress. Not where a reader of standard output or a network sets the pace.
watched=false

# Ends a process that for some time has used no processor at all: it waits for what never comes.
watch_progress() {
  local last='' now still=0
  [ -r "/proc/$1/stat" ] || return 0
  while sleep 1 >/dev/null 2>&1 && now=$(awk '{print $3 == "T", $14 + $15}' "/proc/$1/stat" 2>/dev/null); do
    if [ "$now" = "$last" ] && [[ $now == 0* ]]; then still=$((still + 1)); else still=0; fi
    last=$now
    [ "$still" -lt "$patience" ] && continue
    say "error: no progress for $patience seconds: ended"
    kill -s KILL "$1"
    return
  done
}

# Runs the pipeline whose files are in parts, and gives these their names when it is done.
run_to_files() {
  launch TERM gst-launch-1.0 -q "$@" || { "$stopped" || die "the pipeline failed, see above: nothing was written"; }
  ! "$stopped" || { say "stopped: nothing was written" && exit 130; }
  keep_parts
}

# Output is written beside its place under another name, and gets its own when it is whole.
declare -A parts=()
trap remove_parts EXIT

remove_parts() { [ ${#parts[@]} = 0 ] || rm -f -- "${parts[@]}"; }

# Refuses to write over what is read ($2...), under any name, or over anything else without --force.
check_output() {
  local output=$1 input
  shift
  for input; do
    ! [ "$output" -ef "$input" ] || die "$output is the input $input itself: name another output"
  done
  [[ $output != *$'\n'* ]] || die "names with line breaks are not written"
  [ ! -d "$output" ] || die "$output is a folder: name a file"
  [ ! -f "$output" ] || "$force" || die "$output is already there: name another output, or overwrite it with --force"
  [ -d "$(dirname -- "$output")" ] || die "there is no folder $(dirname -- "$output")"
}

# Sets part, the file to write $1 into for now. Devices and pipes (/dev/null) are written to as they are.
begin_output() {
  check_output "$@"
  local place
  place=$(realpath -m -- "$1")
  part=$place
  [ ! -e "$place" ] || [ -f "$place" ] || return 0
  part=$(mktemp -- "$(dirname -- "$place")/.dicenet-XXXXXXXX.part") || die "$1 can not be written"
  chmod "$(printf '%o' $((0666 & ~$(umask))))" "$part"
  parts[$place]=$part
}

keep_parts() {
  local place
  for place in "${!parts[@]}"; do
    keep_part "$place"
  done
}

# Something may have come there meanwhile.
keep_part() {
  local how=-n
  ! "$force" || how=-f
  mv "$how" -T -- "${parts[$1]}" "$1" || true
  [ ! -e "${parts[$1]}" ] || die "$1 came while this ran: it is left as it is"
}

# Sets encoder: H.264 that every player shows. Not the encoder's own idea of a format: from RGB it would choose 4:4:4. And
# without looking ahead: it would hold back seconds of pictures, while branches that it has in common with other sinks stand
# still. Its sides must be even: one line is added where one is missing, which loses nothing and keeps the rest sharp.
set_encoder() {
  set_even
  encoder=("${even[@]}" ! x264enc speed-preset=veryfast tune=zerolatency pass=qual quantizer=20 ! h264parse)
}

set_even() {
  even=(videoconvert ! video/x-raw,format=I420)
  [ ${#size[@]} = 0 ] || even+=(! videobox "right=-$((size[0] % 2))" "bottom=-$((size[1] % 2))")
}

# Sets sound: all of it, encoded as $1, for a pipeline whose container has the name "container". The queue has no limit in
# time: files may bring the sound of seconds before its picture, and a full queue here would stop the reader for good.
set_sound() {
  local pad
  sound=()
  for pad in "${sounds[@]}"; do
    sound+=("decoder.src_$pad" ! queue ! audioconvert ! audioresample ! "$1"
      ! queue max-size-time=0 max-size-buffers=0 ! container.)
  done
}

# Sets sink, for what is live: a window on a desktop, JSON lines on standard output elsewhere.
set_live_sink() {
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    sink=(dicenetoverlay ! videoconvert ! autovideosink)
  else
    sink=(dicenetjson ! fdsink)
  fi
}
