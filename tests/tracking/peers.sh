#!/usr/bin/env bash
# Installs what tests/tracking compares dicenettrack with from PyPI, into a virtual environment outside of the project.
# Does nothing if it is there.
#
#   peers.sh [FOLDER]      the default is where the tests look, ~/.cache/dicenet/trackers
#
# Needs: python3 with venv (python3-venv), and a connection to PyPI.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/dicenet/trackers}

if ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
  /usr/bin/python3 -m venv --clear "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$folder/requirements.txt"
fi
echo "$folder/bin/python"
