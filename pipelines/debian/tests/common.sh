# What the tests of the installed packages share; to be sourced. They run in the source folder, but use nothing that was
# built there. They write into a folder of their own; what they say on standard error counts as a failure.
# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
source_folder=$(cd "$tests/../.." && pwd)
photo=/usr/share/pixmaps/faces/cat.jpg # from GNOME's settings
cd "$AUTOPKGTEST_TMP"
export HOME=$AUTOPKGTEST_TMP

fail() { echo "$1" >&2 && exit 1; }

# A photo of a cat as a video of four frames, clip.mkv.
make_clip() {
  gst-launch-1.0 -q filesrc "location=$photo" ! jpegdec ! imagefreeze num-buffers=4 ! videoconvert ! jpegenc ! matroskamux ! \
    filesink location=clip.mkv
}
