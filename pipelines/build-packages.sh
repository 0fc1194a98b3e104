#!/usr/bin/env bash
# Builds Debian packages of the last commit: the library, the GStreamer elements, the program, the models, and what
# developers need.
#
#   build-packages.sh [FOLDER]
#
# FOLDER, by default output/packages, gets the packages and the source package that they were built from; packages of an
# earlier run are replaced. The last lines are the command that installs the elements. DEB_BUILD_OPTIONS=nocheck leaves the
# tests out. Where nvcc is found, there is also a package of the CUDA backend, unless DEB_BUILD_PROFILES is set, to nothing
# for example.
# Needs: Debian 12 or later, or a derivative; git; root, or sudo, where packages are missing.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

root=$(cd "$(dirname "$(realpath -- "${BASH_SOURCE[0]}")")/.." && pwd)

die() { echo "error: $1" >&2 && exit 1; }

usage() { sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0"; }

in_git() { git -C "$root" "$@"; }

check_commit() {
  in_git rev-parse HEAD >/dev/null || die "$root is not a git checkout: packages are made from a commit"
  in_git diff-index --quiet HEAD -- || {
    in_git status --short --untracked-files=no >&2
    die "these changes would not be in the packages: commit them first, or stash them"
  }
}

# Sets version and source, the folder of the source package, and writes debian/ into that. Same commit, same files.
prepare_debian() {
  version=$(sed -n "s/^  version: '\(.*\)',\$/\1/p" "$root/meson.build")
  source=$work/dicenet-$version
  mkdir "$source"
  cp -r "$root/pipelines/debian" "$source/debian"
  cat >"$source/debian/changelog" <<EOF
dicenet ($version-1) unstable; urgency=medium

  * Version $version; CHANGELOG.md tells what is new.

 -- $(sed -n 's/^Maintainer: //p' "$source/debian/control")  $(in_git log -1 --format=%cD)
EOF
}

install_build_dependencies() {
  (cd "$source" && dpkg-checkbuilddeps >/dev/null 2>&1) && return
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "packages are missing, and there is no sudo. As root, run: apt-get build-dep $source"
    as_root=(sudo)
  fi
  echo "Installing with apt-get what the build needs"
  "${as_root[@]}" apt-get update -qq
  # Without the environment, which sudo drops, it would not know of the profiles.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES:-}" \
    DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-}" apt-get build-dep -qq -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 "$source" >/dev/null
}

# The upstream tarball: what it holds does not depend on the options, and the library alone is configured fastest.
make_tarball() {
  local log=$work/dist.log
  { meson setup "$work/dist" "$root" -Dgst=disabled -Dcuda=disabled -Dintrospection=disabled -Dtests=false &&
    meson dist -C "$work/dist" --no-tests; } >"$log" 2>&1 || { cat "$log" >&2 && die "meson dist failed, see above"; }
  mv "$work/dist/meson-dist/dicenet-$version.tar.xz" "$work/dicenet_$version.orig.tar.xz"
  mv "$source/debian" "$work/debian"
  tar -C "$work" -xf "$work/dicenet_$version.orig.tar.xz"
  mv "$work/debian" "$source/debian"
}

keep_results() {
  mkdir -p -- "$output"
  rm -f -- "$output"/{dicenet,dicenet-*,gir1.2-*dicenet*,gstreamer1.0-dicenet*,lib*dicenet*}_*
  mv -- "$work"/*_"$version"* "$output"
}

tell_how_to_install() {
  echo "To install the elements, the program and the models:"
  echo "  sudo apt install $output/{libdicenet0,libgstdicenetmeta-1.0-0,gstreamer1.0-dicenet,dicenet,dicenet-models}_*.deb"
}

case ${1:-} in
  --help | -h) usage && exit 0 ;;
esac
if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then usage >&2 && exit 2; fi
output=$(realpath -m -- "${1:-$root/output/packages}")
if command -v nvcc /usr/local/cuda/bin/nvcc >/dev/null; then
  export DEB_BUILD_PROFILES=${DEB_BUILD_PROFILES-pkg.dicenet.cuda}
fi

for program in git apt-get; do
  command -v "$program" >/dev/null || die "there is no $program, which this needs: see --help"
done
check_commit
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
prepare_debian
install_build_dependencies
make_tarball
cd "$source"
dpkg-source --build . >/dev/null
dpkg-buildpackage --build=binary --no-sign
keep_results
tell_how_to_install
