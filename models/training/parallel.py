# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data-parallel training in several processes on one machine: each computes its part of every batch with the same
weights, and gradients are summed in shared memory, in the same order by all.

    team = parallel.Team(net, count)    # returns in every process; team.rank is 0 in the first

The processes are forked, so that loaded data exists once. The first one coordinates: it signals when all have computed
a step. If a process dies, its socket is closed, and the run ends.
"""

import mmap
import os
import signal
import socket
import struct

import torch

from errors import ModelError

READY = b"1"
FRACTION = struct.Struct("d")


class Team:
    def __init__(self, net, count):
        """Call before the first backward pass: the threads that PyTorch starts for it do not survive a fork."""
        self.count, self.rank, self.step, self.others = count, 0, 0, []
        self.weights = [w for w in net.parameters() if w.requires_grad]
        total = sum(w.numel() for w in self.weights)
        # Two buffers in turn: a process that is ahead writes to the one that the others do not read.
        self.gradients = torch.frombuffer(mmap.mmap(-1, 2 * count * total * 4), dtype=torch.float32)
        self.gradients = self.gradients.view(2, count, total)
        torch.set_num_threads(1)  # OpenMP's threads do not survive a fork either
        for rank in range(1, count):
            mine, theirs = socket.socketpair()
            process = os.fork()
            if process:
                theirs.close()
                self.others.append((process, mine))
                continue
            for _, other in [*self.others, (0, mine)]:
                other.close()
            self.rank, self.others = rank, [(0, theirs)]
            for sign in (signal.SIGINT, signal.SIGTERM):  # the first process handles them and ends the others
                signal.signal(sign, signal.SIG_IGN)
            break

    def add_up(self, fraction):
        """Averages the gradients of all processes' parts. Returns `fraction`, the part of the run that is done, of the
        first process."""
        rows = self.gradients[self.step % 2]
        used = [w for w in self.weights if w.grad is not None]
        sizes = [w.numel() for w in used]
        torch.cat([w.grad.flatten() for w in used], out=rows[self.rank, : sum(sizes)])
        fraction = self.meet(fraction)
        for weight, total in zip(used, (rows[:, : sum(sizes)].sum(0) / self.count).split(sizes)):
            weight.grad.copy_(total.view_as(weight))
        self.step += 1
        return fraction

    def meet(self, fraction):
        """Barrier for all processes; the others exit here if the first one is gone."""
        if self.rank:
            _, first = self.others[0]
            try:
                first.sendall(READY)
                answer = first.recv(FRACTION.size, socket.MSG_WAITALL)
            except OSError:
                answer = b""
            if len(answer) < FRACTION.size:
                os._exit(0)
            return FRACTION.unpack(answer)[0]
        for process, other in self.others:
            if other.recv(1) != READY:
                raise ModelError(f"process {process} of the run is gone: out of memory? --resume goes on")
        for _, other in self.others:
            other.sendall(FRACTION.pack(fraction))
        return fraction

    def end(self):
        """Ends the other processes, after their current step."""
        for _, other in self.others:
            other.close()
        for process, _ in self.others:
            os.waitpid(process, 0)
        self.others = []
