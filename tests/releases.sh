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
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
root=$(cd "$(dirname "$self")/.." && pwd)
roots=${DICENET_ROOTS:-/var/cache/dicenet-roots}
mirror=${DICENET_MIRROR:-http://deb.debian.org/debian}

fail() { echo "releases.sh: $1" >&2 && exit 1; }
skip() { echo "releases.sh: $1: skipped" >&2 && exit 77; }

namespaced=''
case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
  --namespaced) namespaced=1 && shift ;;
esac
case ${1:-} in
  trixie | sid) release=$1 && shift ;;
  *) fail "expected a release, trixie or sid, not '${1:-}': see --help" ;;
esac
build=${DICENET_BUILD:-$root/build-$release}

# Whatever ends this process, the kernel kills the first one in the namespaces, and so all others.
if [ -z "$namespaced" ]; then
  [ "$(id -u)" = 0 ] || skip "only root may install a release"
  command -v debootstrap >/dev/null || skip "debootstrap not found: pipelines/packages.sh ci installs it"
  into=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc)
  "${into[@]}" true 2>/dev/null || skip "no namespaces for mounts and processes here (a container without CAP_SYS_ADMIN?)"
  "${into[@]}" "$self" --namespaced "$release" "$@"
  exit
fi
trap 'exit 130' INT # the first process of a namespace ignores what it has no trap for
trap 'exit 143' TERM

# Runs a command in a root where the project is mounted.
within() {
  # shellcheck disable=SC2016 # the inner shell expands it
  unshare --mount bash -euc '
    folder=$1 root=$2 build=$3 shared=$4
    shift 4
    for system in proc sys dev; do mount --rbind "/$system" "$folder/$system"; done
    mount -t tmpfs tmpfs "$folder/tmp"
    mkdir -p "$folder"/mnt/{dicenet,shared,build} "$build"
    mount --bind "$root" "$folder/mnt/dicenet"
    mount -o remount,bind,ro "$folder/mnt/dicenet"
    mount --bind "$build" "$folder/mnt/build"
    if [ -d "$shared" ]; then mount --bind "$shared" "$folder/mnt/shared"; fi
    exec chroot "$folder" env -i --chdir=/mnt/build PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
      TERM="${TERM:-dumb}" http_proxy="${http_proxy:-}" DEBIAN_FRONTEND=noninteractive "$@"
  ' bash "$1" "$root" "$build" "${DICENET_SHARED:-$root/../shared}" "${@:2}"
}

# Installs the packages that are missing.
install_packages() {
  cp -L /etc/resolv.conf "$1/etc/resolv.conf" &&
    within "$1" dpkg --configure -a && # it may have been interrupted
    within "$1" /mnt/dicenet/pipelines/packages.sh build run tests &&
    within "$1" apt-get clean
}

# A root gets its name only when it is whole. The mirror's lists of sid may be older than the week for which they are
# valid. No service starts in a root.
make_root() {
  rm -rf "$folder.new"
  debootstrap --variant=minbase "$release" "$folder.new" "$mirror" &&
    echo 'Acquire::Check-Valid-Until "false";' >"$folder.new/etc/apt/apt.conf.d/90valid" &&
    echo force-unsafe-io >"$folder.new/etc/dpkg/dpkg.cfg.d/speed" &&
    printf '#!/bin/sh\nexit 101\n' >"$folder.new/usr/sbin/policy-rc.d" &&
    chmod +x "$folder.new/usr/sbin/policy-rc.d" &&
    install_packages "$folder.new" &&
    rm -rf "$folder" && mv "$folder.new" "$folder"
}

prepare() {
  local log=$folder.log
  if [ -d "$folder" ] && install_packages "$folder"; then return; fi
  wget -q --tries 2 --timeout 30 -O /dev/null "$mirror/dists/$release/InRelease" || skip "no $release at $mirror"
  echo "Installing $release in $folder"
  make_root >"$log" 2>&1 && return
  tail -n 5 "$log" >&2
  [ "$release" != sid ] || skip "sid can't be installed now, see $log"
  fail "$release can't be installed, see $log"
}

mkdir -p "$roots"
folder=$(realpath "$roots")/$release
if grep -q "^[^ ]* $folder" /proc/self/mounts; then fail "something is mounted in $folder: unmount it"; fi
(
  flock 9 # one at a time
  prepare
) 9>"$folder.lock"

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
