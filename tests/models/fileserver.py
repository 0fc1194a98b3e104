# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web server on the loopback interface that serves files correctly or wrongly, as requested."""

import http.server
import re
import threading
import time


class FileServer:
    """Serves `files` (path -> content). Each request uses the next entry of `plan`, then the last one repeatedly:

    'ok'          the file, or its rest where Range asks for that
    'no-range'    the whole file, whatever was asked for
    'break'       half of what was asked for, then the connection is closed
    'break-mute'  the same without a Content-Length, as old servers do
    'hang'        no answer, until the server is closed
    'stall'       half of it, then nothing more
    'wrong-range' another part than the one asked for
    'endless'     no length, no end
    'redirect'    to the same path under /moved
    a number      this status code
    bytes         this content
    """

    def __init__(self, files, *plan):
        self.files = files
        self.plan = list(plan) or ["ok"]
        self.requests = []  # (path, Range header or None)
        self.closing = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                try:
                    owner._answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

        return Handler

    def _answer(self, handler):
        path, wanted = handler.path, handler.headers.get("Range")
        self.requests.append((path, wanted))
        content = self.files.get(path.removeprefix("/moved"))
        if content is None:
            handler.send_error(404)
            return
        action = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        if isinstance(action, int):
            handler.send_error(action)
        elif isinstance(action, bytes):
            self._send(handler, action)
        elif action == "redirect" and not path.startswith("/moved"):
            handler.send_response(302)
            handler.send_header("Location", "/moved" + path)
            handler.end_headers()
        elif action == "hang":
            self.closing.wait(20)
        elif action == "endless":
            self._send_endlessly(handler)
        elif action == "no-range" or not wanted:
            self._send(handler, content, action)
        elif start >= len(content):
            handler.send_error(416)
        else:
            self._send(handler, content, action, start)

    def _send(self, handler, content, action="ok", start=None):
        handler.send_response(200 if start is None else 206)
        rest = content[start or 0 :]
        if start is not None:
            first = start + 1 if action == "wrong-range" else start
            handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if action != "break-mute":
            handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[: len(rest) // 2] if action in ("break", "break-mute", "stall") else rest)
        handler.wfile.flush()
        if action == "stall":
            self.closing.wait(20)

    def _send_endlessly(self, handler):
        handler.send_response(200)
        handler.end_headers()
        end = time.monotonic() + 20
        while not self.closing.is_set() and time.monotonic() < end:
            handler.wfile.write(bytes(1 << 16))
