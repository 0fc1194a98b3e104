# How far a pipeline is: frames, percent, frames per second and the time that remains, on a line that is overwritten on a
# terminal, and on a line every 10 seconds elsewhere (DICENET_PROGRESS names another number). To be sourced by common.sh.
# shellcheck shell=bash disable=SC2034,SC2054,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later

interval=${DICENET_PROGRESS:-10}
[[ $interval =~ ^[1-9][0-9]{0,8}$ ]] || die "DICENET_PROGRESS must be a whole number of seconds from 1, not '$interval'"

# Sets report: to be put behind what takes the time. Elements write how many frames came, and the time in the stream of the
# last; the names of those of several branches are numbers, the second one's is odd.
report=()
tell_progress() {
  report=(! progressreport update-freq=1 do-query=false format=buffers
    ! progressreport update-freq=1 do-query=false format=time)
}

# Of the pipeline that runs. whole: nanoseconds of all its files together, 0 where that is unknown.
whole=0
counts=() times=() launched='' began='' first_count=0 first_time=0 told=0

# Reads a line of progressreport, and tells when it is time to.
note_progress() {
  [[ $1 =~ ^progressreport([0-9]+)\ [^:]*:[^:]*:[^:]*:\ ([0-9]+)\ (buffers|seconds)$ ]] || return 0
  local now=${EPOCHREALTIME/[.,]/} wait=$((interval * 1000000))
  if [ "${BASH_REMATCH[3]}" = seconds ]; then
    times[BASH_REMATCH[1]]=${BASH_REMATCH[2]}
    return 0
  fi
  counts[BASH_REMATCH[1]]=${BASH_REMATCH[2]}
  [ -n "$began" ] || { began=$now told=$now first_count=$(sum "${counts[@]}") first_time=$(sum "${times[@]}"); }
  [ ! -t 2 ] || wait=0
  [ $((now - told)) -ge "$wait" ] || return 0
  told=$now
  show_line "$(describe_progress "$now")"
}

sum() {
  local total=0 number
  for number; do total=$((total + number)); done
  echo "$total"
}

# At $1, in microseconds: all rates are those since the first report, as models take a while to load.
describe_progress() {
  local count time elapsed=$(($1 - began)) share='' left='' total=$((whole / 1000000000))
  count=$(sum "${counts[@]}") time=$(sum "${times[@]}")
  if [ -n "$seconds" ] && [ -n "${launcher:-}" ]; then
    time=$((($1 - launched) / 1000000)) total=$seconds
    left=$((total - time))
  elif [ "$time" -gt "$first_time" ]; then
    left=$(((total - time) * elapsed / (time - first_time) / 1000000))
  fi
  printf '%d frames' "$count"
  [ "$total" = 0 ] || printf ', %d %%' $((time < total ? 100 * time / total : 100))
  [ "$count" -le "$first_count" ] || print_rate $((10000000 * (count - first_count) / elapsed))
  [ "$total" = 0 ] || [ -z "$left" ] || print_left $((left > 0 ? left : 0))
}

print_rate() { printf ', %d.%d fps' $(($1 / 10)) $(($1 % 10)); }

print_left() {
  if [ "$1" -ge 3600 ]; then
    printf ', %d:%02d:%02d left' $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60))
  else
    printf ', %d:%02d left' $(($1 / 60)) $(($1 % 60))
  fi
}

show_line() {
  if [ -t 2 ]; then printf '\r\e[K%s' "$1" >&2; else say "$1"; fi
}

# For what comes over that line.
clear_line() { [ ! -t 2 ] || [ -z "$began" ] || printf '\r\e[K' >&2; }
