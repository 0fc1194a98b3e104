# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings of a run: a TOML file with any of them, which command-line options override. With --init, those that
describe the network are that model's by default."""

import os
from dataclasses import asdict, dataclass, field, fields

try:
    import tomllib
except ImportError:
    raise SystemExit("error: Python is too old: training needs 3.11 or newer") from None

import start
from errors import ModelError
from network import BACKBONES, HEADS, MAX_HEAD_WIDTH, MAX_SIZE, TASKS, are_prior_sizes

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configs")
LABELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "labels")
SIZES = {"classify": (224, 224), "segment": (384, 384), "detect": (320, 320)}


@dataclass
class Config:
    # The network
    task: str = ""  # classify, segment or detect
    scale: str = "1.0"
    backbone: str = "dicenet"  # or, for classify, mobilenet or resnet with the DiCE unit
    size: list = None  # width and height that the model is meant for; default 224, 384 or 320 squared, by task
    kernel_size: int = 224  # input size of DimConv kernels; published encoders have 224
    classes: list = None  # names, or a file of models/labels; default: from the data
    labels: list = None  # names in the model file, if they differ
    multi_label: bool = False  # classify: several classes per photo
    head: str = "anchor-free"  # detect: or ssd
    head_width: int = 96  # channels of the anchor-free head, and of its context
    context_width: int = 256
    pyramid: bool = False  # detect with ssd
    prior_sizes: list = None  # detect with ssd: seven sides in pixels (docs/model-format.md); default: SSD's for `size`
    decoder_width: int = 16  # segment
    least_classes: int = 0  # segment: minimum number, filled up with unused ones; 21 fits the published networks
    dropout: float = 0.0  # classify: before the last layer

    # The data: sources below --data (see sources.py)
    train: list = field(default_factory=list)
    soft: str = ""  # detect, multi_label: file of soft labels below --data, for classes that are not labelled
    soft_range: list = field(default_factory=lambda: [0.15, 0.35])  # minimum scores to ignore, of an object
    guide: str = ""  # detect, anchor-free: folder that guide.py made
    validate: list = field(default_factory=list)  # default: a tenth of the training data
    photo_side: int = 512  # larger photos are scaled down when they are loaded
    balance: float = 0.0  # classes in less than this share of photos are seen more often
    often: dict = field(default_factory=dict)  # photos whose path contains the key are seen this many times as often

    # Augmentation
    zoom: list = field(default_factory=lambda: [0.6, 1.2])  # side of the window relative to the photo's
    stretch: float = 1.2
    focus: float = 0.5  # probability that the window is moved to contain an object
    flip: bool = True
    colour: float = 0.3
    sides: list = field(default_factory=lambda: [1.0, 1.0])  # sizes of batches relative to `size`, random for each
    aspects: list = field(default_factory=lambda: [1.0, 1.0])  # their aspect ratio relative to that of `size`

    # Optimisation
    epochs: int = 100
    batch: int = 64
    accumulate: int = 1  # number of parts in which a batch is computed
    processes: int = 1  # that compute parts of each batch in parallel, on a CPU
    optimizer: str = "sgd"  # or adamw, or muon: for matrices, with adamw for all else and its learning rates
    lr: float = 0.05
    final_lr: float = 0.01  # relative to lr, at the end of the cosine
    init_lr: float = 1.0  # relative to lr, for the backbone's tensors from --init
    warmup: float = 0.03  # fraction of the run
    momentum: float = 0.9
    weight_decay: float = 4e-5
    clip: float = 0.0  # maximum norm of the gradient; 0: off
    label_smoothing: float = 0.0
    ema: float = 0.0  # decay per step of the average of the weights, which is evaluated and exported; 0: off
    frozen_levels: int = 0  # of the backbone, which stay as in --init; saves a third of the time
    frozen_norm: bool = False  # BatchNorm keeps the statistics of --init: for batches that are too small
    frozen_encoder_norm: bool = False  # that of the encoder only: saves a third of its time on a CPU
    init: str = ""  # model, its name, or checkpoint for the initial tensors
    head_init: str = ""  # likewise, of another scale, for those that are not the backbone's
    teacher: str = ""  # segment: model for distillation
    distill: float = 1.0  # weight of the distillation loss
    precision: str = "auto"  # f32, bf16; auto: bf16 if the device supports it; on a CPU for products only
    channels_last: bool = False
    fused: str = "auto"  # kernels of fused.c, used on a CPU if possible; or off
    seed: int = 1

    # Output
    evaluations: int = 10  # number during the run
    min_images: int = 1  # segment: classes in fewer photos are not in the mean
    dtype: str = "f16"  # of the model file's convolutions
    license: str = ""
    description: str = ""

    def as_dict(self):
        return asdict(self)


def add_arguments(add):
    """Those of every program that takes a config; `add`: a parser's add_argument()."""
    add("config", metavar="CONFIG", help="a TOML file, or one of configs/")
    add("--data", default=".", metavar="DIR", help="what sources are below, or shards of pack.py")
    add("--train", nargs="+", metavar="SOURCE", help="photos to train on")
    add("--validate", nargs="+", metavar="SOURCE", help="photos to judge by (a tenth of the others)")
    add("--classes", metavar="A,B,...", help="names, or a file with one per line")
    add("--set", action="append", default=[], metavar="'KEY = VALUE'", help="changes a setting")


def read(path, changes, judged=None, **given):
    """Reads the config from the file `path`, or the one of that name in configs/; `changes` ("key = value") and `given`
    override it. The network is by default that of `init`; that of `judged`, a model, whatever the file says."""
    place = path if os.path.exists(path) else os.path.join(FOLDER, path + ".toml")
    if not os.path.exists(place):
        known = ", ".join(sorted(name[:-5] for name in os.listdir(FOLDER) if name.endswith(".toml")))
        raise ModelError(f"{path}: expected a TOML file or one of {known}")
    try:
        with open(place, "rb") as file:
            settings = tomllib.load(file)
        changed = {}
        for change in changes:
            changed.update(tomllib.loads(change))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}, or a --set: expected TOML, key = value: {error}") from None
    changed.update({key: value for key, value in given.items() if value is not None})
    settings, changed = known_settings(settings, path), known_settings(changed, path)
    task = {**settings, **changed}.get("task")
    if judged:
        settings.update(network_settings(judged, task))
    settings.update(changed)
    for key in ("init", "head_init"):
        if settings.get(key):
            settings[key] = start.place_of(settings[key])
    if settings.get("init"):
        settings = {**network_settings(settings["init"], task), **settings}
    return checked(Config(**settings))


def network_settings(model, task):
    return known_settings(start.settings_of(model, task), model)


def known_settings(settings, path):
    types = {f.name: f.type for f in fields(Config)}
    for key, value in settings.items():
        if key not in types:
            raise ModelError(f"{path}: {key} is no setting; there are {', '.join(types)}")
        if types[key] is float and isinstance(value, int):
            settings[key] = value = float(value)
        if key in ("classes", "labels") and isinstance(value, str):
            settings[key] = value = read_names(value)
        if value is not None and (not isinstance(value, types[key]) or isinstance(value, bool) != (types[key] is bool)):
            raise ModelError(f"{path}: {key}: expected {types[key].__name__}, found {value!r}")
    return settings


def read_names(text):
    """Names from a file, one per line, from models/labels, or separated by commas."""
    for path in (text, os.path.join(LABELS, text)):
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return [line.strip() for line in file if line.strip()]
    return text.split(",")


def checked(config):
    def expect(good, key, what):
        if not good:
            raise ModelError(f"{key} = {getattr(config, key)!r}: expected {what}")

    for key in ("size", "prior_sizes", "zoom", "sides", "aspects"):
        expect(all(isinstance(n, (int, float)) for n in getattr(config, key) or ()), key, "numbers")
    expect(config.task in TASKS, "task", "one of " + ", ".join(TASKS))
    backbones = [name for name in BACKBONES if config.task == "classify" or name == "dicenet"]
    expect(config.backbone in backbones, "backbone", "one of " + ", ".join(backbones))
    scales = BACKBONES[config.backbone]
    expect(config.scale in scales, "scale", "one of " + ", ".join(scales))
    config.size = config.size or list(SIZES[config.task])
    expect(len(config.size) == 2 and all(32 <= n <= 4096 for n in config.size), "size", "width and height, 32 to 4096")
    expect(config.kernel_size % 8 == 0 and config.kernel_size >= 32, "kernel_size", "a multiple of 8 from 32")
    for key in ("zoom", "sides", "aspects"):
        low_high = getattr(config, key)
        expect(len(low_high) == 2 and 0 < low_high[0] <= low_high[1], key, "two numbers above 0, the smaller one first")
    if config.prior_sizes is not None:
        what = f"seven numbers from 1 to {2 * MAX_SIZE}, each larger than the one before"
        expect(are_prior_sizes(config.prior_sizes), "prior_sizes", what)
    expect(all(isinstance(n, (int, float)) and n >= 1 for n in config.often.values()), "often", "numbers from 1 on")
    numbers = len(config.soft_range) == 2 and all(isinstance(n, (int, float)) for n in config.soft_range)
    low_high = numbers and 0 <= config.soft_range[0] <= config.soft_range[1] <= 1
    expect(low_high, "soft_range", "two numbers from 0 to 1, the smaller one first")
    boxes = config.task == "detect" or config.multi_label
    expect(not config.soft or boxes, "soft", "none but for detect and multi_label")
    expect(config.head in HEADS, "head", "one of " + ", ".join(HEADS))
    for key in ("head_width", "context_width"):
        expect(1 <= getattr(config, key) <= MAX_HEAD_WIDTH, key, f"1 to {MAX_HEAD_WIDTH}")
    anchor_free = config.task == "detect" and config.head == "anchor-free"
    expect(not config.guide or anchor_free, "guide", "none but for detect with the anchor-free head")
    expect(config.stretch >= 1, "stretch", "1 or more")
    expect(config.optimizer in ("sgd", "adamw", "muon"), "optimizer", "sgd, adamw or muon")
    expect(config.precision in ("auto", "f32", "bf16"), "precision", "auto, f32 or bf16")
    expect(config.fused in ("auto", "off"), "fused", "auto or off")
    expect(0 <= config.frozen_levels <= 4, "frozen_levels", "0 to 4")
    for key in ("epochs", "batch", "accumulate", "processes", "evaluations"):
        expect(getattr(config, key) >= 1, key, "1 or more")
    parts = config.accumulate * config.processes
    expect(config.batch % parts == 0, "batch", f"a multiple of accumulate times processes, {parts}")
    expect(bool(config.train), "train", "at least one source of photos, or --train")
    expect(not config.teacher or config.task == "segment", "teacher", "none but for segment")
    return config
