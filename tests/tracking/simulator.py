# SPDX-License-Identifier: LGPL-2.1-or-later
"""Made scenes with known truth: objects that move, and what a detector would report of them.

A scene is a list of frames. The same name and seed give the same scene everywhere: only Python's own random numbers
are used."""

import math
import random
from dataclasses import dataclass, field

WIDTH, HEIGHT = 1280, 720
SECOND = 1_000_000_000


@dataclass
class Frame:
    pts: int  # nanoseconds
    truth: list = field(default_factory=list)  # (object, x, y, w, h)
    found: list = field(default_factory=list)  # (label, confidence, x, y, w, h)


@dataclass
class Detector:
    """How well objects are found."""

    confidence: float = 0.75  # mean, of what is fully visible
    spread: float = 0.1  # of the confidence
    jitter: float = 0.03  # standard deviation of edges, as a fraction of the object's size
    misses: float = 0.03  # share of frames in which an object is missed; misses last for some frames
    miss_seconds: float = 0.1
    false_alarms: float = 0.1  # per frame


class Actor:
    """An object that moves with a velocity that changes slowly."""

    def __init__(self, rng, number, x, y, w, h, vx, vy, label="person", wander=0.15, depth=None):
        self.rng, self.number, self.label = rng, number, label
        self.x, self.y, self.w, self.h = x, y, w, h  # centre and size
        self.vx, self.vy, self.wander = vx, vy, wander
        self.mean = (vx, vy)
        self.depth = depth  # what stands lower in the picture is nearer
        self.missed = False

    def move(self, seconds):
        size = math.sqrt(self.w * self.h)
        for name, mean in zip(("vx", "vy"), self.mean):
            v = getattr(self, name)
            v += (mean - v) * min(seconds, 1) + self.rng.gauss(0, self.wander * size * math.sqrt(seconds))
            setattr(self, name, v)
        self.x += self.vx * seconds
        self.y += self.vy * seconds

    def box(self):
        """The part in the frame: x, y, w, h; None if there is (almost) none."""
        x0, x1 = max(self.x - self.w / 2, 0), min(self.x + self.w / 2, WIDTH)
        y0, y1 = max(self.y - self.h / 2, 0), min(self.y + self.h / 2, HEIGHT)
        if x1 - x0 < 0.2 * self.w or y1 - y0 < 0.2 * self.h:
            return None
        return x0, y0, x1 - x0, y1 - y0

    def nearness(self):
        return self.depth if self.depth is not None else self.y + self.h / 2


def visible_share(box, covers):
    """The share of a box that no other covers, on a grid of 6 x 6 points."""
    x, y, w, h = box
    seen = 0
    for i in range(6):
        for j in range(6):
            px, py = x + w * (i + 0.5) / 6, y + h * (j + 0.5) / 6
            seen += not any(c[0] <= px < c[0] + c[2] and c[1] <= py < c[1] + c[3] for c in covers)
    return seen / 36


def detect(rng, detector, actor, box, share, seconds):
    """What is found of an object of which a share is visible: an entry of Frame.found, or None."""
    # Two states with the given share of time in the second, and its mean duration.
    leave = min(seconds / detector.miss_seconds, 1)
    enter = leave * detector.misses / (1 - detector.misses)
    actor.missed = rng.random() >= leave if actor.missed else rng.random() < enter
    confidence = rng.gauss(detector.confidence - 0.7 * (1 - share), detector.spread)
    edges = [rng.gauss(0, detector.jitter * (2 - share) * math.sqrt(box[2] * box[3])) for _ in range(4)]
    if actor.missed or confidence < 0.1 or share < 0.2:
        return None
    x0, y0 = max(box[0] + edges[0], 0), max(box[1] + edges[1], 0)
    x1, y1 = min(box[0] + box[2] + edges[2], WIDTH), min(box[1] + box[3] + edges[3], HEIGHT)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    return actor.label, min(confidence, 0.99), x0, y0, x1 - x0, y1 - y0


def false_alarms(rng, detector, sizes):
    n, rest = 0, detector.false_alarms
    while rest > 0:
        n += rng.random() < min(rest, 1)
        rest -= 1
    for _ in range(n):
        size = rng.choice(sizes) * rng.uniform(0.5, 1.2)
        w, h = size * rng.uniform(0.4, 0.8), size * rng.uniform(0.8, 1.6)
        confidence = 0.1 + 0.6 * rng.random() ** 2
        yield "person", confidence, rng.uniform(0, WIDTH - w), rng.uniform(0, HEIGHT - h), w, h


class Stage:
    """Moves actors, hides what is behind others, and writes frames."""

    def __init__(self, rng, detector, walls=()):
        self.rng, self.detector, self.walls = rng, detector, list(walls)
        self.actors, self.frames, self.made = [], [], 0

    def add(self, *args, **kwargs):
        self.made += 1
        self.actors.append(Actor(self.rng, self.made, *args, **kwargs))

    def frame(self, pts, seconds):
        for actor in self.actors:
            actor.move(seconds)
        frame = Frame(pts)
        boxes = [(actor, actor.box()) for actor in sorted(self.actors, key=Actor.nearness)]
        boxes = [(actor, box) for actor, box in boxes if box]
        for i, (actor, box) in enumerate(boxes):
            share = visible_share(box, [other for _, other in boxes[i + 1 :]] + self.walls)
            if share >= 0.25:  # what is hidden further need not be followed
                frame.truth.append((actor.number, *box))
            found = detect(self.rng, self.detector, actor, box, share, max(seconds, 1e-3))
            if found:
                frame.found.append(found)
        frame.found += false_alarms(self.rng, self.detector, [80, 120, 180])
        frame.found.sort(key=lambda f: -f[1])
        self.frames.append(frame)

    def run(self, seconds, times=None, spawn=None):
        """times(t): seconds from frame at t to the next. spawn(stage, t): adds actors."""
        t, step = 0.0, 0.0
        while t < seconds:
            if spawn:
                spawn(self, step)
            self.frame(round(t * SECOND), step)
            step = times(t) if times else 1 / 25
            t += step
        return self.frames


def person(rng, stage, x=None, direction=None, y=None, size=None, **more):
    """Someone who walks across: sizes grow towards the bottom of the picture."""
    y = rng.uniform(250, 520) if y is None else y
    h = size or 60 + (y - 200) * 0.45
    w = h * rng.uniform(0.35, 0.45)
    direction = direction or rng.choice((-1, 1))
    speed = direction * h * rng.uniform(0.5, 1.0)
    if x is None:
        x = rng.uniform(0.1, 0.9) * WIDTH
    stage.add(x, y, w, h, speed, rng.uniform(-0.05, 0.05) * h, **more)


def people(rng, detector, n, seconds=20, walls=(), times=None, per_second=0.0, **more):
    stage = Stage(rng, detector, walls)
    for _ in range(n):
        person(rng, stage, **more)

    def spawn(stage, step):
        if rng.random() < per_second * step:
            direction = rng.choice((-1, 1))
            person(rng, stage, x=-20 if direction > 0 else WIDTH + 20, direction=direction, **more)
        stage.actors = [a for a in stage.actors if -300 < a.x < WIDTH + 300 and -300 < a.y < HEIGHT + 300]

    return stage.run(seconds, times, spawn)


def walking(rng):
    return people(rng, Detector(), 5, per_second=0.3)


def crossing(rng):
    """Pairs who meet and pass."""
    stage = Stage(rng, Detector())
    for _ in range(3):
        y = rng.uniform(280, 480)
        person(rng, stage, x=150, direction=1, y=y, wander=0.05)
        person(rng, stage, x=WIDTH - 150, direction=-1, y=y + rng.uniform(-25, 25), wander=0.05)
    return stage.run(20)


def occlusion(rng):
    """People pass behind pillars."""
    walls = [(x, 100, 70, 620) for x in (300, 640, 980)]
    return people(rng, Detector(), 5, walls=walls, per_second=0.4)


def traffic(rng):
    """Cars that enter, pass quickly and leave."""
    stage = Stage(rng, Detector())

    def spawn(stage, step):
        if rng.random() < 0.9 * step:
            lane = rng.randrange(4)
            size = 60 + 25 * lane
            direction = 1 if lane < 2 else -1
            x = -size if direction > 0 else WIDTH + size
            nearest = [a for a in stage.actors if abs(a.x - x) < 3 * size and a.lane == lane]
            if not nearest:
                speed = direction * size * rng.uniform(2.2, 3.0)
                stage.add(x, 280 + 95 * lane, size * 1.9, size, speed, 0, label="car", wander=0.1)
                stage.actors[-1].lane = lane
        stage.actors = [a for a in stage.actors if -400 < a.x < WIDTH + 400]

    return stage.run(20, spawn=spawn)


def missing(rng):
    return people(rng, Detector(misses=0.3, miss_seconds=0.2), 6, per_second=0.3)


def doubtful(rng):
    """Low confidences."""
    return people(rng, Detector(confidence=0.5, spread=0.15), 6, per_second=0.3)


def alarms(rng):
    return people(rng, Detector(false_alarms=3), 6, per_second=0.3)


def jitter(rng):
    return people(rng, Detector(jitter=0.09), 6, per_second=0.3)


def uneven(rng):
    """30, then 10, then 5 frames per second, with a third of the frames dropped at random."""

    def times(t):
        step = (1 / 30, 1 / 10, 1 / 5)[int(t / 7) % 3]
        while rng.random() < 1 / 3:
            step += (1 / 30, 1 / 10, 1 / 5)[int(t / 7) % 3]
        return step

    return people(rng, Detector(), 6, seconds=21, times=times, per_second=0.3)


def crowd(rng):
    return people(rng, Detector(misses=0.08), 40, per_second=2, seconds=12)


SCENARIOS = {
    f.__name__: f for f in (walking, crossing, occlusion, traffic, missing, doubtful, alarms, jitter, uneven, crowd)
}


def make(name, seed):
    """The frames of a scene."""
    return SCENARIOS[name](random.Random(f"{name} {seed}"))
