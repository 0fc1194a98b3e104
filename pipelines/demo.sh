#!/usr/bin/env bash
# The whole way in one command: installs what is missing, builds, and finds in a video what the models know: masks, boxes
# and tags.
#
#   demo.sh [--as-is] [--show] [--model MODEL]... [--set PROPERTY=VALUE]... [--seconds N] [--video N] [--force] [INPUT]
#
# INPUT is a video file, a camera (/dev/video0), or an address (rtsp://... or https://...). Without one, photos from a
# Debian package move across the frame. Into output/NAME/ go annotated.mkv, results.jsonl with one line per frame, and
# frame-*.png, one picture per second. A camera or an rtsp address is recorded for 10 seconds, or for --seconds.
# Ctrl-C ends it early; what was made by then is whole and kept. Results of an earlier run are overwritten only with --force
# (those of the photos in output/ always), other files are left alone. All sound is kept; of several videos the first is taken, or number N.
# --as-is installs and builds nothing. --show opens a window as well. --model takes others than the three of models/: a file,
# or a name from DICENET_MODEL_PATH; --set passes a property on to the elements that have it.
# Needs: Debian 12 or later, or a relative of it; root, or sudo, where packages are missing; a connection for them and for
# the photos. DICENET_BUILD names another folder than build/, DICENET_OUTPUT another than output/.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

photos=(cat.jpg hummingbird.jpg surfer.jpg plane.jpg)

install_and_build() {
  local groups=(build run)
  "$show" && groups+=(show)
  "$here/packages.sh" "${groups[@]}"
  say "Building into $build"
  [ -e "$build/build.ninja" ] || quietly meson setup "$build" "$root" -Dtests=false
  quietly meson compile -C "$build"
}

# The output of a command only if it fails.
quietly() {
  local log
  log=$("$@" 2>&1) || { say "$log" && die "failed, see above: $*"; }
}

# Sets photo_folder: GNOME's pictures for user accounts, installed or unpacked here.
find_photos() {
  local package unpacked=$build/photos
  for photo_folder in /usr/share/pixmaps/faces "$unpacked"/usr/share/pixmaps/faces; do
    [ ! -e "$photo_folder/${photos[0]}" ] || return 0
  done
  mkdir -p "$unpacked"
  for package in gnome-control-center-data gnome-control-center-faces; do
    say "Downloading photos: the Debian package $package, which is unpacked but not installed"
    (cd "$unpacked" && apt-get download "$package" && dpkg-deb --extract "$package"_*.deb . && rm "$package"_*.deb) \
      >/dev/null 2>&1 || continue
    [ ! -e "$photo_folder/${photos[0]}" ] || return 0
  done
  die "no photos could be downloaded; give the demo a video file: demo.sh clip.mp4"
}

make_photo_clip() {
  find_photos
  input=$work/photos.mkv
  "$build/pipelines/photo-clip" "$input" "${photos[@]/#/$photo_folder/}" 2>&1 || die "the photos could not be made a clip"
}

# Sets pipeline. Three ways leave the networks: JSON lines, the video, a picture each second (and a window). A sink waits
# until all have their first frame, and the container's may need many: so what is small has queues without a limit in time
# before its sink, and nothing stops the others. (With async=false, which would not wait, GStreamer 1.22 may lose the end.)
set_pipeline() {
  tell_progress
  set_encoder
  set_sound opusenc
  set_network "$input"
  local queue=(queue max-size-time=0 max-size-buffers=0)
  # shellcheck disable=SC2054
  pipeline=("${reader[@]}" "${frames[@]}" ! "${network[@]}" ! tee name=results
    results. ! queue ! dicenetjson "source=$(quote "${source:-photos.mkv}")" ! "${queue[@]}"
    ! filesink buffer-mode=unbuffered "location=$(quote "$work/results.jsonl")"
    results. ! queue ! dicenetoverlay ! tee name=pictures
    pictures. ! queue ! "${encoder[@]}" ! "${queue[@]}" ! container.
    matroskamux name=container ! filesink "location=$(quote "$work/annotated.mkv")"
    pictures. ! queue ! videorate ! video/x-raw,framerate=1/1 ! videoconvert ! pngenc ! "${queue[@]}"
    ! multifilesink "location=$(quote "${work//%/%%}/frame-%03d.png")" max-files=100
    "${sound[@]}")
  ! "$show" || pipeline+=(pictures. ! queue ! videoconvert ! autovideosink sync=false)
}

run_pipeline() {
  if is_live "$input"; then seconds=${seconds:-10} at_once=true; fi
  [[ $input == *://* ]] || is_camera "$input" || watched=true
  say "Running ${elements[*]} on ${source:-photos.mkv}; Ctrl-C ends it early"
  set_launcher
  launch INT "${launcher[@]}" "${pipeline[@]}" || die "$input: ${reason:-the pipeline failed}: nothing was written"
  [ -e "$work/results.jsonl" ] && [ -e "$work/annotated.mkv" ] || [ "$stopped" != 0 ] ||
    die "$work, where the results were made, was removed while this ran, or part of it: nothing was written"
  [ -s "$work/results.jsonl" ] || { end_if_stopped && no_frames "$input"; } || exit
  [ "$stopped" != 0 ] || [ -n "$seconds" ] || tell_early_end "$input" "$work/results.jsonl"
}

# The files that an earlier run wrote into the folder, or this one into the given one.
find_results() {
  shopt -s nullglob
  results=("$1"/frame-[0-9][0-9][0-9].png "$1"/frame-[0-9][0-9][0-9][0-9].png)
  shopt -u nullglob
  local name
  for name in annotated.mkv results.jsonl photos.mkv; do
    [ ! -e "$1/$name" ] || results+=("$1/$name")
  done
}

check_results() {
  local file
  find_results "$output_folder"
  for file in "${results[@]}"; do
    check_output "$file" ${input:+"$input"}
  done
}

# Everything is made in a folder of its own first, and pictures of an earlier, longer run do not stay among the new ones.
make_work_folder() {
  mkdir -p -- "$output_folder" 2>/dev/null || die "the folder $output_folder can not be made: name another by DICENET_OUTPUT"
  output_folder=$(realpath -- "$output_folder")
  work=$(mktemp -d -- "$output_folder/.dicenet-XXXXXXXX" 2>/dev/null) || die "nothing can be written into $output_folder"
  trap 'clean_up; rm -rf -- "$work"; rmdir -- "$output_folder" 2>/dev/null || true' EXIT
}

keep_results() {
  find_results "$output_folder"
  if [ ${#results[@]} -gt 0 ] && ! "$force"; then
    trap clean_up EXIT
    die "results came into $output_folder while this ran: they are left as they are, and these are in $work"
  fi
  if ! { rm -f -- "${results[@]}" && find_results "$work" && mv -- "${results[@]}" "$output_folder"; }; then
    trap clean_up EXIT
    die "not all results could be put into $output_folder: the others are in $work"
  fi
}

show_where() {
  local pictures=("$output_folder"/frame-*.png)
  say "" "Done: $(wc -l <"$output_folder/results.jsonl") frames. Look at:"
  say "  $output_folder/annotated.mkv    the video, with what was found drawn on it"
  say "  ${pictures[${#pictures[@]} / 2]}    one of its frames"
  say "  $output_folder/results.jsonl    one line per frame"
}

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  read_options "$@"
  [ ${#arguments[@]} -lt 2 ] || { usage >&2 && exit 2; }
  input=${arguments[0]:-}
  source=$input
  if [ -n "$input" ]; then check_input "$input" || exit; fi # a wrong name is better told now than after the build
  output_folder=${DICENET_OUTPUT:-$root/output}/$(stem_of "${input:-photos}")

  [ -n "$source${DICENET_OUTPUT:-}" ] || force=true
  check_results

  "$as_is" || install_and_build
  find_plugin
  find_models dicenet-segment dicenet-detect dicenet-classify
  [ -z "$input" ] || set_reader "$input" || exit
  make_work_folder
  [ -n "$input" ] || { make_photo_clip && set_reader "$input" || exit; }
  set_pipeline
  run_pipeline
  keep_results
  show_where
  exit
}
