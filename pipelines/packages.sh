#!/usr/bin/env bash
# Installs what is missing of the Debian packages that the project needs, and says so first.
#
#   packages.sh GROUP...     groups: build, run, show, tests, ci
#
# Needs: apt-get, and root or sudo where something is missing. Where there is no apt-get (another distribution, say) it
# names the packages and goes on: the build says what it does not find.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

# Decoders, parsers and encoders are spread over all the plugin packages; labels need a font; downloads, certificates.
# dpkg-dev tells Meson that libraries go to lib/x86_64-linux-gnu; without it they go to lib64, where nobody looks.
packages_of() {
  case $1 in
    build) echo gcc libc6-dev dpkg-dev meson ninja-build pkg-config libglib2.0-dev libgstreamer1.0-dev \
      libgstreamer-plugins-base1.0-dev libcairo2-dev libpango1.0-dev gobject-introspection \
      libgirepository1.0-dev libmosquitto-dev librdkafka-dev libsqlite3-dev python3 go-md2man
      # For GstAnalytics, which Debian 12's GStreamer lacks, and for frames in a GPU's memory, which need the CUDA toolkit's
      # headers as well. OpenCV comes with it.
      if ! grep -qs '^12' /etc/debian_version || command -v nvcc /usr/local/cuda/bin/nvcc >/dev/null; then
        echo libgstreamer-plugins-bad1.0-dev
      fi ;;
    run) echo gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps \
      gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav fonts-dejavu-core \
      ca-certificates python3-gi gir1.2-gstreamer-1.0 python3-jinja2 ;;
    show) echo gstreamer1.0-x gstreamer1.0-gl ;;
    tests) echo check libjson-glib-dev locales bash-completion python3-numpy python3-pil python3-gi gir1.2-gstreamer-1.0 \
      gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp valgrind libc6-dbg mosquitto openssl sqlite3 \
      python3-zstandard munge slurm-client slurmctld slurmd ;;
    ci) echo python3-venv clang libclang-rt-dev shellcheck python3-torch libopenblas0-pthread qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
      debootstrap gi-docgen chromium autopkgtest ;;
    *) echo "packages.sh: no group '$1': expected build, run, show, tests or ci" >&2 && exit 2 ;;
  esac
}

missing() {
  local package
  for package; do
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

wanted=()
for group; do
  names=$(packages_of "$group")
  read -ra names <<<"${names//$'\n'/ }"
  wanted+=("${names[@]}")
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "No apt-get here. Where something is missing, install what your distribution calls: ${wanted[*]}" >&2
  exit 0
fi
list=$(missing "${wanted[@]}" | sort -u)
[ -n "$list" ] || exit 0
mapfile -t needed <<<"$list"

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Packages are missing, and there is no sudo. As root, run: apt-get install ${needed[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing with apt-get: ${needed[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
  -o Dpkg::Use-Pty=0 "${needed[@]}" >/dev/null
