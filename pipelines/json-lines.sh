#!/usr/bin/env bash
# A file to JSON lines: one line per frame, with its time and what the model finds in it.
#
#   json-lines.sh [--model MODEL]... [--set PROPERTY=VALUE]... [--video N] [--force] INPUT [OUTPUT.jsonl]
#
# Without OUTPUT the lines go to standard output: json-lines.sh clip.mp4 | jq .segmentation.classes
# Of several videos the first is taken, or number N. An OUTPUT that is there is overwritten only with --force; it appears
# when it is whole: Ctrl-C leaves nothing.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad and libav plugins.
# Shows: dicenetjson; pictures are decoded, looked at and thrown away, nothing is drawn or encoded.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 1 ] || [ ${#arguments[@]} = 2 ] || { usage >&2 && exit 2; }
input=${arguments[0]}
place=${arguments[1]:-}
[ "$place" != /dev/stdout ] || place=

[ -z "$place" ] || check_output "$place" "$input"
find_plugin
find_models dicenet-segment
set_reader "$input" || exit
if [ -n "$place" ] || [ ! -t 1 ]; then tell_progress; fi # else the lines themselves tell it
set_network "$input"
pipeline=("${reader[@]}" "${frames[@]}" ! "${network[@]}" ! dicenetjson "source=$(quote "$input")")

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  if [ -z "$place" ]; then
    [ ! /dev/stdout -ef "$(file_of "$input")" ] || die "standard output is the input $input itself: name another output"
    begin_lines
    [ ! -f /dev/stdout ] || [[ $input == *://* ]] || watched=true
    status=0 last=$messages.last
    launch TERM gst-launch-1.0 "${pipeline[@]}" ! tee name=lines ! queue ! fdsink "fd=$lines" \
      lines. ! queue max-size-buffers=1 leaky=downstream ! multifilesink "location=$(quote "${last//%/%%}")" || status=$?
    [ "$stopped" = 0 ] || exit "$stopped"
    [ "$status" != 141 ] || exit 141 # its reader has seen enough: json-lines.sh clip.mp4 | head
    [ "$status" = 0 ] || die "$input: ${reason:-the pipeline failed}"
    [ -e "$last" ] || no_frames "$input" || exit
    tell_early_end "$input" "$last"
    exit
  fi
  begin_output "$place" "$input"
  [[ $input == *://* ]] || watched=true
  run_to_file "$input" "${pipeline[@]}" ! filesink "location=$(quote "$part")"
  exit
}
