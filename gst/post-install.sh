#!/usr/bin/env bash
# Called at the end of `meson install` (by `meson setup` with Meson before 1.1). Prints what to do so that installed
# files are found; prints nothing if nothing has to be done.
#
#   post-install.sh PLUGINS SYSTEM-PLUGINS TYPELIBS SYSTEM-TYPELIBS LIBDIR BINDIR
#
# Folders are absolute or relative to MESON_INSTALL_PREFIX. SYSTEM-... are the default folders of GStreamer and
# introspection; TYPELIBS is empty in a build without introspection.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

absolute() {
  case $1 in '' | /*) echo "$1" ;; *) echo "$MESON_INSTALL_PREFIX/$1" ;; esac
}

# Whether a colon-separated list contains a folder.
has() {
  [[ ":$1:" == *":$2:"* || ":$1:" == *":$2/:"* ]]
}

# VARIABLE FOLDER LIST: prints a shell command, unless the list or the variable contains the folder.
want() {
  # shellcheck disable=SC2016 # expanded by whoever copies the line
  [ -z "$2" ] || has "$3" "$2" || has "${!1:-}" "$2" || printf '  export %s=%q${%s:+:$%s}\n' "$1" "$2" "$1" "$1"
}

# The dynamic linker's cache and the folders that it was made from. On many systems, ldconfig is for root only.
want_libraries() {
  local libraries=$1 PATH=$PATH:/usr/sbin:/sbin known folders
  known=$(ldconfig -p 2>/dev/null) || true
  [[ $known != *"=> $libraries/libgstdicenetmeta-1.0.so.0"* ]] || return 0
  folders=$(ldconfig -v -N -X 2>/dev/null | sed -n 's/^\(\/[^:]*\):.*/\1/p' | tr '\n' ':') || true
  if has "$folders" "$libraries"; then
    echo "  sudo ldconfig"
  else
    want LD_LIBRARY_PATH "$libraries" ""
  fi
}

plugins=$(absolute "$1") typelibs=$(absolute "$3") libraries=$(absolute "$5") programs=$(absolute "$6")
missing=$(
  want_libraries "$libraries"
  want GST_PLUGIN_PATH "$plugins" \
    "$2:${GST_PLUGIN_PATH_1_0:-}:${GST_PLUGIN_SYSTEM_PATH:-}:${GST_PLUGIN_SYSTEM_PATH_1_0:-}"
  want GI_TYPELIB_PATH "$typelibs" "$4"
  want PKG_CONFIG_PATH "$libraries/pkgconfig" "$(pkg-config --variable=pc_path pkg-config 2>/dev/null || true)"
  want PATH "$programs" ""
)
[ -z "$missing" ] || printf 'So that everything is found where it is installed:\n\n%s\n\n' "$missing"
