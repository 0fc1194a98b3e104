#!/usr/bin/env bash
# A file to an annotated file: what the models find is drawn on every frame, the sound is kept.
#
#   annotate.sh [--model MODEL]... [--set PROPERTY=VALUE]... [--video N] [--force] INPUT OUTPUT
#
# INPUT is a video file of any kind that GStreamer reads, or an address (https://...). Masks, boxes or class names are
# drawn, after what the models are for. OUTPUT ends in .mkv (H.264 and Opus), .mp4 (H.264 and AAC) or .webm (VP8 and Opus).
# All sound is kept, subtitles are not. Of several videos the first is taken, or number N. Sides of odd length get one line
# more. A file that is there is overwritten only with --force. It appears when it is whole: Ctrl-C leaves nothing.
# --model is a model file, or the name of one in models/ (dicenet-segment); several run one after the other on each frame.
# --set passes a property on to the elements that have it: --set inference-interval=5, say.
# Needs: the plugin (built or installed), GStreamer's base, good, bad, ugly and libav plugins.
# Shows: dicenetoverlay, and how a second branch of the same file reaches the same container in step.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=pipelines/common.sh
source "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/common.sh"

read_options "$@"
[ ${#arguments[@]} = 2 ] || { usage >&2 && exit 2; }
input=${arguments[0]}
place=${arguments[1]}

# Sets muxer and tone for the container that the name of the output asks for.
set_container() {
  tone=opusenc
  case ${place##*/} in
    *.mkv) muxer=matroskamux ;;
    *.mp4) muxer=mp4mux tone=avenc_aac ;;
    *.webm) muxer=webmmux ;;
    *) die "the output's name must end in .mkv, .mp4 or .webm, not '${place##*/}'" ;;
  esac
}

# Sets picture, the encoder that goes with the container.
set_picture() {
  [ "$muxer" = matroskamux ] || { [ "${size[0]:-16}" -gt 14 ] && [ "${size[1]:-16}" -gt 14 ]; } ||
    die "$input has ${size[0]} x ${size[1]} pixels, and .${place##*.} needs 15 a side at least: name an output that ends in .mkv"
  set_encoder
  picture=("${encoder[@]}")
  [ "$muxer" != webmmux ] ||
    picture=("${even[@]}" ! vp8enc deadline=1 cpu-used=8 end-usage=cq cq-level=20 target-bitrate=10000000)
}

set_container
check_output "$place" "$input"
find_plugin
find_models dicenet-segment
set_reader "$input" || exit
set_picture
set_sound "$tone"
tell_progress
set_network "$input"
begin_output "$place" "$input"
[[ $input == *://* ]] || watched=true

{ # to its end in one piece: bash reads on in a script that may have been changed meanwhile
  run_to_file "$input" "${reader[@]}" \
    "${frames[@]}" ! "${network[@]}" ! dicenetoverlay ! "${picture[@]}" ! queue ! container. \
    "${sound[@]}" \
    "$muxer" name=container ! filesink "location=$(quote "$part")"
  exit
}
