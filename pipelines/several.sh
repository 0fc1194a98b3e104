#!/usr/bin/env bash
# Several files at once: one process, one branch per file, one copy of the model in memory for all of them.
#
#   several.sh [--model MODEL]... [--set PROPERTY=VALUE]... [--video N] [--force] INPUT INPUT...
#
# Writes NAME.jsonl for each INPUT into the current folder, one line per frame; over one that is there only with --force.
# A file that can not be read is named and left out. Where one fails on the way, each is done again by itself. The exit status
# is 1 if any failed. Ctrl-C leaves nothing unfinished. Of several videos in a file the first is taken, or number N.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad and libav plugins.
# Shows: branches of one pipeline; elements with the same model file share its weights, and each has a session of its own
# with a share of the processors.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

read_options "$@"
[ ${#arguments[@]} -gt 1 ] || { usage >&2 && exit 2; }
find_plugin
find_models dicenet-segment

# Sets branch: from one file to its lines. Names are the pipeline's: each branch needs its own.
set_branch() {
  local input=$1 number=$2
  set_reader "$input" || return
  set_network "$input"
  branch=("${reader[@]/name=decoder/name=decoder$number}" "${frames[@]/decoder./decoder$number.}" ! "${network[@]}"
    ! dicenetjson "source=$(quote "$input")" ! filesink "location=$(quote "${parts[${places[$input]}]}")")
}

# Gives the results of these files their names.
keep() {
  local input
  for input; do
    set_reader "$input" # for its duration
    has_frames "${parts[${places[$input]}]}" || no_frames "$input" || { bad+=("$input") && continue; }
    tell_early_end "$input" "${parts[${places[$input]}]}"
    keep_part "${places[$input]}" || { bad+=("$input") && continue; }
    say "Written: ${places[$input]##*/}"
  done
}

# The files of the whole pipeline one by one.
run_each() {
  local i
  for i in "${!good[@]}"; do
    # Which may have changed meanwhile.
    if check_input "${good[i]}" && set_branch "${good[i]}" "$i" && launch TERM gst-launch-1.0 "${branch[@]}"; then
      keep "${good[i]}"
    else
      end_if_stopped
      [ -z "$reason" ] || say "error: ${good[i]}: $reason"
      bad+=("${good[i]}")
    fi
    reason=
  done
}

declare -A places=()
good=()
bad=()
for input in "${arguments[@]}"; do
  name=$(stem_of "$input").jsonl
  place=$(realpath -m -- "$name")
  for other in "${!places[@]}"; do
    [ "${places[$other]}" != "$place" ] || die "'$input' and '$other' would both be written to $name: rename one"
  done
  check_output "./$name" "${arguments[@]}"
  places[$input]=$place
done
for input in "${arguments[@]}"; do
  if set_reader "$input"; then good+=("$input"); else bad+=("$input"); fi
done

threads=$((${#good[@]} ? $(nproc) / ${#good[@]} : 1))
properties=("threads=$((threads > 0 ? threads : 1))" "${properties[@]}")
tell_progress
pipeline=()
durations=()
for i in "${!good[@]}"; do
  begin_output "${places[${good[i]}]}" "${arguments[@]}"
  set_branch "${good[i]}" "$i"
  pipeline+=("${branch[@]}")
  durations+=("$duration")
done
whole=0
[[ " ${durations[*]} " == *' 0 '* ]] || whole=$(sum "${durations[@]}")

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  watched=true
  if [[ "${good[*]}" == *://* ]]; then watched=false; fi
  shows_errors=false
  if [ ${#good[@]} = 0 ]; then
    :
  elif launch TERM gst-launch-1.0 "${pipeline[@]}"; then
    keep "${good[@]}"
  else
    end_if_stopped
    shows_errors=true
    say "One of the files failed: each is done again by itself"
    reason=
    run_each
  fi
  [ ${#bad[@]} = 0 ] || die "not done, see above: ${bad[*]}"
  exit
}
