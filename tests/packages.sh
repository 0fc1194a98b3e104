#!/usr/bin/env bash
# Builds the Debian packages of the last commit as the README says, in a clean root of a Debian release; checks them with
# lintian; installs them in other clean roots, as the README says, and removes them again; and runs their own tests there
# (autopkgtest, pipelines/debian/tests).
#
#   packages.sh RELEASE [--check] [--twice]      releases: bookworm (Debian 12), trixie (Debian 13)
#
# --check runs the tests of the build as well. --twice builds again, elsewhere and without a cache, and compares the packages
# bit by bit. DICENET_BUILD is where they are built, by default build-packages-RELEASE; packages come into the folder
# dicenet/output there, what their tests say into autopkgtest. Roots are as in tests/roots.sh, with the smallest system only.
# Requires autopkgtest and debootstrap (pipelines/packages.sh ci), root, and a kernel or container that allows namespaces and
# overlays; skipped (77) without, and without a mirror.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck source=tests/roots.sh
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/roots.sh"

case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
  bookworm | trixie) release=$1 ;;
  *) fail "expected a release, bookworm or trixie, not '${1:-}': see --help" ;;
esac
check=nocheck twice=false
for option in "${@:2}"; do
  case $option in
    --check) check= ;;
    --twice) twice=true ;;
    *) fail "expected --check or --twice, not '$option': see --help" ;;
  esac
done
build=${DICENET_BUILD:-$root/build-packages-$release}
enter_namespaces "$@"
command -v autopkgtest >/dev/null || skip "autopkgtest not found: pipelines/packages.sh ci installs it"

# build_packages VARIABLE=VALUE...
build_packages() {
  fresh "$release"
  install ca-certificates ccache git
  within_clone "$(readme_commands 1 | head -n 1)" DEB_BUILD_OPTIONS="$check parallel=$(nproc)" "$@" | tee "$build/build.log"
  grep -qF "$(readme_commands 1 | grep -o '{.*')" "$build/build.log" || fail "the script and the README install different packages"
}

# These packages are not for Debian's archive, which would know of a bug that their first version closes.
run_lintian() {
  install lintian
  within "$folder" bash -c 'lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs --info \
    dicenet/output/packages/dicenet_*.dsc dicenet/output/packages/dicenet_*.changes'
}

# What the README says next, and then everything goes, and nothing stays.
try_installation() {
  local before=$build/before after=$build/after
  fresh "$release"
  install sudo gstreamer1.0-tools
  list_files >"$before"
  within_clone "$(readme_commands 1 | tail -n +2)"
  within "$folder" gst-launch-1.0 -q videotestsrc num-buffers=2 ! videoconvert ! dicenetdetect overlay=true ! dicenetjson ! fakesink
  within "$folder" dicenet info dicenet-segment
  within "$folder" apt-get purge -qq -y --autoremove '?name(dicenet)' >/dev/null
  list_files >"$after"
  ! diff "$before" "$after" | grep dicenet || fail "these files stay when the packages are removed"
}

list_files() { within "$folder" find / -xdev -not -path '/tmp/*' -not -path '/var/cache/apt/*' -not -path '/mnt/*' | sort; }

run_package_tests() {
  fresh "$release"
  rm -rf "$build/autopkgtest"
  mounted "$folder" autopkgtest --no-built-binaries --output-dir "$build/autopkgtest" "$packages"/*.deb "$packages"/*.dsc \
    -- chroot "$folder" >"$build/autopkgtest.log" 2>&1 || { tail -n 100 "$build/autopkgtest.log" && fail "a package's tests fail"; }
  cat "$build/autopkgtest/summary"
}

compare() {
  (cd "$packages" && sha256sum -- *.deb) >"$build/first.sha256"
  rm -r "$packages"
  build_packages CCACHE_DISABLE=1
  (cd "$packages" && sha256sum --check --quiet "$build/first.sha256") || fail "the second build's packages differ"
  echo "the second build's $(wc -l <"$build/first.sha256") packages are the same"
}

packages=$build/dicenet/output/packages
mkdir -p "$build"
prepare_clean "$release"
clone
build_packages
run_lintian
try_installation
run_package_tests
if "$twice"; then compare; fi
