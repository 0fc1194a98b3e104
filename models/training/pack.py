#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs photos and their annotations into a few files, for training on a machine to which data is transferred in
pieces.

    pack.py --data DIR --output SHARDS detect_train.json detect_val.json voc@segment_train.txt
    train.py detect --data SHARDS

A photo that several sources have is packed once. Each shard is an independent .zip: train with those that are
available. Requires Pillow for --quality.
"""

import argparse
import glob
import io
import json
import os
import sys
import tempfile
import zipfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import outfile  # noqa: E402
import sources  # noqa: E402
from errors import ModelError  # noqa: E402


def compress(content, quality):
    """Recompresses a photo as WebP, unless that is no smaller."""
    try:
        from PIL import Image
    except ImportError:
        raise ModelError("--quality needs Pillow: apt install python3-pil, or pip install pillow") from None
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(out, "WEBP", quality=quality, method=6)
    return min(content, out.getvalue(), key=len)


class Shard:
    """A .zip that is being written, and the annotations of its photos."""

    def __init__(self, path, names):
        self.file, self.names, self.size = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED), names, 0
        self.lists = {source: [] for source in names}

    def add(self, name, content):
        self.file.writestr(name, content)
        self.size += len(content) + 200  # the entry's headers in the file and in the directory

    def close(self):
        lists = {source: {"names": self.names[source], "records": found} for source, found in self.lists.items()}
        self.file.writestr("index.json", json.dumps({"lists": lists}), zipfile.ZIP_DEFLATED)
        self.file.close()


def check(root, output, force):
    """Shards in the output folder; ModelError if they are an input, or without `force`."""
    shards = glob.glob(os.path.join(glob.escape(output), sources.SHARDS))
    if shards and os.path.exists(root) and os.path.samefile(root, output):
        raise ModelError(f"{output}: its shards are read, and cannot be written to: name another output folder")
    if shards and not force:
        raise ModelError(f"{output}: has shards already; name another output folder, or replace them with --force")
    return shards


def pack(root, names, output, limit, quality, force=False):
    """Writes shards of about `limit` bytes at most, all or none, and returns their number. With `force` they replace
    all existing ones."""
    old = check(root, output, force)
    os.makedirs(output, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".dicenet-") as folder:
        count = write_shards(root, names, folder, limit, quality)
        for shard in old:
            os.unlink(shard)
        for shard in os.listdir(folder):
            os.replace(os.path.join(folder, shard), os.path.join(output, shard))
    return count


def write_shards(root, names, output, limit, quality):
    known, wanted = {}, {}  # class names of each source; photo -> its record in each source
    for source in names:
        records, known[source] = sources.read([source], root)
        for record in records:
            wanted.setdefault(record.photo, {})[source] = record
    shard, count = None, 0
    for photo in sorted(wanted):
        content = sources.read_bytes(photo)
        content = compress(content, quality) if quality else content
        mask = next((r.mask for r in wanted[photo].values() if r.mask), None)
        mask_content = sources.read_bytes(mask) if mask else b""
        described = sum(len(json.dumps(sources.as_dict(r))) for r in wanted[photo].values()) // 4  # compressed
        if shard is None or shard.size + len(content) + len(mask_content) + described > limit:
            if shard:
                shard.close()
            shard, count = Shard(os.path.join(output, f"shard-{count:03d}.zip"), known), count + 1
        place = os.path.relpath(photo, root)
        shard.add(place, content)
        shard.size += described
        if mask:
            shard.add(os.path.relpath(mask, root), mask_content)
        for source, record in wanted[photo].items():
            record.photo, record.mask = place, record.mask and os.path.relpath(record.mask, root)
            shard.lists[source].append(sources.as_dict(record))
    shard.close()
    return count


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="as for train.py")
    parser.add_argument("--data", default=".", metavar="DIR", help="what sources are below")
    parser.add_argument("--output", required=True, metavar="DIR", help="for the shards")
    parser.add_argument("--limit", type=float, default=60, metavar="MIB", help="of a shard (60)")
    parser.add_argument("--quality", type=int, metavar="Q", help="store photos as WebP of this quality, 1 to 100")
    parser.add_argument("--force", action="store_true", help="replace the shards that are in the output folder")
    arguments = parser.parse_args(argv)
    try:
        limit = arguments.limit * 2**20
        count = pack(arguments.data, arguments.sources, arguments.output, limit, arguments.quality, arguments.force)
    except (ModelError, OSError) as error:
        return f"error: {error}"
    print(f"{count} shards in {arguments.output}")
    return 0


if __name__ == "__main__":
    outfile.run(main)
