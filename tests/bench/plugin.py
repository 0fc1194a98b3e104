# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program with the plugin and the libraries of a build folder."""

import os
import sys


def use_build(build):
    """Starts this program again, where the libraries in the build folder are found."""
    gst = os.path.join(os.path.abspath(build), "gst")
    if not os.path.exists(os.path.join(gst, "libgstdicenet.so")):
        sys.exit(f"error: there is no plugin in {gst}: build it, or say where with --build")
    variables = {
        "GST_PLUGIN_PATH": gst,
        "GST_REGISTRY": os.path.join(gst, "..", "gst-registry.bin"),
        "GI_TYPELIB_PATH": os.path.join(gst, "meta"),
        "LD_LIBRARY_PATH": os.path.join(gst, "meta") + ":" + os.path.join(gst, "..", "dicenet-core"),
    }
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | variables)
