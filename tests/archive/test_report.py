#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`dicenet-archive report`: what it reads, what it refuses, and the numbers that it writes."""

import csv
import datetime
import fcntl
import glob
import html.parser
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import unittest

from report import HOSTILE, PIXEL, PROGRAM, SVG, TestCase, hostile, made, run

UTC = datetime.timezone.utc


class Parser(html.parser.HTMLParser):
    """The page's elements, texts, and the data for its script."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.inside = [], [], {}
        self.index, self.details = None, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = dict(attributes) if tag == "script" else {}

    def handle_endtag(self, tag):
        self.inside = {}

    def handle_data(self, data):
        if self.inside.get("id") == "index":
            self.index = json.loads(data)
        elif self.inside.get("type") == "text/html":
            self.details.append(Parser(data))
        else:
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def recording(path="cam.mp4", classes=None, **more):
    classes = {"detect:person": [0, 2, 1, 0]} if classes is None else classes
    return made.summary(path, datetime.datetime(2026, 11, 30, 3, 59, 58, tzinfo=UTC), 4.0, classes, **more)


class Numbers(TestCase):
    def read_csv(self, *options):
        path = self.path("table.csv")
        run(self.folder, "--no-page", "--csv", path, "--force", *options)
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_totals_and_hours(self):
        page, _ = self.report([recording("a.mp4"), recording("b.mp4", {"detect:car": [1, 1, 1, 1]}, counts={
            "lines": [{"name": "door", "forward": 3, "backward": 1, "classes": [{"label": "car", "forward": 3, "backward": 1}]}],
            "zones": [{"name": "till", "entered": 5, "left": 4, "classes": []}]})], "--timezone", "UTC")  # fmt: skip
        index = Parser(page).index
        self.assertEqual([each["key"] for each in index["classes"]], ["detect:car", "detect:person"])
        a, b = index["rows"]
        hour = (datetime.date(2026, 11, 30) - datetime.date(1970, 1, 1)).days * 24 + 3
        # The second bin ends with the hour.
        self.assertEqual(a["classes"], {"1": [2, 2, 0.9, [[hour, 1], [hour + 1, 1]]]})
        self.assertEqual(b["classes"], {"0": [4, 1, 0.9, [[hour, 2], [hour + 1, 2]]]})
        self.assertEqual(a["hours"], [hour, hour + 1])
        text = re.sub(r"<[^>]*>", " ", page)
        for words in (r"Recordings\s+2\s", r"Length\s+8\.0 s", r"Frames\s+200\s", r"Failed\s+0\s",
                      r"door\s+all\s+3\s+1\s+1\s", r"till\s+all\s+5\s+4\s+1\s", "04:00:02"):  # fmt: skip
            self.assertRegex(text, words)

    def test_hours_follow_the_clocks(self):
        """In Berlin, 2026-10-25 has 2 o'clock twice; in Kathmandu, hours begin at a quarter past others'."""
        began = datetime.datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        made.write(self.folder, [made.summary("a.mp4", began, 7200.0, {"detect:person": [1, 1, 1, 1]})])
        day = (began.date() - datetime.date(1970, 1, 1)).days * 24
        for zone, expected in (("Europe/Berlin", [[day + 2, 5400], [day + 3, 1800]]),
                               ("Asia/Kathmandu", [[day + 6, 3600], [day + 7, 3600]])):  # fmt: skip
            run(self.folder, "--timezone", zone)
            with open(os.path.join(self.folder, "report.html"), encoding="utf-8") as file:
                page = file.read()
            self.assertEqual(Parser(page).index["rows"][0]["classes"]["0"][3], expected)
            self.assertIn(zone, page)

    def test_estimates_say_so(self):
        page, _ = self.report(
            [recording("a.mp4", started=None), recording("b.mp4"), recording("c.mp4", started=None, modified=None)]
        )
        self.assertIn("1 of 3 recordings does not say when it began", page)
        self.assertIn("When 1 recording began is not known", page)
        rows = {row["path"]: row for row in self.read_csv()}
        self.assertEqual(
            [rows[name]["began"] for name in ("a.mp4", "b.mp4", "c.mp4")], ["2026-11-30T03:59:58.000Z"] * 2 + [""]
        )
        self.assertEqual(
            [rows[name]["began_estimated"] for name in ("a.mp4", "b.mp4", "c.mp4")], ["true", "false", "false"]
        )

    def test_csv(self):
        tracked = recording('b,"c".mp4', {"detect:person": [0, 2, 1, 0], "segment:dog": [0.25, 0, 0, 0]})
        tracked["classes"]["detect:person"]["tracks"] = 7
        tracked["classes"]["segment:dog"].update(area=0.125)
        empty, failed = recording("empty.mp4", {}), recording("bad.mp4", {}, state="failed", error="no\nvideo")
        self.report([tracked, empty, failed], "--no-page", "--csv", self.path("t.csv"))
        rows = {(row["path"], row["class"]): row for row in self.read_csv()}
        self.assertEqual(set(rows), {('b,"c".mp4', "person"), ('b,"c".mp4', "dog"), ("empty.mp4", ""), ("bad.mp4", "")})
        person, dog = rows['b,"c".mp4', "person"], rows['b,"c".mp4', "dog"]
        self.assertEqual([person[name] for name in ("task", "seconds", "objects", "tracks", "area", "frames", "recording_frames")],
                         ["detect", "2", "2", "7", "", "50", "100"])  # fmt: skip
        self.assertEqual([dog[name] for name in ("task", "seconds", "objects", "area")], ["segment", "1", "", "0.125"])
        self.assertEqual((rows["bad.mp4", ""]["state"], rows["bad.mp4", ""]["error"]), ("failed", "no video"))
        bins = [row for row in self.read_csv("--rows", "bins") if row["class"] == "person"]
        self.assertEqual(
            [(row["time"], row["length"], row["value"]) for row in bins], [("1", "1", "2"), ("2", "1", "1")]
        )

    def test_csv_has_no_formulas(self):
        self.report([recording("=1+1", {"detect:@x": [1]})])
        (row,) = self.read_csv()
        self.assertEqual((row["path"], row["class"]), ("'=1+1", "'@x"))

    def test_classes_of_several_networks(self):
        """Whoever asks for a class gets what any network says of it, and each by itself."""
        classes = {"detect:person": [0, 2, 0, 0], "classify:person": [0, 0, 0.75, 0], "segment:person": [0.5, 0, 0, 0]}
        several = recording("a.mp4", {**classes, "detect:car": [1, 0, 0, 0]})
        several["classes"]["segment:person"]["best"] = 0.97  # a share: no score
        page, _ = self.report([several, recording("b.mp4")], "--timezone", "UTC")
        index = Parser(page).index
        keys = [each["key"] for each in index["classes"]]
        self.assertEqual(keys, ["any:person", "detect:person", "classify:person", "segment:person", "detect:car"])
        self.assertEqual([each["group"] for each in index["classes"]], [0, 0, 0, 0, 1])
        self.assertEqual(
            [index["rows"][0]["classes"][str(i)][:3] for i in range(4)],
            [[3, 2, 0.9], [1, 2, 0.9], [1, 0.75, 0.9], [1, 0.5, 0.97]],
        )
        self.assertEqual(index["rows"][1]["classes"]["0"][:2], [2, 2], "also where one network only saw it")

    def test_bins_have_an_inference_each(self):
        """With one in 50 frames, which are 2 s, three of four bins of half a second say nothing."""
        seen = recording("a.mp4", {"detect:person": [1, 0, 0, 0, 2, 0, 0, 0]})
        seen.update(bin=0.5)
        page, _ = self.report([seen], "--timezone", "UTC", settings={"interval": 50})
        self.assertEqual(Parser(page).index["rows"][0]["classes"]["0"][:2], [4, 2])
        self.assertIn('<a href="file:///recordings/a.mp4">0:00</a>&ndash;0:04', page)

    def test_pictures_have_no_length(self):
        photos = recording("photos", {"classify:dog": [0.75]}, kind="pictures", frames=1)
        photos.update(duration=0, bin=0)
        page, said = self.report([photos])
        self.assertEqual(said, "")
        self.assertEqual(Parser(page).index["rows"][0]["classes"]["0"][:2], [0, 0.75])
        self.assertIn("1 frame<", page)


class Untrusted(TestCase):
    def test_texts_stay_texts(self):
        page, said = self.report(list(hostile()), "--csv", self.path("t.csv"))
        parser = Parser(page)
        self.assertEqual(
            [script.get("type") for script in parser.all("script")], ["text/html"] * 6 + ["application/json", None]
        )
        self.assertEqual(len(parser.details), 6)
        for tag, attributes in parser.elements + [
            element for details in parser.details for element in details.elements
        ]:
            self.assertNotIn(tag, ("img", "iframe", "object", "link", "base", "template"))
            self.assertFalse([name for name in attributes if name.startswith("on") or name == "style"], attributes)
            self.assertRegex(attributes.get("href") or "#", "^(#|file:///|data:image/jpeg;base64,[A-Za-z0-9+/=]+$)")
        for text in HOSTILE[:3] + HOSTILE[4:5]:
            self.assertIn(text, parser.texts)
        self.assertNotIn("\u2028", page)
        self.assertIn("thumbnail: it is not base64", said)
        self.assertIn("thumbnail: expected data:image/jpeg;base64,", said)

    def test_policy_allows_this_page_only(self):
        page, _ = self.report([recording()])
        (policy,) = [m["content"] for m in Parser(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        self.assertRegex(policy, "^default-src 'none'; img-src data:; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+'; "
                                 "base-uri 'none'; form-action 'none'$")  # fmt: skip
        self.assertNotRegex(page, r"https?://(?!www\.w3\.org|jfly)")

    def test_broken_summaries_are_skipped(self):
        broken = {
            "is not JSON": [
                b"",
                b"{",
                b"\xff\xfe",
                b"[" * 100_000,
                b'{"format": ' + b"1" * 5000 + b"}",
                b'{"path": "a',
            ],
            "expected a JSON object": [b"[]", b"null", b"3"],
            "of format 1, not": [b"{}", b'{"format": 2, "path": "x"}', b'{"format": [[1]], "path": "x"}'],
            "has no path": [b'{"format": 1}', b'{"format": 1, "path": 3}'],
            "has more than": [b" " * (5 << 20)],
        }
        made.write(
            self.folder,
            [recording("good.mp4"), recording("good.mp4")] + [text for each in broken.values() for text in each],
        )
        made.write(self.folder, [], {})
        summaries = os.path.join(self.folder, "summaries")
        second = os.path.join(summaries, "again.json")
        with open(second, "w", encoding="utf-8") as file:
            json.dump(recording("good.mp4"), file)
        os.mkfifo(os.path.join(summaries, "pipe.json"))
        os.symlink("/dev/zero", os.path.join(summaries, "link.json"))
        process = run(self.folder)
        self.assertEqual(process.returncode, 0, process.stderr)
        for reason, texts in broken.items():
            self.assertEqual(process.stderr.count(reason), len(texts), process.stderr)
        for reason in (
            "pipe.json: it is not a regular file",
            "link.json: it is not a regular file",
            "good.mp4: a second summary of it",
        ):
            self.assertIn(reason, process.stderr)
        with open(os.path.join(self.folder, "report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(len(Parser(page).index["rows"]), 1)
        self.assertIn("pipe.json: it is not a regular file", page)

    def test_wrong_values_are_left_out(self):
        """Each value of a summary, in place of which each of these comes: the report is made all the same."""
        whole = recording(moments=[made.moment(1, "person", 0.9, [("person", 0.9, (0, 0, 1, 1))], PIXEL)],
                          counts={"lines": [{"name": "door", "forward": 1, "backward": 1, "classes": []}], "zones": []})  # fmt: skip
        values = [
            None,
            -1,
            1e-9,
            1e7,
            1e15,
            1e300,
            float("nan"),
            float("inf"),
            10**400,
            True,
            "x",
            "",
            [],
            [[]],
            {},
            {"a": {}},
            [None],
            SVG,
        ]

        def places(value, path=()):
            yield path
            if isinstance(value, (dict, list)):
                for key in value if isinstance(value, dict) else range(len(value)):
                    yield from places(value[key], path + (key,))

        def changed(value, path, new):
            if not path:
                return new
            copy = value.copy()
            copy[path[0]] = changed(value[path[0]], path[1:], new)
            return copy

        summaries = [recording("good.mp4")]
        for path in places(whole):
            for new in values if path else []:
                each = changed(whole, path, new)
                if path != ("path",) and isinstance(each, dict):
                    each["path"] = f"changed-{len(summaries)}.mp4"
                summaries.append(each)
        self.assertGreater(len(summaries), 500)
        page, said = self.report(summaries, "--csv", self.path("t.csv"))
        self.assertNotIn("Traceback", said)
        self.assertNotRegex(page, r"\b(nan|inf|NaN|Infinity)\b(?![^<]*</)")
        names = [row for row in re.findall(r"<bdi>(changed-\d+\.mp4|good\.mp4)</bdi></td>", page)]
        self.assertIn("good.mp4", names)
        self.assertGreater(len(names), 0.8 * len(summaries))

    def test_settings_may_be_anything(self):
        wrong = [[], 3, {"networks": 3, "interval": "x"}, {"networks": [3, {"name": ["x"]}], "interval": 1e15},
                 {"networks": [{"name": HOSTILE[0]}], "interval": -1, HOSTILE[1]: [[[HOSTILE[2]]]]}, {"interval": float("nan")}]  # fmt: skip
        for settings in wrong:
            page, said = self.report([recording()], settings=settings)
            self.assertNotIn("Traceback", said)
            parser = Parser(page)
            self.assertEqual(len(parser.index["rows"]), 1)
            self.assertEqual(len(parser.all("script")), 3)

    def test_lists_are_bounded(self):
        classes = {f"detect:c{i}": [1] * 2000 for i in range(10)}
        boxes = [("c", 0.5, (0, 0, 1, 1))] * 500
        page, said = self.report([recording("a.mp4", classes, moments=[made.moment(1, "c1", 0.5, boxes, PIXEL)] * 100,
                                            warnings=["w"] * 10_000, networks=["n"] * 1000)])  # fmt: skip
        self.assertIn("only the first 240 of 2000", said)
        self.assertIn("moments: only the first 4 of 100", said)
        self.assertIn("boxes: only the first 50 of 500", said)
        self.assertLess(len(page), 400_000)

    def test_thumbnails_are_small_jpegs(self):
        big = made.uri_of(made.Image.new("RGB", (600, 20)))
        cut = PIXEL[:64]
        moments = [
            made.moment(i, "person", 0.9, [], text)
            for i, text in enumerate([PIXEL, big, cut, "data:image/jpeg;base64,AAAA"])
        ]
        page, said = self.report([recording(moments=moments)])
        self.assertEqual(re.findall('href="(data:[^"]*)"', page), [PIXEL])
        self.assertIn("at most 512 x 512 pixels, not 600 x 20", said)
        self.assertIn("thumbnail: it is not a JPEG file", said)


class Files(TestCase):
    def test_needs_an_archive(self):
        self.assertIn("there is no archive.json in it", self.refused(self.path("nothing"), status=1))
        os.mkdir(self.folder)
        self.assertIn("there is no archive.json in it", self.refused(self.folder, status=1))
        self.assertIn("expected a time zone such as", self.refused(self.folder, "--timezone", "../../etc/passwd"))
        self.assertIn("expected a whole number of megabytes", self.refused(self.folder, "--pictures", "-1"))

    def test_names_that_are_no_text(self):
        self.folder = os.fsdecode(os.fsencode(self.root) + b"/\xff")
        made.write(self.folder, [recording()])
        process = run(self.folder, env={"PYTHONIOENCODING": "utf-8:strict"})
        self.assertEqual((process.returncode, process.stderr), (0, ""))

    def test_empty_archive(self):
        page, said = self.report([])
        self.assertEqual(said, "")
        self.assertIn("There is none.", page)

    def test_overwrites_only_reports(self):
        self.report([recording()])
        self.report([recording("other.mp4")])  # the former report's place
        mine = self.path("mine.html")
        with open(mine, "w", encoding="utf-8") as file:
            file.write("mine")
        for option in ("--output", "--csv"):
            self.assertIn("--force overwrites it", self.refused(self.folder, option, mine))
        for place in ("archive.json", "summaries/a.html", "results/new.html"):
            self.assertIn(
                "a place of the archive itself",
                self.refused(self.folder, "--force", "-o", os.path.join(self.folder, place)),
            )
        self.assertIn("the same one", self.refused(self.folder, "-o", self.path("x"), "--csv", self.path(".", "x")))
        self.assertIn("its folder does not exist", self.refused(self.folder, "-o", self.path("no", "x")))
        self.assertIn("this is a folder", self.refused(self.folder, "-o", self.root))
        with open(mine, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")
        self.assertEqual(run(self.folder, "--output", mine, "--force").returncode, 0)
        self.assertEqual(os.stat(mine).st_mode & 0o777, 0o666 & ~current_umask())

    def test_failure_leaves_nothing(self):
        self.report([recording(f"{i}.mp4") for i in range(100)])
        before = sorted(os.listdir(self.folder))
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # noqa: E731
        text = self.refused(self.folder, "--output", self.path("new.html"), status=1, preexec_fn=limit)
        self.assertIn("new.html: cannot write it: File too large", text)
        self.assertEqual(sorted(os.listdir(self.root)), ["archive"])
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_run_at_work(self):
        made.write(self.folder, [recording()])
        work = os.path.join(self.folder, ".dicenet-work")
        os.mkdir(work)
        with open(os.path.join(work, "of-1.lock"), "w", encoding="utf-8") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            self.assertIn(">so far<", self.report([recording()])[0])
        self.assertNotIn(">so far<", self.report([recording()])[0])

    def test_without_libraries(self):
        made.write(self.folder, [recording()])
        for module, option, advice in (
            ("jinja2", (), "install python3-jinja2"),
            ("pyarrow", ("--parquet", self.path("x")), "pip install pyarrow"),
        ):
            hidden = self.path(module)
            os.mkdir(hidden)
            with open(os.path.join(hidden, module + ".py"), "w", encoding="utf-8") as file:
                file.write("raise ImportError('hidden')")
            self.assertIn(advice, self.refused(self.folder, *option, status=1, env={"PYTHONPATH": hidden}))
        self.assertEqual(
            run(
                self.folder, "--no-page", "--csv", self.path("t.csv"), env={"PYTHONPATH": self.path("jinja2")}
            ).returncode,
            0,
        )
        self.assertIn("give --csv or --parquet", self.refused(self.folder, "--no-page"))


class Many(TestCase):
    COUNT = 2000

    def test_thousands(self):
        pictures = 4
        made.write(self.folder, made.many(self.COUNT))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        process = run(self.folder, "--pictures", str(pictures))
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        path = os.path.join(self.folder, "report.html")
        size = os.path.getsize(path)
        self.assertLess(size, 1e6 * (pictures + 12))
        used = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        self.assertLess(used, 200_000, "KiB")  # summaries are 39 MB
        with open(path, encoding="utf-8") as file:
            page = file.read()
        self.check_stopped()
        shown = re.findall(r'<figure data-moment="(\d)">', page)
        self.assertGreater(len(shown), 100)
        self.assertEqual(set(shown), {"0"}, "the strongest moment of each recording comes first")
        self.assertRegex(page, r"[\d,]+ pictures were left out")
        self.assertLess(sum(map(len, re.findall('href="data:[^"]*"', page))), 1.01e6 * pictures)

    def check_stopped(self):
        """While it writes."""
        process = subprocess.Popen([sys.executable, PROGRAM, "report", self.folder], stdout=subprocess.DEVNULL)
        part = os.path.join(glob.escape(self.folder), ".dicenet-*.part")
        while not glob.glob(part) and process.poll() is None:
            time.sleep(0.01)
        process.terminate()
        self.assertEqual(process.wait(60), 143)
        self.assertEqual(sorted(os.listdir(self.folder)), ["archive.json", "report.html", "summaries"])


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    signal.alarm(600)
    unittest.main()
