# Roots of Debian releases, installed with debootstrap and kept; to be sourced. What a script mounts and starts is in
# namespaces of its own, and ends with it: nothing else on this machine changes.
#
# DICENET_ROOTS is the folder of the roots, by default /var/cache/dicenet-roots. DICENET_MIRROR is where Debian comes from,
# by default http://deb.debian.org/debian. Needs debootstrap, root, and a kernel or container that allows namespaces;
# the script is skipped (77) without, and without a mirror.
# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

self=$(realpath "$0")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
roots=${DICENET_ROOTS:-/var/cache/dicenet-roots}
mirror=${DICENET_MIRROR:-http://deb.debian.org/debian}

fail() { echo "$(basename "$self"): $1" >&2 && exit 1; }
skip() { echo "$(basename "$self"): $1: skipped" >&2 && exit 77; }

# To be called first, with the script's arguments. Outside of namespaces, it runs the script again within them, and exits
# as that does. Whatever ends this process, the kernel kills the first one in the namespaces, and so all others.
enter_namespaces() {
  if [ -n "${DICENET_NAMESPACED:-}" ]; then
    unset DICENET_NAMESPACED
    trap 'exit 130' INT # the first process of a namespace ignores what it has no trap for
    trap 'exit 143' TERM
    mkdir -p "$roots"
    roots=$(realpath "$roots")
    return
  fi
  [ "$(id -u)" = 0 ] || skip "only root may install a release"
  command -v debootstrap >/dev/null || skip "debootstrap not found: pipelines/packages.sh ci installs it"
  local into=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc)
  "${into[@]}" true 2>/dev/null || skip "no namespaces for mounts and processes here (a container without CAP_SYS_ADMIN?)"
  DICENET_NAMESPACED=1 "${into[@]}" "$self" "$@"
  exit
}

# mounted FOLDER COMMAND...: runs a command of this machine while a root has what the kernel offers, an empty /tmp and the
# project, read-only, at /mnt/dicenet; the folder $build, at /mnt/build, and reference data, at /mnt/shared, where they exist.
mounted() {
  # shellcheck disable=SC2016,SC2154 # the inner shell expands it; the script sets $build
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
    exec "$@"
  ' bash "$1" "$root" "$build" "${DICENET_SHARED:-$root/../shared}" "${@:2}"
}

# within FOLDER COMMAND...: runs a command in a root, in /mnt/build.
within() {
  mounted "$1" chroot "$1" env -i --chdir=/mnt/build PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp LANG=C.UTF-8 TERM="${TERM:-dumb}" http_proxy="${http_proxy:-}" DEBIAN_FRONTEND=noninteractive "${@:2}"
}

# bootstrap FOLDER RELEASE: the smallest system. The mirror's lists of sid may be older than the week for which they are
# valid. No service starts in a root.
bootstrap() {
  rm -rf "$1"
  debootstrap --variant=minbase "$2" "$1" "$mirror" &&
    echo 'Acquire::Check-Valid-Until "false";' >"$1/etc/apt/apt.conf.d/90valid" &&
    echo 'APT::Get::Assume-Yes "true";' >"$1/etc/apt/apt.conf.d/90yes" &&
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/speed" &&
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" &&
    chmod +x "$1/usr/sbin/policy-rc.d"
}

# prepare_root NAME RELEASE FUNCTION: sets folder to the root of this name. FUNCTION FOLDER installs what is missing; it may
# have been interrupted before. A new root gets its name only when it is whole.
prepare_root() {
  folder=$roots/$1
  if grep -q "^[^ ]* $folder" /proc/self/mounts; then fail "something is mounted in $folder: unmount it"; fi
  (
    flock 9 # one at a time
    if [ -d "$folder" ] && update_root "$folder" "$3"; then exit; fi
    wget -q --tries 2 --timeout 30 -O /dev/null "$mirror/dists/$2/InRelease" || skip "no $2 at $mirror"
    echo "Installing $2 in $folder"
    { bootstrap "$folder.new" "$2" && update_root "$folder.new" "$3" && rm -rf "$folder" && mv "$folder.new" "$folder"; } \
      >"$folder.log" 2>&1 && exit
    tail -n 5 "$folder.log" >&2
    [ "$2" != sid ] || skip "sid can't be installed now, see $folder.log"
    fail "$2 can't be installed, see $folder.log"
  ) 9>"$folder.lock"
}

# Internal: makes a root, new or old, what it should be.
update_root() {
  cp -L /etc/resolv.conf "$1/etc/resolv.conf" && within "$1" dpkg --configure -a && "$2" "$1"
}

# prepare_clean RELEASE: a root of the smallest system, for fresh. It must not change while a script uses a copy of it, so
# one script at a time has it, to its end.
prepare_clean() {
  exec 8>"$roots/$1-clean.user"
  flock 8
  prepare_root "$1-clean" "$1" upgrade
}

upgrade() {
  within "$1" apt-get update -qq && within "$1" apt-get upgrade -qq -y >/dev/null
}

# fresh RELEASE: sets folder to a copy of its clean root that forgets its changes when the script ends, or when this is
# called again. Packages that are downloaded there are kept.
fresh() {
  local place=$roots/fresh archives=$roots/$1-archives
  folder=$place/root
  umount --recursive "$place" 2>/dev/null || true
  mkdir -p "$place" "$archives/partial"
  mount -t tmpfs -o size=75% tmpfs "$place"
  mkdir "$place"/{changes,work,root}
  mount -t overlay -o "lowerdir=$roots/$1-clean,upperdir=$place/changes,workdir=$place/work" overlay "$folder"
  mount --bind "$archives" "$folder/var/cache/apt/archives"
}

# Installs packages in the root $folder.
install() {
  within "$folder" apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

# A checkout of the last commit, which git in a root can read: $build/dicenet.
clone() {
  git -C "$root" rev-parse HEAD >/dev/null || skip "$root is not a git checkout, whose last commit this is about"
  rm -rf "$build/dicenet"
  git clone --quiet --depth 1 "file://$root" "$build/dicenet"
}

# readme_commands N: the N-th block of the README's section Install.
readme_commands() {
  awk -v n="$1" '/^## /{section = $0 == "## Install"} section && /^```/{inside = !inside; count += inside; next}
    section && inside && count == n' "$root/README.md"
}

# within_clone COMMANDS [VARIABLE=VALUE...]: lets a shell run them in the root $folder, in the checkout, with a cache of
# compilations.
within_clone() {
  within "$folder" env --chdir=/mnt/build/dicenet PATH=/usr/lib/ccache:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CCACHE_DIR=/mnt/build/ccache "${@:2}" bash -euo pipefail -c "$1"
}
