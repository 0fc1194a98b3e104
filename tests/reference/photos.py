# SPDX-License-Identifier: LGPL-2.1-or-later
"""Photos for tests."""

import glob
import os

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def find_photos():
    """Paths of JPEG photos: those of the test material ($DICENET_SHARED, else ../shared beside the project), or where
    there is none, the pictures of this project's documentation."""
    shared = os.environ.get("DICENET_SHARED") or os.path.join(ROOT, "..", "shared")
    for folder in (os.path.join(shared, "images"), os.path.join(ROOT, "docs")):
        found = sorted(glob.glob(os.path.join(glob.escape(folder), "*.jpg")))
        if found:
            return found
    raise FileNotFoundError(f"no photos in {shared} and {ROOT}/docs")
