#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Downloads the checkpoints that DiCENet's authors published, and converts them to model files.

Downloads are verified with manifest.json before use. Prints the paths of the model files, one per line. Models that
already exist are not downloaded again.
"""

import argparse
import contextlib
import difflib
import hashlib
import http.client
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request

from errors import ModelError
from progress import Progress
from readfile import read_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK_BYTES = 1 << 16
# Limit for files whose size is not in the manifest: three times the largest known one, so that a wrong address can't
# fill the disk.
MAX_BYTES = 1 << 26
# Seconds between tries: doubled after each, up to the last value.
FIRST_PAUSE, LAST_PAUSE = 0.25, 8


class Entry:
    """One file of the manifest."""

    def __init__(self, row):
        self.name = row["name"]
        self.path = row["path"]
        self.file = os.path.basename(self.path)
        self.stem = os.path.splitext(self.file)[0]
        self.git_blob = row["git_blob"]
        self.sha256 = row.get("sha256")
        self.size = row.get("size")

    def flaw(self, path):
        """Why the content of `path` is not the published file, or None if it is."""
        size = os.path.getsize(path)
        if self.size is not None and size != self.size:
            return f"expected {self.size} bytes, found {size}"
        if size > MAX_BYTES:
            return f"expected at most {MAX_BYTES} bytes, found {size}"
        with open(path, "rb") as file:
            content = file.read()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if found != self.git_blob:
            return f"expected content with git blob id {self.git_blob}, found {found}"
        found = hashlib.sha256(content).hexdigest()
        if self.sha256 is not None and found != self.sha256:
            return f"expected content with SHA-256 {self.sha256}, found {found}"
        return None


class Manifest:
    """The published files and their addresses."""

    def __init__(self, path):
        try:
            content = json.loads(read_bytes(path, MAX_BYTES))
            self.url = content["url"]
            self.license = content["license"]
            self.entries = [Entry(row) for row in content["files"]]
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: expected a manifest such as models/manifest.json ({error!r})") from None

    def find(self, name):
        """The entry with this name, or with this file name, with or without its extension."""
        for entry in self.entries:
            if name in (entry.name, entry.stem, entry.file):
                return entry
        names = [entry.name for entry in self.entries] + [entry.stem for entry in self.entries]
        near = [known for known in names if name.lower() in known] or difflib.get_close_matches(name, names, 4, 0.5)
        hint = f"; did you mean {', '.join(near[:4])}?" if near else ""
        raise ModelError(
            f"{name}: no such model{hint} --list shows all" if hint else f"{name}: no such model; --list shows all"
        )


class Failure(ModelError):
    """A failed download; `again` if another try may succeed."""

    def __init__(self, message, again=True):
        super().__init__(message)
        self.again = again


class Download:
    """Downloads one file of the manifest to a folder. An interrupted download is kept as FILE.part and continued by the
    next try."""

    def __init__(self, entry, base, folder, timeout, tries):
        self.entry = entry
        # A mirror may have the repository's folders or only the files.
        self.urls = [base.rstrip("/") + "/" + name for name in (entry.path, entry.file)]
        self.target = os.path.join(folder, entry.file)
        self.part = self.target + ".part"
        self.timeout = timeout
        self.tries = tries

    def run(self):
        """Downloads and verifies the file; returns its path."""
        if os.path.exists(self.target) and self.entry.flaw(self.target) is None:
            return self.target
        for attempt in range(self.tries):
            if attempt:
                time.sleep(min(FIRST_PAUSE * 2 ** (attempt - 1), LAST_PAUSE))
            try:
                self._attempt()
                return self.target
            except Failure as failure:
                if not failure.again:
                    raise
                if attempt == self.tries - 1:
                    raise ModelError(
                        f"{failure}; check the connection, or give a folder or another server with --mirror"
                    ) from None
                print(f"{failure}; trying again", file=sys.stderr)

    def _attempt(self):
        have = os.path.getsize(self.part) if os.path.exists(self.part) else 0
        if self.entry.size is None or have < self.entry.size:
            self._receive(have)
        flaw = self.entry.flaw(self.part)
        if flaw is None:
            os.replace(self.part, self.target)
            return
        os.unlink(self.part)
        # The partial file may be of another version: try once from the start.
        raise Failure(f"{self.urls[0]}: {flaw}; use another mirror or none", again=have > 0)

    def _receive(self, have):
        with self._open(have) as response:
            if have and not self._continues(response, have):
                have = 0
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdecimal() else self.entry.size
            limit = self.entry.size or MAX_BYTES
            if total is not None and total > limit:
                self._drop_part()
                raise Failure(
                    f"{response.url}: expected at most {limit} bytes, found {total}; use another mirror or none",
                    again=False,
                )
            have = self._store(response, have, total, limit)
        if total is not None and have < total:
            raise Failure(f"{self.urls[0]}: the connection broke off after {have} of {total} bytes")

    def _open(self, have):
        for url in self.urls:
            headers = {"User-Agent": "dicenet-fetch", "Accept-Encoding": "identity"}
            if have:
                headers["Range"] = f"bytes={have}-"
            try:
                return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=self.timeout)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 404:
                    continue
                if error.code == 416:
                    self._drop_part()
                    raise Failure(f"{url}: the server has less than the {have} bytes that are here") from None
                raise Failure(
                    f"{url}: the server answers {error.code} {error.reason}",
                    again=error.code >= 500 or error.code in (408, 429),
                ) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Failure(
                    f"{url}: {_reason(error, self.timeout)}", again=not isinstance(error, ValueError)
                ) from None
        raise Failure(
            f"{self.urls[0]}: the server answers 404, no such file; give a mirror that has it with --mirror",
            again=False,
        )

    def _continues(self, response, have):
        """Whether the server sends the rest of the file instead of all of it."""
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status == 206 and (not start or int(start[1]) != have):
            self._drop_part()
            raise Failure(f"{response.url}: the server sends another part than the one asked for")
        return response.status == 206

    def _store(self, response, have, total, limit):
        """Appends the response to the partial file, and returns its size."""
        with open(self.part, "ab") as file, Progress(self.entry.file) as progress:
            file.truncate(have)
            while True:
                try:
                    chunk = response.read1(CHUNK_BYTES)
                except (OSError, http.client.HTTPException) as error:
                    raise Failure(f"{response.url}: {_reason(error, self.timeout)} after {have} bytes") from None
                if not chunk:
                    return have
                have += len(chunk)
                if have > limit:
                    file.close()
                    self._drop_part()
                    raise Failure(
                        f"{response.url}: expected at most {limit} bytes, found more; use another mirror or none",
                        again=False,
                    )
                file.write(chunk)
                progress.show(*_share(have, total))

    def _drop_part(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.part)


def _reason(error, timeout):
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer for {timeout:g} s"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _share(have, total):
    """The fraction that is there, or None, and what is said of it."""
    if total:
        return have / total, f"{have / 1e6:.1f} of {total / 1e6:.1f} MB"
    return None, f"{have / 1e6:.1f} MB"


def _checkpoint(entry, mirror, folder, timeout, tries):
    """Returns the path of the verified checkpoint, from a folder or a web server."""
    if re.match(r"https?://", mirror):
        os.makedirs(folder, exist_ok=True)
        return Download(entry, mirror, folder, timeout, tries).run()
    for path in (os.path.join(mirror, entry.path), os.path.join(mirror, entry.file)):
        if os.path.isfile(path):
            flaw = entry.flaw(path)
            if flaw:
                raise ModelError(f"{path}: {flaw}; use another mirror or none")
            return path
    if not os.path.isdir(mirror):
        raise ModelError(f"{mirror}: expected a mirror's folder or an address that starts with https:// or http://")
    raise ModelError(f"{mirror}: the mirror has neither {entry.path} nor {entry.file}; use another mirror or none")


def fetch(manifest, entry, arguments):
    """Creates the model file of an entry, and returns its path."""
    target = os.path.join(arguments.output, entry.stem + ".safetensors")
    if os.path.exists(target) and not arguments.force:
        return target
    convert = _converter()
    mirror = arguments.mirror or manifest.url
    try:
        os.makedirs(arguments.output, exist_ok=True)
        if not os.access(arguments.output, os.W_OK):
            raise PermissionError(None, "Permission denied", arguments.output)
        source = _checkpoint(
            entry, mirror, os.path.join(arguments.output, "downloads"), arguments.timeout, arguments.tries
        )
    except OSError as error:
        raise ModelError(
            f"{error.filename or arguments.output}: {error.strerror or error}; choose another folder with "
            "--output or make room"
        ) from None
    convert(source, target, extra={"source": manifest.url + entry.path, "license": manifest.license})
    return target


def _converter():
    # Imported before anything is downloaded, to report missing packages. --list works without numpy.
    from convert import convert

    return convert


def _list(manifest, output):
    for entry in manifest.entries:
        size = f"{entry.size / 1e6:5.1f} MB" if entry.size else ""
        here = "here" if os.path.exists(os.path.join(output, entry.stem + ".safetensors")) else ""
        print(f"{entry.name:<36} {entry.file:<38} {size:<8} {here}".rstrip())


def _positive(kind):
    def option(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < 1e6:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a number above zero")
        return value

    return option


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="segment-1.0-voc-384, say, or the checkpoint's file name"
    )
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.add_argument(
        "--output",
        metavar="DIR",
        default=HERE,
        help="where model files go (default: %(default)s); checkpoints go to its folder downloads",
    )
    parser.add_argument(
        "--mirror",
        metavar="DIR|URL",
        default=os.environ.get("DICENET_MIRROR"),
        help="take the "
        "checkpoints from this folder or server instead (default: the environment variable DICENET_MIRROR)",
    )
    parser.add_argument(
        "--manifest",
        metavar="FILE",
        default=os.path.join(HERE, "manifest.json"),
        help="what there is, where, and with which content (default: the file of this name beside the script)",
    )
    parser.add_argument("--force", action="store_true", help="make model files again that are there already")
    parser.add_argument(
        "--timeout",
        type=_positive(float),
        default=30,
        metavar="S",
        help="seconds to wait for an answer (default: %(default)s)",
    )
    parser.add_argument(
        "--tries",
        type=_positive(int),
        default=5,
        metavar="N",
        help="how often to try a download that breaks off (default: %(default)s)",
    )
    arguments = parser.parse_args(argv)
    if not arguments.names and not arguments.list:
        parser.error("expected the name of a model; --list shows all")
    return arguments


def main(argv=None):
    arguments = _arguments(argv)
    try:
        manifest = Manifest(arguments.manifest)
    except ModelError as error:
        sys.exit(f"error: {error}")
    if arguments.list:
        _list(manifest, arguments.output)
    status = 0
    for name in arguments.names:
        try:
            print(fetch(manifest, manifest.find(name), arguments), flush=True)
        except ModelError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # ignored, as with nohup
            signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same again to go on from here")
    except BrokenPipeError:
        # The reader closed the pipe, for instance `head`. Redirect stdout so that Python's flush at exit does not fail
        # as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
