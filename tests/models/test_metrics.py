#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics of models/evaluation: against cases computed by hand, and against pycocotools if it is installed."""

import contextlib
import io
import os
import sys
import unittest

import common
import numpy as np

sys.path.append(os.path.join(common.MODELS, "evaluation"))
import metrics  # noqa: E402
from metrics import ANY, Found, Objects  # noqa: E402

try:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ImportError:
    COCO = None

A, B = 0, 1


def boxes(*rows):
    return np.array(rows, np.float64).reshape(-1, 4)


def labels(*numbers):
    return np.array(numbers, np.int64)


def found(*rows):
    """Rows of box, class and score."""
    return Found(boxes(*(r[0] for r in rows)), labels(*(r[1] for r in rows)), np.array([r[2] for r in rows], float))


def objects(*rows, ignored=(), known=(A, B)):
    """Rows of box and class."""
    of_ignored = boxes(*(r[0] for r in ignored)), labels(*(r[1] for r in ignored))
    return Objects(boxes(*(r[0] for r in rows)), labels(*(r[1] for r in rows)), *of_ignored, frozenset(known))


FIRST, SECOND, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (100, 100, 110, 110)


def shifted(box, dx):
    return (box[0] + dx, box[1], box[2] + dx, box[3])


class Detection(unittest.TestCase):
    def ap50(self, results, truths, label=A):
        return metrics.detection(results, truths, 2)["ap50"][label]

    def test_overlaps(self):
        table = metrics.overlaps(boxes(FIRST, FAR), boxes(FIRST, shifted(FIRST, 5), (0, 0, 0, 0)))
        np.testing.assert_allclose(table, [[1, 1 / 3, 0], [0, 0, 0]])
        table = metrics.overlaps(boxes(FIRST), boxes((-50, -50, 5, 50)), of_first=True)
        np.testing.assert_allclose(table, [[0.5]])

    def test_area_under_curve(self):
        # Right, wrong, right, of three objects: precision 1 up to recall 1/3, then 2/3 up to recall 2/3, then 0.
        results = [found((FIRST, A, 0.9), (FAR, A, 0.8), (SECOND, A, 0.7))]
        truths = [objects((FIRST, A), (SECOND, A), ((50, 50, 60, 60), A))]
        self.assertAlmostEqual(self.ap50(results, truths), 1 / 3 + 2 / 3 / 3)
        # COCO uses 101 recalls: 34 of them are from 0 to 0.33, 33 from 0.34 to 0.66.
        ap = metrics.detection(results, truths, 2)["ap"][A]
        self.assertAlmostEqual(ap, (34 * 1 + 33 * 2 / 3) / 101)

    def test_overlap_thresholds(self):
        # Moved by 1 of 10: an overlap of 9 / 11 = 0.818 is sufficient for 0.5 to 0.8, seven of ten thresholds.
        figures = metrics.detection([found((shifted(FIRST, 1), A, 0.9))], [objects((FIRST, A))], 2)
        self.assertAlmostEqual(figures["ap50"][A], 1)
        self.assertAlmostEqual(figures["ap"][A], 0.7)
        self.assertTrue(np.isnan(figures["ap50"][B]) and np.isnan(figures["ap"][B]))
        np.testing.assert_array_equal(figures["objects"], [1, 0])

    def test_found_twice(self):
        # The second detection of an object is wrong, but comes after full recall.
        truths = [objects((FIRST, A))]
        self.assertAlmostEqual(self.ap50([found((FIRST, A, 0.9), (FIRST, A, 0.8))], truths), 1)
        # Here it comes before the other object: precision 1 for half of the recall, 2/3 for the rest.
        truths = [objects((FIRST, A), (FAR, A))]
        results = [found((FIRST, A, 0.9), (FIRST, A, 0.8), (FAR, A, 0.7))]
        self.assertAlmostEqual(self.ap50(results, truths), 0.5 + 0.5 * 2 / 3)

    def test_second_choice(self):
        # The object that the second detection overlaps most is already matched; another one is free. VOC: wrong. COCO:
        # right.
        with_objects = np.array([[0.9, 0.6], [0.8, 0.7]])
        none = np.zeros((2, 0))
        np.testing.assert_array_equal(metrics.match(with_objects, none, 0.5, False), [1, 0])
        np.testing.assert_array_equal(metrics.match(with_objects, none, 0.5, True), [1, 1])

    def test_f1(self):
        # Of three objects of two classes, one is found from 0.8 on, a second one from 0.5 on, and one detection is
        # wrong.
        results = [found((FIRST, A, 0.9), (FAR, B, 0.6)), found((SECOND, B, 0.7), (FAR, A, 0.5))]
        truths = [objects((FIRST, A), (SECOND, A)), objects((SECOND, B), ignored=[(FAR, A)])]
        decisions = metrics.detection(results, truths, 2)["decisions"]
        f1 = [metrics.rates(decisions, t)["overall"]["f1"] for t in (0.95, 0.8, 0.65, 0.5)]
        np.testing.assert_allclose(f1, [0, 2 / (1 + 3), 4 / (2 + 3), 4 / (3 + 3)])
        # Each class from a threshold of its own on: the wrong one of class B is left out.
        figures = metrics.rates(decisions, [0.5, 0.65])
        np.testing.assert_allclose(figures["f1"], [2 / (1 + 2), 1])
        np.testing.assert_allclose(figures["recall"], [1 / 2, 1])
        self.assertAlmostEqual(figures["overall"]["f1"], 4 / (2 + 3))
        nothing = metrics.detection([found()], [objects()], 2)["decisions"]
        self.assertTrue(np.isnan(metrics.rates(nothing, 0.1)["f1"]).all())
        self.assertEqual(metrics.best_threshold(nothing)[1], 0)

    def test_unknown_classes(self):
        """Detections of a class that is not annotated do not count."""
        results = [found((FIRST, A, 0.9)), found((FAR, A, 0.95), (FAR, B, 0.95))]
        truths = [objects((FIRST, A)), objects(known=(B,))]
        self.assertAlmostEqual(self.ap50(results, truths), 1)
        truths[1] = objects(known=(A, B))
        self.assertAlmostEqual(self.ap50(results, truths), 0.5)

    def test_ignored(self):
        """A region to ignore absorbs any number of detections that are at least half inside of it."""
        results = [found((FAR, A, 0.9), (FAR, A, 0.8), (FIRST, A, 0.7))]
        large = (95, 95, 200, 200)
        for hidden, expected in ((ANY, 1), (A, 1), (B, 1 / 3)):
            truths = [objects((FIRST, A), ignored=[(large, hidden)])]
            self.assertAlmostEqual(self.ap50(results, truths), expected)
        # An object inside of it still counts.
        truths = [objects((FAR, A), (FIRST, A), ignored=[(large, ANY)])]
        self.assertAlmostEqual(self.ap50(results, truths), 1)

    def test_nothing(self):
        figures = metrics.detection([found()], [objects((FIRST, A))], 2)
        self.assertEqual((figures["ap50"][A], figures["ap"][A]), (0, 0))
        figures = metrics.detection([found((FIRST, A, 0.5))], [objects()], 2)
        self.assertTrue(np.isnan(figures["ap50"]).all())
        figures = metrics.detection([found((FIRST, A, 0.5))], [objects(known=())], 2)
        self.assertTrue(np.isnan(figures["ap50"]).all())

    @unittest.skipIf(COCO is None, "pycocotools is not installed")
    def test_coco(self):
        random = np.random.default_rng(5)
        results, truths = zip(*(random_photo(random) for _ in range(40)))
        figures = metrics.detection(results, truths, 3)
        np.testing.assert_allclose(figures["ap"], coco_ap(results, truths, 3), atol=1e-9)


def random_photo(random):
    """Objects and crowds, with detections near them and elsewhere."""
    n = random.integers(0, 8)
    corners = random.uniform(0, 80, (n, 2))
    truth = np.concatenate((corners, corners + random.uniform(10, 60, (n, 2))), axis=1)
    classes, crowd = random.integers(0, 3, n), random.uniform(size=n) < 0.2
    near = np.repeat(truth, 2, axis=0) + random.normal(0, 3, (2 * n, 4))
    anywhere = random.uniform(0, 60, (4, 2))
    all_boxes = np.concatenate((near, np.concatenate((anywhere, anywhere + 40), axis=1)))
    of_boxes = np.concatenate((np.repeat(classes, 2), random.integers(0, 3, 4)))
    results = Found(all_boxes, of_boxes, random.permutation(len(all_boxes)) / 100 + random.uniform(0, 0.009))
    return results, Objects(truth[~crowd], classes[~crowd], truth[crowd], classes[crowd], frozenset(range(3)))


def coco_ap(results, truths, n_classes):
    """pycocotools' results; its class indices and ids start at 1."""
    annotations, detections = [], []
    for image, (f, t) in enumerate(zip(results, truths), 1):
        for group, classes, crowd in ((t.boxes, t.labels, 0), (t.ignored, t.ignored_labels, 1)):
            for box, label in zip(group, classes):
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": image, "category_id": int(label) + 1, "iscrowd": crowd}
                    | {"bbox": [*box[:2], *(box[2:] - box[:2])], "area": float(np.prod(box[2:] - box[:2]))}
                )
        for box, label, score in zip(*f):
            bbox = [*box[:2], *(box[2:] - box[:2])]
            detections.append({"image_id": image, "category_id": int(label) + 1, "bbox": bbox, "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i + 1} for i in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": label + 1} for label in range(n_classes)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2].mean(axis=(0, 1))


class Segmentation(unittest.TestCase):
    def test_iou(self):
        truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
        mask = np.array([[0, 1, 1, 1], [0, 0, 2, 2]], np.uint8)
        figures = metrics.segmentation([mask], [truth], 4)
        # Class 0: 3 of 4. Class 1: 2 of 3, and 1 false positive. Class 2: predicted but not present; its ignored pixel
        # does not count.
        np.testing.assert_allclose(figures["iou"][:3], [3 / 4, 2 / 4, 0])
        self.assertTrue(np.isnan(figures["iou"][3]))
        np.testing.assert_array_equal(figures["photos"], [1, 1, 0, 0])
        self.assertAlmostEqual(figures["overall"]["pixels"], 5 / 7)

    def test_over_all_pixels(self):
        """The pixels of all photos together, not a mean over photos."""
        truths = [np.zeros((1, 10), np.uint8), np.zeros((1, 90), np.uint8)]
        masks = [np.ones((1, 10), np.uint8), np.zeros((1, 90), np.uint8)]
        self.assertAlmostEqual(metrics.segmentation(masks, truths, 2)["iou"][0], 0.9)

    def test_no_class(self):
        """Predictions of a network without background in borders are wrong for every class."""
        truth = np.zeros((1, 4), np.uint8)
        mask = np.array([[0, 0, 255, 255]], np.uint8)
        np.testing.assert_allclose(metrics.segmentation([mask], [truth], 1)["iou"], [0.5])


class Classification(unittest.TestCase):
    def test_top(self):
        scores = np.array([np.arange(7), np.arange(7), np.arange(7)[::-1]], float)
        figures = metrics.single_label(scores, labels(6, 2, 6), 7)
        # The right class has rank 1, rank 5, and the last rank.
        np.testing.assert_allclose(figures["top1"][[2, 6]], [0, 0.5])
        np.testing.assert_allclose(figures["top5"][[2, 6]], [1, 0.5])
        self.assertTrue(np.isnan(figures["top1"][0]))
        np.testing.assert_array_equal(figures["photos"], [0, 0, 1, 0, 0, 0, 2])

    def test_f1(self):
        scores = np.array([[0.9, 0.9, 0.1], [0.8, 0.2, 0.1], [0.3, 0.6, 0.9]])
        present = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0]], bool)
        figures = metrics.rates(metrics.multi_label(scores, present, np.ones_like(present)), 0.5)
        # Class 0: 1 right of 2 predicted and 2 present. Class 1: 2 of 2 and 3. Class 2: predicted once, not present.
        np.testing.assert_allclose(figures["f1"][:2], [0.5, 0.8])
        np.testing.assert_allclose(figures["precision"][:2], [0.5, 1])
        np.testing.assert_allclose(figures["recall"][:2], [0.5, 2 / 3])
        self.assertTrue(np.isnan(figures["f1"][2]))
        # All together: 3 right of 5 predicted and 5 present.
        self.assertAlmostEqual(figures["overall"]["f1"], 0.6)
        # At a threshold of its own for each class: 2 right of 2 predicted, and a class that is never predicted.
        figures = metrics.rates(metrics.multi_label(scores, present, np.ones_like(present)), [0.2, 0.9, 0.95])
        np.testing.assert_allclose(figures["precision"][:2], [2 / 3, 1])
        np.testing.assert_allclose(figures["recall"][:2], [1, 1 / 3])
        self.assertAlmostEqual(figures["overall"]["f1"], 2 * 3 / (4 + 5))

    def test_f1_of_what_is_known(self):
        scores, present = np.array([[0.9], [0.9], [0.9]]), np.array([[True], [False], [False]])
        known = np.array([[True], [False], [True]])
        figures = metrics.rates(metrics.multi_label(scores, present, known), 0.5)
        self.assertAlmostEqual(figures["precision"][0], 0.5)
        self.assertAlmostEqual(figures["overall"]["f1"], 2 / 3)

    def test_never_right(self):
        figures = metrics.rates(metrics.multi_label(np.array([[0.1]]), np.array([[True]]), np.array([[True]])), 0.5)
        self.assertEqual((figures["f1"][0], figures["precision"][0], figures["overall"]["f1"]), (0, 0, 0))


class Thresholds(unittest.TestCase):
    """Made decisions, whose curves of F1 are known."""

    def decisions(self, *classes):
        """Each class: scores of right and of wrong decisions, and how many more objects there are."""
        scores, of_classes, verdicts = [], [], []
        for label, (right, wrong, _) in enumerate(classes):
            scores += [*right, *wrong]
            of_classes += [label] * (len(right) + len(wrong))
            verdicts += [1] * len(right) + [0] * len(wrong)
        there = np.array([len(right) + missed for right, _, missed in classes])
        return metrics.Decisions(np.array(scores), labels(*of_classes), labels(*verdicts), there)

    @staticmethod
    def separate(count, low, high):
        """Right ones above `high`, wrong ones below `low`: any threshold between is perfect."""
        return np.linspace(high, 0.99, count), np.linspace(0.06, low, count), 0

    def best(self, *classes):
        return metrics.chosen_thresholds(self.decisions(*classes))

    def test_counts(self):
        """Against counting for each candidate, with scores at candidates and ignored decisions."""
        random = np.random.default_rng(3)
        scores = random.integers(0, 101, 300) / 100
        decisions = metrics.Decisions(scores, random.integers(0, 4, 300), random.integers(-1, 2, 300), np.ones(4))
        right, said = metrics.counts(decisions)
        for row, candidate in enumerate(metrics.CANDIDATES):
            for label in range(4):
                verdicts = decisions.verdicts[(scores >= candidate) & (decisions.labels == label)]
                self.assertEqual((right[row, label], said[row, label]), ((verdicts == 1).sum(), (verdicts >= 0).sum()))

    def test_own(self):
        """Classes with many objects get their own: the middle of what is equally good."""
        many = 100 * metrics.ENOUGH
        low, high = self.best(self.separate(many, 0.2, 0.3), self.separate(many, 0.7, 0.8))
        self.assertAlmostEqual(low, 0.25, delta=0.02)
        self.assertAlmostEqual(high, 0.75, delta=0.02)

    def test_wrong_counts_more(self):
        """Half of the right ones are among wrong ones: worth it, unless these count thrice. F1 is told as usual."""
        decisions = self.decisions(([0.35] * 100 + [0.8] * 100, [0.35] * 90, 0))
        for wrong, low, high, f1 in (1, 0.05, 0.35, 400 / 490), (3, 0.36, 0.8, 200 / 300):
            common, best = metrics.best_threshold(decisions, wrong)
            (own,) = metrics.chosen_thresholds(decisions, wrong)
            self.assertTrue(low <= common <= high and low <= own <= high, (wrong, common, own))
            self.assertAlmostEqual(best, f1)

    def test_few(self):
        """A class with few objects stays near the threshold of all, wherever its few scores are."""
        many = self.separate(100 * metrics.ENOUGH, 0.3, 0.4)
        common, _ = metrics.best_threshold(self.decisions(many))
        for scores in ([0.95], [0.06], [0.9, 0.94], [0.07, 0.08, 0.94]):
            for wrong in ([], [0.05, 0.2], [0.93] * 50):
                _, few = self.best(many, (scores, wrong, 0))
                self.assertLess(abs(few - common), 0.6 * len(scores) / metrics.ENOUGH + 0.006, (scores, wrong))

    def test_few_found(self):
        """Nor does one with many objects, of which hardly any is found: all would be reported for two that are right."""
        many = self.separate(100 * metrics.ENOUGH, 0.3, 0.4)
        _, lost = self.best(many, ([0.06, 0.07], np.linspace(0.05, 0.3, 300), 500))
        self.assertAlmostEqual(lost, metrics.best_threshold(self.decisions(many))[0], delta=0.05)

    def test_more(self):
        """The more objects, the nearer to its own; with ENOUGH, half of the way."""
        many = self.separate(1000 * metrics.ENOUGH, 0.2, 0.3)
        chosen = [
            self.best(many, self.separate(count, 0.7, 0.8))[1] for count in (1, 10, metrics.ENOUGH, 500, 50 * 500)
        ]
        self.assertEqual(chosen, sorted(chosen))
        self.assertAlmostEqual(chosen[0], 0.25, delta=0.03)
        self.assertAlmostEqual(chosen[2], 0.5, delta=0.05)
        self.assertAlmostEqual(chosen[-1], 0.75, delta=0.03)

    def test_smooth(self):
        """Noisy scores of a known distribution: a threshold near the best one of the distribution, and never a worse
        F1 on other samples than without a choice."""
        random = np.random.default_rng(4)

        def sample(count):
            return [
                (random.beta(*right, count), random.beta(*wrong, 2 * count), count // 2)
                for right, wrong in (((8, 2), (2, 5)), ((3, 5), (1, 9)))
            ]

        high, low = self.best(*sample(5000))
        self.assertGreater(high - low, 0.2)
        for _ in range(5):
            chosen = self.best(*sample(400))
            np.testing.assert_allclose(chosen, [high, low], atol=0.08)
            other = self.decisions(*sample(5000))
            f1 = [metrics.rates(other, t)["overall"]["f1"] for t in (chosen, 0.5)]
            self.assertGreater(f1[0], f1[1])

    def test_nothing_right(self):
        """Classes that are never right, and those that are not there, have the threshold of all."""
        many = self.separate(100 * metrics.ENOUGH, 0.3, 0.4)
        common, _ = metrics.best_threshold(self.decisions(many))
        for never in (([], [0.9] * 500, 500), ([], [], 500), ([], [], 0), ([], [0.9] * 500, 0)):
            best, _ = metrics.best_threshold(self.decisions(many, never))
            self.assertAlmostEqual(self.best(many, never)[1], best)
        self.assertAlmostEqual(self.best(many, ([], [], 0))[1], common)

    def test_range(self):
        """Where all is right or all is wrong, and at the ends of the scale."""
        for right, wrong in ((1.0, 1.0), (0.01, 0.01), (0.0, 1.0), (1.0, 0.99), (0.05, 0.95)):
            chosen = self.best(([right] * 500, [wrong] * 500, 0), ([0.5], [], 0))
            self.assertTrue(((chosen >= 0.05) & (chosen <= 0.95)).all(), chosen)


if __name__ == "__main__":
    unittest.main()
