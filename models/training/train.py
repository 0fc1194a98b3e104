#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains a DiCENet and writes a model file for the plugin.

    train.py CONFIG --data DIR [--train SOURCE...] [--validate SOURCE...] [--output DIR]
    train.py CONFIG --data DIR --output DIR --resume
    train.py CONFIG --data DIR --evaluate MODEL

CONFIG is a TOML file, or the name of one in configs/; any setting can be changed with --set 'key = value'. A SOURCE is
a COCO file, a VOC folder or a folder with one folder of photos per class (docs/training.md). The output folder gets
model.safetensors, metrics.json, history.csv, history.svg, and checkpoint.pt, from which --resume continues.
"""

import argparse
import ctypes
import gc
import json
import os
import signal
import sys
import time
import zlib
from math import isfinite, prod

for package, how in (("torch", "python3-torch"), ("numpy", "python3-numpy"), ("PIL", "python3-pil")):
    try:
        __import__(package)
    except ImportError:
        sys.exit(f"error: {package} is missing: apt install {how}, or pip install {package.replace('PIL', 'pillow')}")

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import config as configs  # noqa: E402
import data  # noqa: E402
import dicenet  # noqa: E402
import export_onnx  # noqa: E402
import fused  # noqa: E402
import history  # noqa: E402
import outfile  # noqa: E402
import parallel  # noqa: E402
import sources  # noqa: E402
import tasks  # noqa: E402
from augment import draw_size  # noqa: E402
from errors import ModelError  # noqa: E402
from optimise import Average, make_optimizer, rate  # noqa: E402
from progress import Progress  # noqa: E402
from start import initialise_from, initialise_head_from, labels_of, of_backbone, write_model  # noqa: E402

CHECKPOINT_MINUTES = 3
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # from malloc.h
FINITE_CHECK = 20  # steps between checks of the loss, which synchronise with the device


def split(records):
    """Selects a tenth of the photos by name for validation, always the same ones."""
    chosen = [zlib.crc32(os.path.basename(r.photo).encode()) % 10 == 0 for r in records]
    if len(set(chosen)) == 1:
        chosen = [i == 0 for i in range(len(records))]
    return [r for r, c in zip(records, chosen) if not c], [r for r, c in zip(records, chosen) if c]


def read_data(config, root):
    """Training records, validation records by name of the list, and class names."""
    train, names = sources.read(config.train, root)
    if config.validate:
        validate = {source: sources.read([source], root)[0] for source in config.validate}
        held = {r.photo for records in validate.values() for r in records}
        train = [r for r in train if r.photo not in held]
    else:
        train, held = split(train)
        validate = {"a tenth": held}
    if not train:
        raise ModelError("no photos are left to train on beside those to validate with")
    names = config.classes or names
    if config.soft:
        sources.add_soft(train, config.soft, root, names, config.soft_range)
    return train, validate, names


def repeats(photos, balance, often):
    """How often each photo is used in an epoch: more than once if it has a class that less than `balance` of the photos
    have, multiplied by the values in `often` for texts in its path."""
    records = photos.records
    times = torch.tensor([prod(n for text, n in often.items() if text in r.photo) for r in records], dtype=torch.float)
    if not balance:
        return times
    has = [{b[0] for b in (r.boxes or []) + (r.soft or [])} | {r.label} for r in records]
    has = [names - {None} for names in has]
    share = {name: sum(name in h for h in has) / len(has) for name in set().union(*has)}
    return times * torch.tensor([max([1.0] + [(balance / share[name]) ** 0.5 for name in h]) for h in has])


def load_teacher(path, task, device):
    teacher = dicenet.load(path)
    if not isinstance(teacher, dicenet.Segment):
        raise ModelError(f"{path}: expected a segment network as teacher")
    count = teacher.eff_pool_128x128.merge_layer[3].out_channels
    labels = labels_of(path) or task.names
    if count != len(task.names) or labels != task.names:
        raise ModelError(f"{path}: expected a teacher of {', '.join(task.names)}; found {count}: {', '.join(labels)}")
    return teacher.to(device)


def backbone_of(net):
    return next(module for module in net.modules() if isinstance(module, dicenet.Backbone))


def freeze_norm(net, config):
    """Makes BatchNorm layers use their current statistics, if so configured."""
    backbone = backbone_of(net)
    levels = [getattr(backbone, f"level{k + 1}") for k in range(config.frozen_levels)]
    for part in [net] if config.frozen_norm else [backbone] if config.frozen_encoder_norm else levels:
        for module in part.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()


class Run:
    """A network in training. All random values in a step follow from the seed and the step's number."""

    def __init__(self, config, task, device, photos=None):
        self.config, self.task, self.device, self.photos = config, task, device, photos
        torch.manual_seed(config.seed)
        self.net = task.network().to(device)
        given = initialise_from(self.net, config.task, config.init) if config.init else set()
        if config.head_init:
            initialise_head_from(self.net, config.task, config.head_init)
        backbone_of(self.net).frozen_levels = config.frozen_levels
        if config.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        kernels = config.fused == "auto" and device.type == "cpu" and not config.channels_last and fused.load()
        has_bf16 = fused.has_bf16() if kernels else device.type == "cuda" and torch.cuda.is_bf16_supported()
        bf16 = config.precision == "bf16" or (config.precision == "auto" and has_bf16)
        self.autocast = bf16 and not (kernels and has_bf16)
        if kernels and not self.autocast:
            fused.attach(self.net, bf16)
        self.optimizer = make_optimizer(config, self.net, of_backbone(self.net, given))
        self.average = Average(self.net, config.ema) if config.ema else None
        self.teacher = load_teacher(config.teacher, task, device) if config.teacher else None
        self.step, self.seconds, self.rows = 0, 0.0, []
        self.losses = []  # of the current epoch so far
        self.team = None  # the processes of the run
        if photos:
            self.repeats = repeats(photos, config.balance, config.often)
            self.batch = min(config.batch, len(photos))
            self.count = config.accumulate * config.processes
            if self.batch < 2 * self.count:
                raise ModelError(f"{self.batch} photos in {self.count} parts: expected at least two in each")
            self.epoch_steps = max(1, round(float(self.repeats.sum()) / self.batch))

    @property
    def evaluated(self):
        """The network that is evaluated and exported."""
        return self.average.net if self.average else self.net

    def order(self, epoch):
        """Indices of an epoch's photos, steps x batch."""
        random = torch.Generator().manual_seed(self.config.seed * 1_000_003 + epoch)
        times = (self.repeats + torch.rand(len(self.repeats), generator=random)).floor().long()
        indices = torch.arange(len(times)).repeat_interleave(times)
        needed = self.epoch_steps * self.batch
        drawn = [indices[torch.randperm(len(indices), generator=random)] for _ in range(-(-needed // len(indices)))]
        return torch.cat(drawn)[:needed].view(self.epoch_steps, self.batch)

    def parts(self):
        """The parts of all batches from the current step."""
        step = self.step
        while True:
            epoch, at = divmod(step, self.epoch_steps)
            for indices in self.order(epoch)[at:]:
                parts = indices.tensor_split(self.count)
                yield from parts[self.team.rank :: self.team.count] if self.team else parts
                step += 1

    def share(self):
        """Continues in several processes; returns in the first one, which alone has an average."""
        if self.config.processes == 1:
            return
        self.team = parallel.Team(self.net, self.config.processes)
        if self.team.rank == 0:
            return
        try:
            self.average = None
            self.photos.start_threads()
            batches = self.photos.batches(self.parts())
            while True:
                self.train_step(batches, None)
        except BaseException as error:
            print(f"error: process {self.team.rank}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)

    def train_step(self, batches, fraction):
        """One step of the optimizer; returns losses, on the device."""
        config = self.config
        torch.manual_seed(config.seed * 1_000_003 + self.step)
        size = draw_size(*config.size, config.sides, config.aspects)
        if self.team and self.team.rank:
            torch.manual_seed(config.seed * 1_000_003 + self.step + (self.team.rank << 40))
        self.net.train()
        freeze_norm(self.net, config)
        sums = {}
        for _ in range(config.accumulate):
            batch = next(batches)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
                found = self.task.loss(self.net, batch, size, self.teacher)
            (found["loss"] / config.accumulate).backward()
            for key, value in found.items():
                sums[key] = sums.get(key, 0) + value.detach() / config.accumulate
        if self.team:
            fraction = self.team.add_up(fraction)
        if config.clip:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate(fraction, config.warmup, config.final_lr)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.step)
        self.step += 1
        return sums

    def state(self):
        """The complete state of the run except its photos. Everything but tensors is JSON, so that loading executes
        nothing."""
        described = {
            "config": {**self.config.as_dict(), "names": self.task.names},
            "progress": {
                "step": self.step,
                "seconds": self.seconds,
                "rows": self.rows,
                "losses": [{key: float(value) for key, value in loss.items()} for loss in self.losses],
            },
        }
        return {
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict() if self.average else {},
            "optimizer": self.optimizer.state_dict()["state"],
            "described": json.dumps(described),
        }

    def restore(self, state):
        described = json.loads(state["described"])
        saved = described["config"]
        for key, value in {**self.config.as_dict(), "names": self.task.names}.items():
            if saved.get(key, value) != value:  # settings that the checkpoint does not have are newer than it
                raise ModelError(f"the checkpoint was made with {key} = {saved.get(key)!r}, and now it is {value!r}")
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state["optimizer"]})
        if self.average:
            self.average.net.load_state_dict(state["average"])
        self.__dict__.update(described["progress"])


class Session:
    """The part of a run in this call: when it ends, and what it writes."""

    def __init__(self, run, validations, arguments):
        self.run, self.validations, self.arguments = run, validations, arguments
        self.output, self.progress = arguments.output, Progress()
        self.started = self.saved = time.monotonic()
        self.before, self.stopped = run.seconds, False
        self.found = None  # metrics of the current network

    def fraction(self):
        """Fraction of the run that is done, by epochs or by minutes."""
        self.run.seconds = self.before + time.monotonic() - self.started
        if self.arguments.minutes:
            return min(1.0, self.run.seconds / (60 * self.arguments.minutes))
        return min(1.0, self.run.step / (self.run.config.epochs * self.run.epoch_steps))

    def out_of_time(self):
        limit = self.arguments.stop_after
        return self.stopped or (limit and time.monotonic() - self.started > 60 * limit)

    def train(self):
        """Returns True when the run is complete, False if this call was stopped earlier."""
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: setattr(self, "stopped", True))
        run = self.run
        run.share()
        try:
            return self.steps()
        finally:
            if run.team:
                run.team.end()

    def steps(self):
        run, batches = self.run, self.run.photos.batches(self.run.parts())
        while (fraction := self.fraction()) < 1:
            if self.out_of_time():
                self.save()
                return False
            run.losses.append(run.train_step(batches, fraction))
            self.tell(fraction)
            if run.step % run.epoch_steps == 0:
                self.end_epoch()
        if run.losses:
            self.end_epoch()
        return True

    def tell(self, fraction):
        run = self.run
        if run.step % FINITE_CHECK and run.step > 3:
            return
        loss = self.finite(float(run.losses[-1]["loss"]))
        epoch = run.step / run.epoch_steps
        self.progress.show(fraction, f"epoch {epoch:.1f}  loss {loss:.3f}  {run.seconds / 60:.1f} min")
        if time.monotonic() - self.saved > 60 * CHECKPOINT_MINUTES and run.step % run.epoch_steps:
            self.save()

    def finite(self, loss):
        if not isfinite(loss):
            raise ModelError(f"step {self.run.step}: the loss is {loss}: lower lr, or set clip or precision = 'f32'")
        return loss

    def end_epoch(self):
        run, count = self.run, self.run.config.evaluations
        losses, run.losses, done = run.losses, [], self.fraction()
        row = {"epoch": run.step / run.epoch_steps, "step": run.step, "minutes": run.seconds / 60}
        row["lr"] = run.optimizer.param_groups[0]["lr"]
        row.update({key: sum(float(x[key]) for x in losses) / len(losses) for key in losses[0]})
        self.finite(row["loss"])
        before = run.rows[-1]["done"] if run.rows else 0.0
        row["done"] = done
        evaluate = done >= 1 or int(done * count) > int(before * count)
        self.found = judge(run.task, run.evaluated, self.validations) if evaluate else None
        row.update(numbers(self.found or {}, run.task.shown))
        run.rows.append(row)
        self.progress.line("  ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "done"))
        first = len(run.rows) == 1  # the output belongs to a checkpoint, which check_output() requires
        if evaluate or first or time.monotonic() - self.saved > 60 * CHECKPOINT_MINUTES:
            self.save()
        self.write_history()

    def write_history(self):
        rows = self.run.rows
        columns = dict.fromkeys(k for row in rows for k in row)
        shown = [k for k in columns if k.split()[0] in self.run.task.shown]
        history.write_csv(os.path.join(self.output, "history.csv"), rows)
        history.write_plot(os.path.join(self.output, "history.svg"), rows, shown)

    def save(self):
        path = os.path.join(self.output, "checkpoint.pt")
        with outfile.open_whole(path) as file:
            torch.save(self.run.state(), file)
        self.saved = time.monotonic()


def judge(task, net, validations):
    """Metrics by the name of the validation list."""
    return {name: task.evaluate(net, validation) for name, validation in validations.items()}


def numbers(found, shown):
    """Metrics for a row: those of the first list under their own names, the others with the name of their list."""
    row = {}
    for i, (name, values) in enumerate(found.items()):
        stem = os.path.splitext(os.path.basename(name))[0]
        row.update({key if i == 0 else f"{key} {stem}": values[key] for key in shown})
    return row


def make_validations(config, task, lists, device):
    crop = config.task == "classify" and not config.multi_label
    return {
        name: data.Validation(records, task.data_names, *config.size, device, task.masks, crop)
        for name, records in lists.items()
    }


OUTPUTS = ("history.csv", "history.svg", "labels.txt", "metrics.json", "model.onnx", "model.safetensors", "weights.pth")


def check_output(config, arguments, checkpoint):
    """Raises ModelError if the run would overwrite files that are not its own, or its initial model."""
    if os.path.exists(checkpoint) and not arguments.resume:
        raise ModelError(f"{checkpoint} exists: --resume goes on from it, --output takes another folder")
    for name in OUTPUTS:
        path = os.path.join(arguments.output, name)
        outfile.check(path, (config.init, config.head_init, config.teacher), force=True)
        if os.path.exists(path) and not os.path.exists(checkpoint):
            raise ModelError(f"{path} exists, and no {checkpoint} that it could be of: --output takes another folder")


def check_frozen(config):
    """Raises ModelError if parts would stay random."""
    for key in ("frozen_levels", "frozen_norm", "frozen_encoder_norm"):
        value = getattr(config, key)
        if value and not config.init:
            text = str(value).lower()
            raise ModelError(f"{key} = {text}: expected --init, a model whose encoder stays as it is")


def train(config, arguments, device):
    if not arguments.time:
        check_frozen(config)
    records, lists, names = read_data(config, arguments.data)
    task = tasks.make(config, names)
    task.check(records)
    task.prepare(records, arguments.data)
    os.makedirs(arguments.output, exist_ok=True)
    checkpoint = os.path.join(arguments.output, "checkpoint.pt")
    if not arguments.time:
        check_output(config, arguments, checkpoint)
    print(f"{len(records)} photos, {len(task.names)} classes; {device}", file=sys.stderr)
    if config.processes > 1 and device.type != "cpu":
        raise ModelError(f"processes = {config.processes}: expected 1, or --device cpu")
    photos = data.Photos(records, task.data_names, config.photo_side, device, task.masks)
    run = Run(config, task, device, photos)
    gc.freeze()  # what lives as long as the run, such as the photos' records, needs no search in each step
    if arguments.time:
        return time_steps(run, arguments.time)
    if arguments.resume and os.path.exists(checkpoint):
        run.restore(torch.load(checkpoint, map_location=device, weights_only=True))
    session = Session(run, make_validations(config, task, lists, device), arguments)
    if not session.train():
        print(f"stopped at step {run.step}; --resume goes on", file=sys.stderr)
        return
    session.save()
    finish(run, session, len(records))


def finish(run, session, photos):
    """Writes the metrics and the model."""
    found = session.found or judge(run.task, run.evaluated, session.validations)
    with outfile.open_whole(os.path.join(session.output, "metrics.json"), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)
    path = write_model(run, session.output, found, photos)
    if session.arguments.onnx:
        export_onnx.export(dicenet.load(path), path.replace(".safetensors", ".onnx"), *run.config.size)
    print(json.dumps(numbers(found, run.task.shown)))
    print(path)


def time_steps(run, count):
    """Prints the time of a step, after as many steps of warm-up."""
    run.share()
    batches = run.photos.batches(run.parts())

    def steps():
        start = time.monotonic()
        for _ in range(count):
            found = run.train_step(batches, 0.5)
        float(found["loss"])  # synchronises with the device
        return time.monotonic() - start

    steps()
    seconds = steps() / count
    if run.team:
        run.team.end()
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if run.device.type == "cuda" else ""
    print(f"{1000 * seconds:.1f} ms per step of {run.batch}, {run.batch / seconds:.0f} photos/s{memory}")
    print(f"an epoch of {run.epoch_steps} steps takes {seconds * run.epoch_steps:.1f} s")


def evaluate(config, arguments, device):
    net = dicenet.load(arguments.evaluate).to(device)
    found = net.description
    if found.task != config.task:
        raise ModelError(f"{arguments.evaluate}: expected a {config.task} network, found a {found.task} network")
    _, lists, names = read_data(config, arguments.data)
    names = tasks.make(config, names).names
    config.classes = names if config.labels else labels_of(arguments.evaluate) or names
    task = tasks.make(config, config.classes)
    if found.classes != len(task.names):
        raise ModelError(f"{arguments.evaluate}: expected {len(task.names)} classes, found {found.classes}")
    print(json.dumps(judge(task, net, make_validations(config, task, lists, device)), indent=1))


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    configs.add_arguments(add)
    add("--output", metavar="DIR", help="(output/CONFIG)")
    add("--init", metavar="MODEL", help="begin with its tensors, where they fit")
    add("--teacher", metavar="MODEL", help="segment: imitate it, on photos without masks, too")
    add("--epochs", type=int)
    add("--minutes", type=float, help="instead of epochs: the schedule fits this time, over all calls")
    add("--stop-after", type=float, metavar="MINUTES", help="of this call: then save, and --resume goes on")
    add("--resume", action="store_true", help="go on from the output folder's checkpoint, if there is one")
    add("--device", help="cuda, cpu, ... (cuda where there is one)")
    add("--onnx", action="store_true", help="write model.onnx, too")
    add("--evaluate", metavar="MODEL", help="judge a model or a checkpoint, and train nothing")
    add("--time", type=int, metavar="STEPS", help="print what a step takes, and train nothing")
    return parser.parse_args(argv)


def keep_memory():
    """Keeps freed memory in the process for the next step: getting it from the system again costs a tenth of a step on
    a CPU."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 64 << 20)):
        mallopt(parameter, value)


def main(argv=None):
    arguments = parse(argv)
    name = os.path.splitext(os.path.basename(arguments.config))[0]
    arguments.output = arguments.output or os.path.join("output", name)
    device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    keep_memory()
    torch.set_flush_denormal(True)  # published networks have dead channels, whose denormals slow down a CPU
    given = {key: getattr(arguments, key) for key in ("train", "validate", "classes", "init", "teacher", "epochs")}
    try:
        config = configs.read(arguments.config, arguments.set, arguments.evaluate, **given)
        # Searching for the fastest convolutions takes seconds for each new size.
        torch.backends.cudnn.benchmark = config.sides[0] == config.sides[1] and config.aspects[0] == config.aspects[1]
        (evaluate if arguments.evaluate else train)(config, arguments, device)
    except (ModelError, OSError) as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
