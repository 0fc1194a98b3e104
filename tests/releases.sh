#!/usr/bin/env bash
# Builds with the compiler and the GStreamer of a later Debian release, with warnings as errors, and runs the suites
# that depend on GStreamer there: elements, meta, interop and pipelines, without those that are slow.
#
#   releases.sh RELEASE [COMMAND...]      releases: trixie (Debian 13, GStreamer 1.26), sid (1.28 or later)
#
# With a COMMAND, runs that in the release instead, in the build folder: bash, for example. DICENET_BUILD is the build
# folder, by default build-RELEASE. The release is installed with debootstrap in DICENET_ROOTS, by default
# /var/cache/dicenet-roots, and kept; remove its folder there for newer packages. DICENET_MIRROR is where Debian comes
# from, by default http://deb.debian.org/debian. Nothing else on this machine changes: mounts and processes are in
# namespaces of their own, and end with them. Requires debootstrap (pipelines/packages.sh ci), root, and a kernel or
# container that allows namespaces; skipped (77) without, without a mirror, or where sid can't be installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=tests/roots.sh
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/roots.sh"

case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
  trixie | sid) release=$1 ;;
  *) fail "expected a release, trixie or sid, not '${1:-}': see --help" ;;
esac
build=${DICENET_BUILD:-$root/build-$release}
enter_namespaces "$@"
shift

install_packages() {
  within "$1" /mnt/dicenet/pipelines/packages.sh build run tests && within "$1" apt-get clean
}

prepare_root "$release" "$release" install_packages
if [ $# -gt 0 ]; then
  within "$folder" "$@"
  exit
fi
within "$folder" gst-inspect-1.0 --version
reconfigure=()
[ ! -e "$build/build.ninja" ] || reconfigure=(--reconfigure)
within "$folder" meson setup /mnt/build /mnt/dicenet "${reconfigure[@]}" -Dwerror=true -Danalytics=enabled
within "$folder" meson compile -C /mnt/build
within "$folder" meson test -C /mnt/build --no-rebuild --print-errorlogs \
  --suite elements --suite meta --suite interop --suite pipelines --no-suite slow
