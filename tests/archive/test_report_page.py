#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of `dicenet-archive report` in a browser: what it shows, sorts and filters, by mouse and by keyboard."""

import os
import signal
import sys
import unittest

from report import SKIPPED, TestCase, hostile, made

import browser

if browser.PROGRAM is None:
    print("skipped: no chromium: install it")
    sys.exit(SKIPPED)

TIME = "[...document.querySelectorAll('.calendar td button')]"


class PageTest(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def setUp(self):
        super().setUp()
        self.browser.errors.clear()
        self.browser.look(1280, 900)

    def tearDown(self):
        self.assertEqual(self.browser.errors, [])

    def run_js(self, expression):
        return self.browser.run(expression)

    def open(self, after_hash=""):
        seconds = self.browser.open(os.path.join(self.folder, "report.html"), after_hash)
        self.assertIsNotNone(self.run_js("document.documentElement.dataset.ready"), "the script did not run")
        return seconds

    def shown(self):
        return self.run_js(
            "[...document.querySelectorAll('.list tbody tr[data-row]')].map((e) => e.cells[0].textContent)"
        )

    def cells(self, name):
        return self.run_js(
            f"[...document.querySelectorAll('.list tbody tr[data-row] .c-{name}')].map((e) => e.textContent)"
        )


def three():
    """a: two persons early; b: a car; c10, c9: one person each, hours later."""
    hour = made.datetime.timedelta(hours=1)
    pictures = made.thumbnails(4)
    for name, began, length, classes in (
        ("north/a.mp4", made.BEGIN, 100.0, {"detect:person": [2, 2, 0, 0], "detect:car": [0, 1, 0, 0]}),
        ("south/b.mp4", made.BEGIN + hour, 300.0, {"detect:car": [1, 1, 1]}),
        ("south/c10.mp4", made.BEGIN + 30 * hour, 50.0, {"detect:person": [1, 0]}),
        ("south/c9.mp4", made.BEGIN + 30 * hour, 200.0, {"detect:person": [1, 0]}),
    ):
        first = list(classes)[0].split(":")[1]
        boxes = [(first, 0.9, (0.25, 0.5, 0.75, 1.0))]
        yield made.summary(name, began, length, classes, moments=[made.moment(5.0, first, 0.9, boxes, next(pictures))])


class Choices(PageTest):
    def setUp(self):
        super().setUp()
        self.report(list(three()), "--timezone", "UTC")

    def test_all(self):
        self.open()
        self.assertEqual(self.shown(), ["north/a.mp4", "south/b.mp4", "south/c9.mp4", "south/c10.mp4"])
        self.assertEqual(self.cells("seen"), ["50 s", "5.0 min", "1.7 min", "25 s"])
        self.assertEqual(self.run_js("document.querySelectorAll('#moments figure').length"), 4)

    def test_words_are_the_same_without_scripts(self):
        lengths = [0.25, 9.5, 10.5, 11.5, 59.4, 100.0, 3600.0, 5400.0, 36e5]
        made.write(
            self.folder,
            [made.summary(f"{i}.mp4", made.BEGIN, length, {"detect:dog": [1]}) for i, length in enumerate(lengths)],
        )
        self.report([])
        self.open()
        scripts = self.cells("seen")
        self.browser.call("Emulation.setScriptExecutionDisabled", value=True)
        self.browser.open(os.path.join(self.folder, "report.html"))
        self.assertCountEqual(self.cells("seen"), scripts)  # sorted without regard to numbers
        self.browser.call("Emulation.setScriptExecutionDisabled", value=False)

    def test_class_in_the_address(self):
        self.open("class=person")
        self.assertEqual(self.shown(), ["north/a.mp4", "south/c9.mp4", "south/c10.mp4"])
        self.assertEqual(self.cells("most"), ["2", "1", "1"])
        self.assertIn(
            "3 of 4 recordings: person seen for 2.9 min", self.run_js("document.querySelector('output').textContent")
        )
        self.open("class=detect:car&name=SOUTH")
        self.assertEqual(self.shown(), ["south/b.mp4"])

    def test_class_of_several_networks(self):
        classes = {"detect:person": [0, 2, 0, 0], "classify:person": [0, 0, 0.75, 0]}
        self.report([*three(), made.summary("all.mp4", made.BEGIN, 4.0, classes)])
        self.open("class=person")
        self.assertEqual((self.shown()[0], self.cells("seen")[0], self.cells("most")[0]), ("all.mp4", "2.0 s", "2"))
        self.open("class=classify:person")
        self.assertEqual((self.shown(), self.cells("most")), (["all.mp4"], ["75 %"]))

    def test_chosen_class_is_in_the_address(self):
        self.open()
        self.run_js("""(() => { const box = document.querySelector('[name=class]'); box.value = 'detect:car';
                       box.dispatchEvent(new Event('change')); })()""")  # fmt: skip
        self.assertEqual(self.shown(), ["north/a.mp4", "south/b.mp4"])
        self.assertEqual(self.run_js("location.hash"), "#class=detect%3Acar")

    def test_sorting(self):
        self.open("class=person&sort=seen")
        self.assertEqual(self.shown(), ["south/c10.mp4", "north/a.mp4", "south/c9.mp4"])
        self.run_js("document.querySelector('[data-sort=seen] button').click()")
        self.assertEqual(self.shown(), ["south/c9.mp4", "north/a.mp4", "south/c10.mp4"])
        self.assertEqual(
            self.run_js("document.querySelector('[data-sort=seen]').getAttribute('aria-sort')"), "descending"
        )
        self.run_js("document.querySelector('[data-sort=began] button').click()")
        self.assertEqual(self.shown()[0], "north/a.mp4")
        self.assertIsNone(self.run_js("document.querySelector('[data-sort=seen]').getAttribute('aria-sort')"))

    def test_hours(self):
        self.open("class=person")
        labels = self.run_js(TIME + ".map((e) => e.getAttribute('aria-label'))")
        self.assertEqual(
            labels,
            ["2026-11-02 0:00: person for 50 s in 1 recording", "2026-11-03 6:00: person for 2.1 min in 2 recordings"],
        )
        self.run_js(TIME + "[1].click()")
        self.assertEqual(self.shown(), ["south/c9.mp4", "south/c10.mp4"])
        self.assertIn("time=2026-11-03T06", self.run_js("location.hash"))
        self.assertEqual(
            self.run_js("document.querySelector('[name=clear]').textContent"), "All times, not only 2026-11-03 06:00"
        )
        self.run_js("document.querySelector('[name=clear]').click()")
        self.assertEqual(len(self.shown()), 3)
        # An hour of a recording without the class is shown as such.
        self.assertEqual(self.run_js("document.querySelectorAll('.calendar td.covered').length"), 3)

    def test_details(self):
        self.open("open=north/a.mp4")
        self.assertEqual(self.run_js("document.querySelector('.details .stretches').textContent"), "0:00–0:50")
        self.assertIn("2026-11-02 00:00", self.run_js("document.querySelector('.lanes caption').textContent"))
        box = self.run_js(
            """(() => { const of = (e) => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.right, r.bottom]; };
            const picture = of(document.querySelector('.details image')), box = of(document.querySelector('.details rect'));
            return [(box[0] - picture[0]) / (picture[2] - picture[0]), (box[1] - picture[1]) / (picture[3] - picture[1]),
                    (box[2] - picture[0]) / (picture[2] - picture[0]), (box[3] - picture[1]) / (picture[3] - picture[1])]; })()"""
        )
        for found, expected in zip(box, (0.25, 0.5, 0.75, 1.0)):
            self.assertAlmostEqual(found, expected, delta=0.02)
        self.assertTrue(
            self.run_js("document.querySelector('.details svg[role=img]').getAttribute('aria-label')").startswith(
                "At 0:05"
            )
        )
        self.run_js("document.querySelector('.list tbody button').click()")
        self.assertEqual(self.run_js("document.querySelectorAll('.details').length"), 0)

    def test_picture_opens_its_recording(self):
        self.open()
        self.run_js("document.querySelector('#moments figcaption button').click()")
        self.assertEqual(self.run_js("document.activeElement.getAttribute('aria-expanded')"), "true")

    def test_pictures_of_a_class(self):
        """Also those that were taken for another class, if it is in them."""
        boxes = [("dog", 0.9, (0.1, 0.1, 0.4, 0.4)), ("person", 0.6, (0.5, 0.1, 0.9, 0.4))]
        picture = made.moment(1.0, "dog", 0.9, boxes, next(made.thumbnails(1)))
        both = {"detect:dog": [1], "detect:person": [1]}
        self.report(
            [
                made.summary("x/both.mp4", made.BEGIN, 4.0, both, moments=[picture]),
                made.summary("x/no.mp4", made.BEGIN, 4.0, both),
            ]
        )
        for name, caption in (("", "dog 90 %"), ("dog", "dog 90 %"), ("person", "person 60 %")):
            self.open(f"class={name}&name=x/")
            self.assertEqual(self.run_js("document.querySelector('#moments .chip').textContent"), caption)
            self.assertEqual(self.run_js("document.querySelectorAll('#moments figure').length"), 1)
            self.assertEqual(self.run_js("document.querySelectorAll('#moments .box').length"), 2)

    def test_keyboard(self):
        self.open()
        pressed, order = 0, []
        while "north/a.mp4" not in order and pressed < 60:
            self.browser.press("Tab", 9)
            order.append(
                self.run_js(
                    "document.activeElement.closest('.list tbody') ? document.activeElement.textContent : document.activeElement.name"
                )
            )
            pressed += 1
        self.assertLess(order.index("class"), order.index("north/a.mp4"))
        self.assertNotEqual(self.run_js("getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.browser.press("Enter", 13, "\r")
        self.assertEqual(self.run_js("document.querySelectorAll('.details').length"), 1)
        self.run_js(TIME + "[0].focus()")
        self.browser.press("ArrowRight", 39)
        self.assertEqual(self.run_js("document.activeElement.value"), "2026-11-02T01")
        self.browser.press("Enter", 13, "\r")
        self.assertEqual(self.shown(), ["south/b.mp4"])
        self.assertEqual(self.run_js("document.activeElement.value"), "2026-11-02T01", "the focus is where it was")

    def test_dark(self):
        ground = "getComputedStyle(document.body).backgroundColor"
        self.open()
        self.assertEqual(self.run_js(ground), "rgb(255, 255, 255)")
        self.browser.look(1280, 900, "dark")
        self.assertEqual(self.run_js(ground), "rgb(20, 22, 26)")


class Narrow(PageTest):
    def check(self, after_hash=""):
        for width in (390, 320, 800):
            self.browser.look(width, 844)
            self.open(after_hash)
            # With mobile emulation, a wide page would be laid out wide: innerWidth tells.
            self.assertLessEqual(self.run_js("Math.max(document.documentElement.scrollWidth, innerWidth)"), width)

    def test_telephone(self):
        self.report(list(three()))
        self.check("open=north/a.mp4")
        self.check("class=person&open=north/a.mp4")

    def test_long_names(self):
        self.report(list(hostile()))
        self.check("open=" + "W" * 255)
        self.run_js("document.querySelectorAll('.list tbody button').forEach((button) => button.click())")
        self.assertLessEqual(self.run_js("document.documentElement.scrollWidth"), 800)


class Untrusted(PageTest):
    def test_nothing_runs(self):
        self.report(list(hostile()))
        self.open()
        self.run_js("document.querySelectorAll('.list tbody button').forEach((button) => button.click())")
        self.assertEqual(self.run_js("document.querySelectorAll('.details').length"), 6)
        self.assertIsNone(self.run_js("window.hacked"))
        self.assertEqual(self.run_js("document.querySelectorAll('img, .details script').length"), 0)

    def test_policy_holds(self):
        """What is not the page's own does not run, even if it got into it."""
        self.report(list(three()))
        self.open()
        self.run_js(
            """document.body.insertAdjacentHTML("beforeend", "<img src=data:, onerror='window.hacked=1'><p style='color:red'>")"""
        )
        self.browser.wait("document.querySelector('img').complete")
        self.assertIsNone(self.run_js("window.hacked"))
        self.assertEqual(self.run_js("fetch('http://127.0.0.1:9/').then(() => 'came', () => 'refused')"), "refused")
        self.assertIn("Content Security Policy", " ".join(self.browser.errors))
        self.browser.errors.clear()


class Many(PageTest):
    def test_thousands(self):
        self.report(made.many(2000))
        seconds = self.open("class=person")
        names = self.shown()
        self.assertEqual(len(names), 200)
        self.assertEqual(names, sorted(names))
        self.run_js("document.querySelector('[name=more]').click()")
        self.assertEqual(len(self.shown()), 400)
        took = self.run_js("""(() => { const begin = performance.now(); document.querySelector('[data-sort=seen] button').click();
                              document.body.offsetHeight; return performance.now() - begin; })()""")  # fmt: skip
        nodes = self.run_js("document.querySelectorAll('*').length")
        print(f"2000 recordings: {os.path.getsize(os.path.join(self.folder, 'report.html')) / 1e6:.1f} MB, "
              f"ready after {seconds:.1f} s, sorted in {took:.0f} ms, {nodes} elements")  # fmt: skip
        self.assertLess(nodes, 15_000)
        # Generous: other tests run beside this one.
        self.assertLess(seconds, 40)
        self.assertLess(took, 5000)


if __name__ == "__main__":
    signal.alarm(600)
    unittest.main()
