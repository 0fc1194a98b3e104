#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pipelines/rtsp.sh with a server on this machine, which sends video and sound as a camera does."""

import os
import socket
import sys
import threading

import common

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    print(f"skipped: {error}: install python3-gi and gir1.2-gst-rtsp-server-1.0")
    sys.exit(common.SKIPPED)

# Sound first: what takes the first stream that comes would get it.
MEDIA = (
    "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 "
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=96,height=64,framerate=10/1 ! "
    "x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay1 pt=96 )"
)


# The server needs no plugin of ours, and in builds with AddressSanitizer could not load it.
plugins = {name: os.environ.pop(name) for name in ("GST_PLUGIN_PATH", "GST_REGISTRY") if name in os.environ}
Gst.init(None)
os.environ.update(plugins)


class Server:
    def __enter__(self):
        self.server = GstRtspServer.RTSPServer.new()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(MEDIA)
        self.server.get_mount_points().add_factory("/camera", factory)
        self.source = self.server.attach(None)
        self.loop = GLib.MainLoop()
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()
        return f"rtsp://127.0.0.1:{self.server.get_bound_port()}/"

    def __exit__(self, *_):
        GLib.source_remove(self.source)
        self.loop.quit()
        self.thread.join(10)


class Rtsp(common.TestCase):
    def test_stream(self):
        with Server() as address:
            process = common.script("rtsp.sh", "--model", common.model("segment"), "--seconds", 5, address + "camera")
        self.assert_done(process)
        lines = common.read_lines(process.stdout)
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertEqual(line["resolution"], {"width": 96, "height": 64})
        # Frames don't wait: the first ones leave before the first result.
        with_result = ["segmentation" in line for line in lines]
        self.assertIn(True, with_result)
        self.assertTrue(all(with_result[with_result.index(True) :]))

    def test_no_such_stream(self):
        with Server() as address:
            process = common.script("rtsp.sh", "--model", common.model("segment"), address + "none")
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("Not Found", process.stderr)

    def test_no_server(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            process = common.script("rtsp.sh", "--model", common.model("segment"),
                                    f"rtsp://127.0.0.1:{free.getsockname()[1]}/camera")  # fmt: skip
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("ERROR", process.stderr)


if __name__ == "__main__":
    common.main()
