#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small application with this project inside its own, installed in a folder of a user's; and the same application
against that by pkg-config."""

import glob
import os
import shlex
import shutil
import subprocess
import tempfile

import common

COMPILER = shlex.split(os.environ.get("CC", "cc"))

# What the README says stands between the two.
PROJECT = """project('viewer', 'c', version: '1', meson_version: '>= 1.0', default_options: ['default_library=static'])
{}executable('viewer', 'viewer.c', dependencies: [results, networks], install: true,
  install_rpath: '$ORIGIN/..' / get_option('libdir'))
"""
OPTIONS = ["--force-fallback-for=dicenet", *(f"-Ddicenet:{name}=disabled" for name in ("cuda", "cuda-memory", "introspection"))]

APPLICATION = """#include <dicenet/dicenet.h>
#include <gst/dicenet/gstdicenetmeta.h>

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_print ("%s %s\\n", g_type_name (gst_dicenet_meta_api_get_type ()), g_type_name (dicenet_backend_get_type ()));
  if (argc == 1)
    return 0;
  GstElement *pipeline = gst_parse_launch (argv[1], NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *end = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return GST_MESSAGE_TYPE (end) == GST_MESSAGE_EOS ? 0 : 1;
}
"""
EXPECTED = "GstDicenetMetaAPI DicenetBackend\n"


def readme_block(language):
    with open(os.path.join(common.ROOT, "README.md"), encoding="utf-8") as file:
        return file.read().split(f"```{language}\n")[1].split("```")[0]


def run(*command, **changes):
    return subprocess.run(command, env=common.environment(**changes), capture_output=True, text=True, timeout=900)


class Subproject(common.TestCase):
    @classmethod
    def setUpClass(cls):
        """Builds and installs once: the libraries' sources are many."""
        cls.top = tempfile.mkdtemp(prefix="dicenet-subproject-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.build, cls.prefix = os.path.join(cls.top, "build"), os.path.join(cls.top, "prefix")
        os.makedirs(os.path.join(cls.top, "subprojects"))
        os.symlink(common.ROOT, os.path.join(cls.top, "subprojects", "dicenet"))
        for name, text in ("meson.build", PROJECT.format(readme_block("meson"))), ("viewer.c", APPLICATION):
            with open(os.path.join(cls.top, name), "w", encoding="utf-8") as file:
                file.write(text)
        for command in (["setup", cls.build, cls.top, "--prefix", cls.prefix, *OPTIONS], ["compile", "-C", cls.build],
                        ["install", "-C", cls.build, "--no-rebuild"]):  # fmt: skip
            process = run("meson", *command)
            if process.returncode != 0:
                raise AssertionError(process.stdout + process.stderr)

    def find(self, *parts):
        (path,) = glob.glob(os.path.join(glob.escape(self.prefix), *parts), recursive=True)
        return path

    def check(self, *command, **changes):
        process = run(*command, **changes)
        self.assert_done(process)
        self.assertEqual(process.stdout, EXPECTED)

    def test_inside(self):
        self.check(os.path.join(self.build, "viewer"))
        self.check(self.find("bin", "viewer"))

    def test_elements_inside(self):
        """Application and plugin have the same types, although libraries are static by default here."""
        (plugin,) = glob.glob(os.path.join(glob.escape(self.build), "subprojects", "**", "libgstdicenet.so"), recursive=True)
        pipeline = "videotestsrc num-buffers=2 ! dicenetdetect model=dicenet-detect-small ! dicenetjson ! fakesink"
        self.check(os.path.join(self.build, "viewer"), pipeline, GST_PLUGIN_PATH=os.path.dirname(plugin), GST_REGISTRY=self.path("registry"),
                   DICENET_MODEL_PATH=os.path.join(common.ROOT, "models"))  # fmt: skip

    def test_no_tests(self):
        process = run("meson", "test", "-C", self.build, "--list")
        self.assertNotIn("dicenet", process.stdout)

    def test_pkg_config(self):
        packages = self.find("**", "pkgconfig")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gstreamer-dicenet-meta-1.0", "dicenet-1.0"],
                               env=common.environment(PKG_CONFIG_PATH=packages), check=True, capture_output=True, text=True)  # fmt: skip
        program = self.path("viewer")
        source = os.path.join(self.top, "viewer.c")
        subprocess.run([*COMPILER, "-Wall", "-Wextra", "-Werror", source, "-o", program, *shlex.split(flags.stdout)],
                       check=True, timeout=60)  # fmt: skip
        self.check(program, LD_LIBRARY_PATH=os.path.dirname(packages))

    def test_plugin(self):
        """It is in the prefix, and loads without a word about its libraries, also after a move."""
        moved = self.path("moved")
        shutil.copytree(self.prefix, moved, symlinks=True)
        for prefix in self.prefix, moved:
            (plugin,) = glob.glob(os.path.join(glob.escape(prefix), "lib*", "**", "gstreamer-1.0", "libgstdicenet.so"), recursive=True)
            process = run("gst-inspect-1.0", "dicenetdetect", GST_PLUGIN_PATH=os.path.dirname(plugin),
                          GST_REGISTRY=self.path("registry-" + os.path.basename(prefix)), LD_LIBRARY_PATH="")  # fmt: skip
            self.assert_done(process)
            self.assertIn(os.path.realpath(plugin), process.stdout)


if __name__ == "__main__":
    common.main()
