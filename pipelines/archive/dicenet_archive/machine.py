# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of the machine may be used."""

import os

LEAST = 512 << 20
SHARE = 0.8
CGROUPS = [
    "/sys/fs/cgroup{}/memory.max",
    "/sys/fs/cgroup/memory{}/memory.limit_in_bytes",
]


def processors():
    """Those that this process may use; of a Slurm job, those that it asked for."""
    count = len(os.sched_getaffinity(0))
    for name in "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE":
        text = os.environ.get(name, "")
        if text.isdigit() and int(text):
            return min(count, int(text))
    return count


def memory():
    """Bytes that this process and its children may have."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *cgroup_limits()]
    text = os.environ.get("SLURM_MEM_PER_NODE", "")
    if text.isdigit() and int(text):
        limits.append(int(text) << 20)
    return min(limits)


def memory_of_worker(count):
    """The most that one of `count` workers may have."""
    return max(LEAST, int(SHARE * memory() / count))


def cgroup_limits():
    try:
        with open("/proc/self/cgroup", encoding="ascii") as file:
            lines = [line.strip().split(":", 2) for line in file]
    except (OSError, ValueError):
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers in ("", "memory"):
            try:
                with open(CGROUPS[controllers == "memory"].format(path.rstrip("/")), encoding="ascii") as file:
                    yield int(file.read())
            except (OSError, ValueError):  # "max", or not to be seen from here
                continue
