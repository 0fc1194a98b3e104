#!/usr/bin/env bash
# Builds the library, the program and their tests for 64-bit ARM and runs them in an emulator: the NEON kernels against
# the reference, on a processor with DotProd and one without, and, if reference outputs are available, a published
# network.
#
#   arm64.sh [MESON-OPTION...]
#
# DICENET_BUILD is the build folder, by default build-arm64. The libraries for ARM are unpacked there; nothing is
# installed on this machine. Requires Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user
# (pipelines/packages.sh ci), and a mirror that has arm64; skipped (77) without.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${DICENET_BUILD:-$root/build-arm64}
sysroot=$build/sysroot
packages=(check libsubunit0 libsubunit-dev libc6 libgcc-s1 libglib2.0-0 libglib2.0-dev
  libpcre2-8-0 libpcre2-dev libffi8 libffi-dev zlib1g zlib1g-dev libmount1 libmount-dev libblkid1
  libblkid-dev libselinux1 libselinux1-dev libsepol2 libsepol-dev)

case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/{/^# SPDX/d;/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
esac

# Uses separate package lists: the machine's architectures do not change.
fetch() {
  local apt=$build/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/packages"
  local options=(-qq -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o Dir::State::Lists="$apt/lists"
    -o Dir::Cache="$apt" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update && cd "$apt/packages" && apt-get "${options[@]}" download "${packages[@]/%/:arm64}"
}

unpack() {
  local package
  for package in "$build/apt/packages"/*.deb; do
    dpkg-deb --extract "$package" "$sysroot.new"
  done
  # Debian's /lib is a link to /usr/lib; some packages still have files in both.
  if [ -d "$sysroot.new/lib" ]; then
    cp -a "$sysroot.new/lib/." "$sysroot.new/usr/lib/" && rm -r "$sysroot.new/lib"
  fi
  ln -s usr/lib "$sysroot.new/lib"
  mv "$sysroot.new" "$sysroot"
  rm -r "$build/apt"
}

write_cross_file() {
  cat <<EOF
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$sysroot']

[properties]
sys_root = '$sysroot'
pkg_config_libdir = '$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig:$sysroot/usr/share/pkgconfig'

[built-in options]
c_link_args = ['-L$sysroot/usr/lib/aarch64-linux-gnu', '-Wl,-rpath-link,$sysroot/usr/lib/aarch64-linux-gnu']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
EOF
}

for tool in aarch64-linux-gnu-gcc qemu-aarch64 apt-get; do
  command -v "$tool" >/dev/null || { echo "arm64.sh: $tool not found: skipped" && exit 77; }
done
mkdir -p "$build"
build=$(cd "$build" && pwd)
sysroot=$build/sysroot
if [ ! -d "$sysroot" ]; then
  rm -rf "$sysroot.new"
  (fetch) || { echo "arm64.sh: no packages for arm64 from this machine's mirror: skipped" && exit 77; }
  unpack
fi
write_cross_file >"$build/cross.ini"
reconfigure=()
[ ! -e "$build/build/build.ninja" ] || reconfigure=(--reconfigure)
meson setup "$build/build" "$root" "${reconfigure[@]}" --cross-file "$build/cross.ini" -Dwerror=true -Dgst=disabled \
  -Dintrospection=disabled "$@"
meson compile -C "$build/build"

# Scripts that run the program need one that this machine can start.
program=$build/dicenet
printf '#!/bin/sh\nexec qemu-aarch64 -L %q %q "$@"\n' "$sysroot" "$build/build/dicenet-core/tools/dicenet" >"$program"
chmod +x "$program"

status=0
# The kernels that a processor has, which must include those for int8 that are named. The emulator is slow: half the
# usual rounds.
test_kernels() {
  local processor=$1 expected=$2 log
  log=$(QEMU_CPU=$processor qemu-aarch64 -L "$sysroot" "$build/build/tests/kernels/test-kernels" 0 50) || status=1
  echo "$processor: $log"
  grep -q "^$expected" <<<"$log" || { echo "arm64.sh: $processor: expected \"$expected...\"" >&2 && status=1; }
}
test_kernels max 'int8-dotprod: 2 kernels'
test_kernels cortex-a57 'int8-dotprod: this processor has it not'
for test in threads session preprocess; do
  meson test -C "$build/build" --no-rebuild --print-errorlogs --timeout-multiplier 10 "$test" || status=1
done
for golden in included classify/0.2_random segment/1.0_pascal_256x256/sample2_48x64; do
  code=0
  "${PYTHON:-/usr/bin/python3}" "$root/tests/golden/golden.py" "$program" "$golden" || code=$?
  [ "$code" = 0 ] || [ "$code" = 77 ] || status=1
  for processor in max cortex-a57; do
    code=0
    QEMU_CPU=$processor "${PYTHON:-/usr/bin/python3}" "$root/tests/golden/golden.py" "$program" "$golden" int8 || code=$?
    [ "$code" = 0 ] || [ "$code" = 77 ] || status=1
  done
done
exit "$status"
