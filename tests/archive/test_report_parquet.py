#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`dicenet-archive report --parquet`: what is written is read back."""

import datetime
import sys
import unittest

from report import SKIPPED, TestCase, made

try:
    import pyarrow.parquet
except ImportError as error:
    print(f"skipped: {error}: pip install pyarrow")
    sys.exit(SKIPPED)


class Parquet(TestCase):
    def read(self, *options):
        path = self.path("table.parquet")
        summaries = [
            made.summary("=a.mp4", made.BEGIN, 4.0, {"detect:person": [0, 2, 1, 0]}),
            made.summary("b.mp4", made.BEGIN, 4.0, {}, started=None, modified=None, state="failed", error="no video"),
        ]
        self.report(summaries, "--no-page", "--parquet", path, "--force", *options)
        return pyarrow.parquet.read_table(path).sort_by("path").to_pylist()

    def test_classes(self):
        person, failed = self.read()
        self.assertEqual((person["path"], person["class"], person["objects"], person["seconds"], person["tracks"]),
                         ("=a.mp4", "person", 2, 2.0, None))  # fmt: skip
        self.assertEqual(person["began"], datetime.datetime(2026, 11, 2, tzinfo=datetime.timezone.utc))
        self.assertEqual((failed["began"], failed["error"], failed["class"]), (None, "no video", None))

    def test_bins(self):
        rows = self.read("--rows", "bins")
        self.assertEqual(
            [(row["time"], row["length"], row["value"]) for row in rows], [(1.0, 1.0, 2.0), (2.0, 1.0, 1.0)]
        )

    def test_nothing(self):
        path = self.path("none.parquet")
        self.report([], "--no-page", "--parquet", path, "--rows", "bins")
        self.assertEqual(pyarrow.parquet.read_table(path).num_rows, 0)


if __name__ == "__main__":
    unittest.main()
