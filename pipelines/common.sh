# What the scripts of this folder share; to be sourced. It finds the plugin, models and the elements that run them, and
# holds the parts that several pipelines have in common, as arrays of words for gst-launch-1.0.
# shellcheck shell=bash disable=SC2034,SC2054
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
build=${DICENET_BUILD:-$root/build}

# What is closed would be the next file that is opened.
true 3>&2 || exec 2>/dev/null
has_output=true
{ true 3>&1; } 2>/dev/null || { has_output=false && exec >/dev/null; }

# gst-launch-1.0 speaks the user's language, and what it says is read below.
export LANGUAGE=en

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  return 1
}

die() {
  fail "$*" || exit 1
}

# shellcheck source=pipelines/progress.sh
source "$here/progress.sh"

# The comment on top of the script that runs is its help.
usage() {
  sed -n '2,/^[^#]/{/^# SPDX/d;/^# shellcheck/d;/^#/s/^# \{0,1\}//p}' "$0"
}

# Reads the options that the first line of the script's help names. Sets as_is, show, test_picture, seconds, video and
# force, and the arrays models, properties and arguments.
read_options() {
  models=()
  model_files=()
  as_is=false
  show=false
  test_picture=false
  properties=()
  seconds=
  video=1
  force=false
  arguments=()
  local known
  known=" $(usage | sed -n '/\.sh \[/{s/[][]/ /g;p;q}') "
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --?*) [[ $known == *" $1 "* ]] || die "unknown option $1; --help tells what there is" ;;&
      --model)
        [ -n "${2:-}" ] || die "--model needs a file or a name"
        models+=("$2") && shift
        ;;
      --set)
        [[ ${2:-} =~ ^[a-z][a-z0-9-]*=. ]] || die "--set needs PROPERTY=VALUE, threshold=0.5 say, not '${2:-}'"
        properties+=("$2") && shift
        ;;
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
      '') die "an argument is empty: a variable without a value?" ;;
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
  model_files=()
  for model in "${models[@]}"; do
    about=$(dicenet info --json "$model" 2>&1) || die "${about#dicenet info: }"
    elements+=("dicenet$(sed -n 's/^ *"task" : "\(.*\)",$/\1/p' <<<"$about")")
    model_files+=("$(sed -n 's/^ *"model" : "\(.*\)",$/\1/p' <<<"$about")")
  done
  for property in "${properties[@]}"; do
    for element in "${elements[@]}"; do
      ! has_property "$element" "$property" || { check_value "$property" && continue 2; }
    done
    die "there is no property '${property%%=*}': gst-inspect-1.0 $element tells what there is"
  done
}

# What gst-inspect-1.0 says of each element.
declare -A inspected=()

# Whether the element $1 has the property of $2, NAME=VALUE, and it can be set. Sets about to what is known of it.
has_property() {
  [ -n "${inspected[$1]:-}" ] || inspected[$1]=$(LC_ALL=C gst-inspect-1.0 "$1")
  about=$(printf '%s\n' "${inspected[$1]}" | sed -n "/^  ${2%%=*} *: /,/^  [a-z]/p")
  [[ $about == *'flags: '*writable* ]]
}

# Refuses a number or name that the property of about does not take: gst-launch-1.0 would go on with the default.
check_value() {
  local name=${1%%=*} value=${1#*=} what=number form='^[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$' low high names
  if [[ $about =~ (Integer|Float)\.\ Range:\ +([^ ]+)\ -\ +([^ ]+) ]]; then
    low=${BASH_REMATCH[2]} high=${BASH_REMATCH[3]}
    [ "${BASH_REMATCH[1]}" = Float ] || { what="whole number" && form='^[-+]?[0-9]+$'; }
    { [[ $value =~ $form ]] && awk "BEGIN { exit !($value >= $low && $value <= $high) }"; } ||
      die "$name must be a $what from $low to $high, not '$value'"
  fi
  names=$(sed -n 's/^ *([-0-9]*): \([^ ]*\) .*/\1/p' <<<"$about")
  [ -z "$names" ] || grep -q -F -e "($value): " -e "): $value " <<<"$about" ||
    die "$name must be one of ${names//$'\n'/, }, not '$value'"
}

# Sets network: frames of any format in, frames with results out. Turned pictures of telephones are set upright first, and
# interlaced ones made whole, one frame of each: networks know people who stand on their feet, without stripes. (auto-strict:
# else deinterlace would leave those of more than 8 bits as they are.) Of the
# properties that were set, each element gets those that it has.
# The queues let the networks run beside each other, and beside what is before and behind them. Where the input $1 is live,
# frames don't wait for a network; the first queue holds the newest frame, where conversion is too slow, and no other more
# than one: what they held would be late.
set_network() {
  local i property between=(queue) first=(queue) mode=()
  if is_live "$1"; then
    between=(queue max-size-buffers=1 max-size-bytes=0 max-size-time=0)
    first=("${between[@]}" leaky=downstream)
    mode=(inference-mode=newest)
  fi
  network=("${first[@]}" ! videoconvert ! deinterlace mode=auto-strict fields=top ! videoconvert ! videoflip video-direction=auto)
  for i in "${!models[@]}"; do
    network+=(! "${elements[i]}" "model=$(quote "${models[i]}")" "${mode[@]}")
    for property in "${properties[@]}"; do
      ! has_property "${elements[i]}" "$property" || network+=("$property")
    done
    network+=(! "${between[@]}")
  done
  network+=("${report[@]}")
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
# name "decoder". Sets frames, its pad with the video, sounds, those with sound, and size, par and duration. What has no
# video that can be decoded is refused, with status 1: it could wait for ever.
set_reader() {
  check_input "$1" || return
  frames=(decoder. ! 'video/x-raw(ANY)')
  sounds=()
  size=()
  par=
  duration=0 whole=0
  is_live "$1" || look "$1" || return
  if is_camera "$1"; then
    reader=(v4l2src "device=$1" ! decodebin name=decoder)
  elif [[ $1 == *://* ]]; then
    reader=(uridecodebin "uri=$(quote "$1")" name=decoder)
  else
    reader=(filesrc "location=$(quote_file "$1")" ! decodebin name=decoder)
  fi
}

# /dev/shm/clip.mp4 is none.
is_camera() { [ -c "$1" ] || [[ $1 == /dev/* && $1 != /dev/*/* && ! -f $1 ]]; }

check_input() {
  is_utf8 "$1" || { fail "the name $1 is not UTF-8, as gst-launch-1.0 takes it: rename the file, or link to it" || return; }
  case $1 in
    *$'\n'*) fail "names with line breaks are not read: rename the file, or link to it" ;;
    *://*) ;;
    *)
      if is_camera "$1"; then
        [ -e "$1" ] || fail "there is no camera $1$(cameras)"
      elif [ ! -e "$1" ]; then fail "there is no file $1"; elif [ ! -f "$1" ]; then fail "$1 is not a file"; fi
      ;;
  esac
}

is_utf8() { iconv -f UTF-8 -t UTF-8 <<<"$1" >/dev/null 2>&1; }

# What dicenet-probe said of each input: nothing is looked at twice.
declare -A looked=()

look() {
  local key value file=$1
  [[ $1 == *://* ]] || file=$(realpath -- "$1")
  [ -n "${looked[$1]:-}" ] || looked[$1]=$(dicenet-probe --video "$video" "$file") || return
  while IFS='=' read -r key value; do
    case $key in
      video) frames=("decoder.src_$value") ;;
      size) read -ra size <<<"$value" ;;
      par) par=${value/ //} ;;
      duration) duration=$value whole=$value ;;
      sound) read -ra sounds <<<"$value" ;;
    esac
  done <<<"${looked[$1]}"
}

cameras() {
  local found=(/dev/video*)
  [ -e "${found[0]}" ] && echo "; there is ${found[*]}"
}

# Sets launcher: gst-launch-1.0; for --seconds, or else until Ctrl-C.
set_launcher() {
  launcher=(gst-launch-1.0 -e)
  [ -z "$seconds" ] || launcher=(timeout --foreground --preserve-status --signal=INT "$seconds" "${launcher[@]}")
}

is_live() { [[ $1 == rtsp*://* ]] || is_camera "$1"; }

# How many seconds a pipeline from a file to files may stand still.
patience=${DICENET_PATIENCE:-60}
[[ $patience =~ ^[1-9][0-9]{0,8}$ ]] || die "DICENET_PATIENCE must be a whole number of seconds from 1, not '$patience'"

# Whether the errors of gst-launch-1.0 are shown as it writes them, because it may run for ever; else when it has ended.
at_once=false
# Whether they are shown at all.
shows_errors=true

# Reads what gst-launch-1.0 writes to standard output: warnings and progress, among what is for nobody. (With -q it would
# write none of these.)
read_chatter() {
  local line last=
  launched=${EPOCHREALTIME/[.,]/}
  while IFS= read -r line; do
    case $line in
      'WARNING: from element '*) show_warning "$line" ;;
      progressreport*) note_progress "$line" ;;
    esac
  done
  clear_line
}

# One that comes again and again, or from one element after the other, is shown once.
show_warning() {
  local warning=${1#WARNING: from element *: }
  local text=${warning//\'dicenet*\'/} # without the element's name
  [ "$text" != "$last" ] || return 0
  last=$text
  clear_line
  say "warning: $warning"
}

# Runs gst-launch-1.0 to its end. Ctrl-C, SIGTERM and SIGHUP are handed on as $1, and not twice: the command
# has a process group of its own, which a terminal does not send Ctrl-C to. Sets stopped to the exit status that tells of
# such a signal, or 0, and reason to the first error that the command wrote, if that is known.
launch() {
  local signal=$1 child='' found interrupted status=127 watch='' chatter faults listeners
  shift
  stopped=0
  : >"$messages"
  trap 'stop 130' INT
  trap 'stop 143' TERM
  trap 'stop 129' HUP
  exec {chatter}> >(trap '' INT TERM HUP && read_chatter)
  listeners=("$!")
  if "$at_once"; then
    exec {faults}> >(trap '' INT TERM HUP && exec tee -- "$messages" >&2)
    listeners+=("$!")
  else
    exec {faults}>"$messages"
  fi
  set -m
  set -- setpriv --pdeathsig TERM "$@" # nor does it go on where this script was killed
  "$@" 1>&"$chatter" 2>&"$faults" &
  child=$!
  set +m
  exec {chatter}>&- {faults}>&-
  [ "$stopped" = 0 ] || stop "$stopped" # which may have come before there was a child
  if "$watched"; then watch_progress "$child" & watch=$!; fi
  while :; do
    interrupted=false found=0
    wait "$child" 2>/dev/null || found=$?
    [ "$found" = 127 ] || status=$found # no more to be had: what the last wait said holds
    "$interrupted" || break             # else that was the signal's: the command's own comes next
  done
  trap - INT TERM HUP
  [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
  wait "${listeners[@]}" || true
  "$at_once" || ! "$shows_errors" || cat -- "$messages" >&2
  set_reason "$status"
  return "$status"
}

# For the traps in launch.
stop() {
  stopped=$1 interrupted=true
  [ -z "$child" ] || kill -s "$signal" "$child" 2>/dev/null || true
}

# What the exit status $1 of gst-launch-1.0 and its messages tell. Where a part of the pipeline fails, those before it say
# that the stream stopped: that is not the reason.
set_reason() {
  local found
  found=$(sed -n -e 's/^ERROR: from element [^ ]*: //p' -e 's/^WARNING: erroneous pipeline: //p' "$messages")
  reason=$(grep -v -m 1 -F -e 'Internal data stream error.' <<<"$found") || reason=${found%%$'\n'*}
  case $reason in
    'no element '*) reason+=": install GStreamer's plugins, pipelines/packages.sh run does so on Debian" ;;
    '') reason=$(guess_reason "$1") ;;
  esac
}

# Where gst-launch-1.0 wrote none, for it could not, or was ended.
guess_reason() {
  if [ "$1" = 153 ]; then
    echo "a file became larger than this user may write (ulimit -f)"
  elif [ "$1" -gt 128 ]; then
    echo "gst-launch-1.0 was ended by SIG$(kill -l "$1")"
  elif ! { printf '\n' >>"$messages"; } 2>/dev/null; then
    echo "nothing can be written into ${TMPDIR:-/tmp}: make room there, or set TMPDIR to another folder"
  fi
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
    echo "ERROR: from element pipeline: no progress for $patience seconds" >>"$messages"
    kill -s KILL "$1"
    return
  done
}

# Runs the pipeline from input $1 whose file is in parts, and gives it its name when it is done.
run_to_file() {
  local input=$1
  shift
  launch TERM gst-launch-1.0 "$@" || [ "$stopped" != 0 ] || die "$input: ${reason:-the pipeline failed}: nothing was written"
  end_if_stopped
  has_frames "$part" || no_frames "$input" || exit
  tell_early_end "$input" "$part"
  keep_parts || exit
}

# Runs the pipeline from the live input $1 until it is stopped.
run_live() {
  local input=$1 status=0
  shift
  at_once=true
  launch INT "${launcher[@]}" "$@" || status=$?
  [ "$status" = 0 ] || [ "$stopped" != 0 ] || [ "$status" = 141 ] || die "$input: ${reason:-the pipeline failed}"
  return "$status"
}

end_if_stopped() { [ "$stopped" = 0 ] || { say "stopped: nothing unfinished is kept" && exit "$stopped"; }; }

# Whether there is a picture in the file, lines or a video: GStreamer takes a damaged one for one that has ended.
has_frames() {
  [ -f "$1" ] || return 0
  [ -s "$1" ] && { [ "$(head -c 1 -- "$1" | tr -d '\0')" = '{' ] || dicenet-probe "$1" >/dev/null 2>&1; }
}

no_frames() { fail "$1: not one frame came from it: it may be damaged"; }

# Says where the picture in the file $2, lines or a video, ends long before the input $1 should: GStreamer takes a file that
# is cut off for one that has ended.
tell_early_end() {
  local end
  [ "$duration" != 0 ] && [ -f "$2" ] || return 0
  end=$(tail -n 1 -- "$2" | tr -d '\0' | sed -n 's/^{"resolution":{[^}]*},"timestamp":\([0-9]*\),.*/\1/p')
  [ -n "$end" ] || end=$(dicenet-probe "$2" 2>/dev/null | sed -n 's/^duration=//p') || true
  [ "${end:-0}" != 0 ] && [ $((duration - end)) -gt $((duration / 10 + 1500000000)) ] || return 0
  say "$1 says that it lasts $(seconds_of "$duration") s, and its picture ends at $(seconds_of "$end") s: it may be cut off or damaged"
}

seconds_of() { printf '%d.%d' $(($1 / 1000000000)) $(($1 / 100000000 % 10)); }

# The name of an input's results: its own without folder and ending.
stem_of() {
  local name
  name=$(basename -- "$1")
  case $name in
    ?*.*) printf '%s' "${name%.*}" ;;
    *) printf '%s' "$name" ;;
  esac
}

# Output is written beside its place under another name, and gets its own when it is whole.
declare -A parts=()
messages=$(mktemp 2>/dev/null) ||
  die "no file can be made in ${TMPDIR:-/tmp}: make room there, or set TMPDIR to a folder that can be written to"
trap clean_up EXIT

clean_up() { rm -f -- "$messages" "$messages.last" "${parts[@]}"; }

# Devices and pipes (/dev/null, a terminal) are written to as they are.
is_device() { [ -e "$1" ] && [ ! -f "$1" ] && [ ! -d "$1" ]; }

# Names of what is open already: where they lead to a file, its own name is wanted.
is_descriptor() { [[ $1 == /dev/std* || $1 == /dev/fd/* || $1 == /proc/*/fd/* ]]; }

# The file that an address stands for; of other names nothing is changed.
file_of() {
  local name=$1
  if [[ $name == file://* ]]; then
    name=${name#file://}
    name=/${name#*/}
    name=${name//\\/\\\\}
    name=$(printf '%b' "${name//%/\\x}")
  fi
  printf '%s' "$name"
}

# Refuses to write over what is read ($2..., models, what properties name), under any name, or over anything else
# without --force.
check_output() {
  local output=$1 input
  shift
  ! is_device "$output" || return 0
  for input in "$@" "${models[@]}" "${model_files[@]}" "${properties[@]#*=}"; do
    ! [ "$output" -ef "$(file_of "$input")" ] || die "$output is the input $input itself: name another output"
  done
  ! is_descriptor "$output" || die "$output leads to a file: name the file itself"
  [ ! -L "$(realpath -m -- "$output")" ] || die "$output is a link that leads nowhere: name another output"
  [[ $output != *$'\n'* ]] || die "names with line breaks are not written: name another output"
  [ "$(basename -- "$output" | LC_ALL=C wc -c)" -le 256 ] || die "$output: the name is too long: name another output"
  is_utf8 "$(realpath -m -- "$output")" || die "the name $output is not UTF-8, as gst-launch-1.0 takes it: name another output"
  [ ! -d "$output" ] || die "$output is a folder: name a file"
  [ ! -f "$output" ] || "$force" || die "$output is already there: name another output, or overwrite it with --force"
  can_replace "$(realpath -m -- "$output")" || die "$output can not be replaced: it is protected (see lsattr and the folder's sticky bit)"
  [ -d "$(dirname -- "$output")" ] || die "there is no folder $(dirname -- "$output")"
}

# Immutable files can't be, even by root, nor those of others in folders like /tmp.
can_replace() {
  local folder flags
  [ -f "$1" ] || return 0
  folder=$(dirname -- "$1")
  flags=$(lsattr -d -- "$1" 2>/dev/null) || true
  [[ ${flags%% *} != *[ia]* ]] || return
  [ "$EUID" = 0 ] || [ ! -k "$folder" ] || [ -O "$folder" ] || [ -O "$1" ]
}

# Sets part, the file to write $1 into for now.
begin_output() {
  check_output "$@"
  local place
  part=$1
  ! is_device "$1" || return 0
  place=$(realpath -m -- "$1")
  part=$(mktemp -- "$(dirname -- "$place")/.dicenet-XXXXXXXX.part") || die "$1 can not be written"
  chmod "$(printf '%o' $((0666 & ~$(umask))))" "$part"
  parts[$place]=$part
}

keep_parts() {
  local place
  for place in "${!parts[@]}"; do
    keep_part "$place" || return
  done
}

# Something may have come there meanwhile.
keep_part() {
  local place=$1 part=${parts[$1]} how=-n said
  [ -e "$part" ] || fail "$place: $part, its beginning, was removed while this ran: nothing was written" || return
  ! "$force" || how=-f
  said=$(mv "$how" -T -- "$part" "$place" 2>&1) || true
  [ -e "$part" ] || return 0
  ! [ -e "$place" ] || "$force" || fail "$place came while this ran: it is left as it is" || return
  unset "parts[\$place]"
  fail "${said#mv: }: the result is in $part"
}

# Sets encoder: H.264 that every player shows. Not the encoder's own idea of a format: from RGB it would choose 4:4:4. And
# without looking ahead: it would hold back seconds of pictures, while branches that it has in common with other sinks stand
# still.
set_encoder() {
  set_even
  encoder=("${even[@]}" ! x264enc speed-preset=veryfast tune=zerolatency pass=qual quantizer=20 ! h264parse)
}

# Its sides must be even: one line is added where one is missing, which loses nothing and keeps the rest sharp. Where they
# change on the way, all pictures are brought to one size: a container has one.
set_even() {
  even=(videoconvert ! video/x-raw,format=I420)
  [ ${#size[@]} = 0 ] || even+=(! videoscale add-borders=true
    ! "video/x-raw,width=${size[0]},height=${size[1]},pixel-aspect-ratio=$par"
    ! videobox "right=-$((size[0] % 2))" "bottom=-$((size[1] % 2))")
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

# Sets sink, for what is live: a window on a desktop, JSON lines on standard output elsewhere. The window shows a picture
# as soon as it comes: to wait for a moment that holds for all (sync=true) makes each as old as the slowest one.
set_live_sink() {
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    sink=(dicenetoverlay ! videoconvert ! autovideosink sync=false)
  else
    begin_lines
    sink=(dicenetjson ! fdsink "fd=$lines")
  fi
}

# Sets lines, the descriptor to write lines to that are for standard output. fdsink goes to the start of a file first: so all
# is appended, which keeps what is there, and each line whole where several scripts write to one file. (dd sets that for
# whoever has this file open as standard output; a program between, cat, would tear lines and lose errors.)
begin_lines() {
  "$has_output" || die "standard output, where the lines would go, is closed"
  [ ! -f /dev/stdout ] || dd oflag=append conv=notrunc count=0 status=none </dev/null
  exec {lines}>&1
}
