#!/usr/bin/env bash
# Installs the last commit as the README says, in clean roots of a Debian release: from source, and as a Meson subproject.
# tests/packages.sh is for the packages.
#
#   install.sh RELEASE      releases: bookworm (Debian 12), trixie (Debian 13)
#
# DICENET_BUILD is where it is built, by default build-install-RELEASE. Roots are as in tests/roots.sh, with the smallest
# system only. Requires debootstrap (pipelines/packages.sh ci), root, and a kernel or container that allows namespaces and
# overlays; skipped (77) without, and without a mirror.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=tests/roots.sh
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/roots.sh"

case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
  bookworm | trixie) release=$1 ;;
  *) fail "expected a release, bookworm or trixie, not '${1:-}': see --help" ;;
esac
build=${DICENET_BUILD:-$root/build-install-$release}
enter_namespaces "$@"

mkdir -p "$build"
prepare_clean "$release"
clone
fresh "$release"
install ccache sudo
within_clone "$(readme_commands 2)"
within "$folder" gst-launch-1.0 -q videotestsrc num-buffers=2 ! videoconvert ! dicenetdetect overlay=true ! dicenetjson ! fakesink
within "$folder" dicenet info dicenet-segment
within_clone "sudo ninja -C build uninstall"
if within "$folder" gst-inspect-1.0 dicenetdetect >/dev/null 2>&1; then fail "uninstall left the plugin"; fi

# The README's third block is part of the test's project.
fresh "$release"
install ccache
within_clone "pipelines/packages.sh build run && DICENET_BUILD=/tmp DICENET_TEST_MODELS=/tmp python3 tests/pipelines/test_subproject.py"
