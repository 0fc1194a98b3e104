# SPDX-License-Identifier: LGPL-2.1-or-later
"""Gives recordings to worker processes, and looks after these."""

import contextlib
import json
import os
import selectors
import signal
import sys
import time
import traceback

from . import worker as work
from .errors import ArchiveError, UsageError

TICK = 0.2  # how long a worker may need too much memory
LONGEST_STEP = 2.0
FILES_PER_WORKER = 200  # what decoders leak goes with their process
LONGEST_EVENT = 1 << 20
END_SECONDS = 10
START_SECONDS = 120  # on a busy machine, from a file system that sleeps
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20


class Process:
    """A fork of this process, which runs a function and ends with the status that it returns."""

    def __init__(self, function, *arguments):
        sys.stdout.flush()
        sys.stderr.flush()
        self.status = None
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                status = function(*arguments)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds):
        """Its exit status, or less than 0: the signal that ended it; None if it goes on for longer."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                break
            else:
                time.sleep(0.005)
        return self.status


class Worker:
    """A process and what it is doing. `others`: descriptors that it must not keep open."""

    def __init__(self, order, others):
        self.part = order["part"]
        orders, self.orders = os.pipe()
        self.events, events = os.pipe()
        self.process = Process(self.run, orders, events, os.getpid(), [*others, self.orders, self.events])
        os.close(orders)
        os.close(events)
        os.set_blocking(self.events, False)
        self.buffer, self.ready, self.done = b"", False, 0
        self.task, self.frames, self.fraction, self.still = None, 0, 0.0, 0
        self.send(order)

    @staticmethod
    def run(orders, events, parent, others):
        for descriptor in others:
            os.close(descriptor)
        return work.run(parent, orders, events)

    def busy(self):
        return self.task or not self.ready

    def send(self, value):
        with contextlib.suppress(BrokenPipeError):  # its end is noticed where its events are read
            data = json.dumps(value).encode() + b"\n"
            while data:
                data = data[os.write(self.orders, data) :]

    def give(self, task):
        self.task, self.frames, self.fraction, self.still = task, 0, 0.0, 0
        self.send(task)

    def read(self):
        """Its new events; None at its end."""
        try:
            data = os.read(self.events, 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            return None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        if len(self.buffer) > LONGEST_EVENT:
            return None
        return [json.loads(line) for line in lines]

    def memory(self):
        """Resident bytes."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * PAGE
        except (OSError, ValueError, IndexError):
            return 0

    def kill(self):
        """Ends it, and waits for that, but not for one that hangs in the kernel (a server that has gone). Returns its
        status, or None."""
        with contextlib.suppress(OSError):
            self.process.kill()
        os.close(self.orders)
        os.close(self.events)
        status = self.process.wait(END_SECONDS)
        with contextlib.suppress(OSError):
            os.unlink(self.part)
        with contextlib.suppress(OSError):
            os.unlink(self.part + ".mkv")
        return status


class Stop(ArchiveError):
    """No recording can be written any more."""


class Pool:
    """Runs tasks in at most `count` processes, which are forks of this one, without its `lock`. `ended(task, event)`
    hears of each task's end, `moved(frames, size)` of the state of those in work."""

    def __init__(self, order, lock, count, memory, stall, ended, moved):
        self.order, self.lock, self.count = order, lock, count
        self.memory, self.stall = memory, stall
        self.ended, self.moved = ended, moved
        self.selector, self.workers, self.number = selectors.DefaultSelector(), [], 0
        self.bad_starts, self.version = 0, None
        self.again = []  # tasks to try once more
        self.template = work.Template(order["settings"])

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        while self.workers:
            self._remove(self.workers[0])
        self.selector.close()
        self.template.close()

    def check(self):
        """Starts a worker, and returns what it says of the version. ArchiveError where the settings can't be run."""
        while self.version is None:
            if not self.workers:
                self._add()
            self._step()
        needed = max((worker.memory() for worker in self.workers), default=0)
        if needed > self.memory / 2:
            raise UsageError(f"--memory: a worker needs {needed // MIB} MiB before its first recording, and may have "
                             f"{self.memory // MIB}: allow at least {4 * needed // MIB}, or fewer --workers")  # fmt: skip
        return self.version

    def run(self, tasks):
        """Does all tasks, from the last one to the first."""
        while tasks or any(worker.task for worker in self.workers):
            self._supply(tasks)
            self._step()
            for task in self.again:
                tasks.append(task)
            self.again.clear()

    def _supply(self, tasks):
        for worker in [worker for worker in self.workers if worker.ready and not worker.task]:
            if worker.done and (worker.done >= FILES_PER_WORKER or worker.memory() > self.memory / 2):
                self._remove(worker)
            elif tasks:
                worker.give(tasks.pop())
        starting = sum(not worker.ready for worker in self.workers)
        while len(self.workers) < self.count and starting < len(tasks):
            self._add()
            starting += 1

    def _add(self):
        self.number += 1
        pipes = [pipe for worker in self.workers for pipe in (worker.orders, worker.events)]
        order = {**self.order, "part": os.path.join(self.lock.folder, f"{self.number}.part")}
        worker = Worker(order, [*self.lock.held, self.selector.fileno(), *pipes])
        self.workers.append(worker)
        self.selector.register(worker.events, selectors.EVENT_READ, worker)
        return worker

    def _remove(self, worker):
        self.selector.unregister(worker.events)
        self.workers.remove(worker)
        return worker.kill()

    def _step(self):
        begin = time.monotonic()
        for key, _ in self.selector.select(TICK):
            worker = key.data
            events = worker.read()
            for event in events or []:
                getattr(self, "_on_" + event.pop("event"))(worker, event)
            if events is None:
                self._died(worker)
        # Seconds in which this process stood still (Ctrl-Z) are nobody's fault.
        self._look_after(min(time.monotonic() - begin, LONGEST_STEP))
        self.moved(sum(worker.frames for worker in self.workers),
                   sum(worker.fraction * worker.task["size"] for worker in self.workers if worker.task))  # fmt: skip

    def _look_after(self, seconds):
        for worker in list(self.workers):
            worker.still += seconds
            if worker.task and worker.memory() > self.memory:
                self._end(worker, f"it needed more than {self.memory // MIB} MiB of memory: --memory allows more, and so do "
                          "fewer --workers")  # fmt: skip
            elif worker.still > (self.stall if worker.task else max(self.stall, START_SECONDS)) and worker.busy():
                self._end(worker, f"no progress for {self.stall:g} seconds after {worker.frames} frames")

    def _end(self, worker, reason):
        self._remove(worker)
        if worker.task:
            self.ended(worker.task, {"state": "failed", "reason": reason})
        else:
            self._bad_start(reason)

    def _bad_start(self, reason):
        self.bad_starts += 1
        if self.bad_starts >= 3:
            raise ArchiveError(f"workers do not start: {reason}; GST_DEBUG=2 shows what they print")

    def _died(self, worker):
        task, ready = worker.task, worker.ready
        status = self._remove(worker)
        if not task:
            if not ready:
                self._bad_start(f"one ended {ending(status)}")
            return
        if status == -signal.SIGKILL and not task.get("killed"):
            # Not by its own fault, perhaps: somebody may be ending all of this.
            time.sleep(1)
            self.again.append({**task, "killed": True})
        elif status == -signal.SIGKILL:
            self.ended(task, {"state": "failed", "reason": "its worker was killed (signal 9) twice, as happens when "
                              "memory runs out: fewer --workers need less"})  # fmt: skip
        else:
            self.ended(
                task,
                {"state": "failed", "reason": f"the decoder crashed {ending(status)} after {worker.frames} frames"},
            )

    # --- what workers tell ---

    def _on_ready(self, worker, event):
        worker.ready, self.version, worker.still = True, event["version"], 0

    def _on_refused(self, _worker, event):
        error = ArchiveError(event["reason"])
        error.status = event["status"]
        raise error

    def _on_progress(self, worker, event):
        worker.still = 0
        worker.frames, worker.fraction = event["frames"], event["fraction"]

    def _on_done(self, worker, event):
        self._finish(worker, {"state": "done", **event})

    def _on_failed(self, worker, event):
        self._finish(worker, {"state": "failed", **event})

    def _on_stop(self, worker, event):
        raise Stop(event["reason"])

    def _finish(self, worker, event):
        task, worker.task = worker.task, None
        worker.done += 1
        self.bad_starts = 0
        worker.frames, worker.fraction, worker.still = 0, 0.0, 0
        self.ended(task, event)


def ending(status):
    if status is None:
        return "and hangs"
    return f"(signal {-status})" if status < 0 else f"(exit status {status})"
