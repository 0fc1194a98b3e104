#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A job array of a real Slurm, started here on loopback: parts are done once, whatever happens to jobs and nodes."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import archive
import common

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo"]
os.environ["PATH"] += ":/usr/sbin"
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=main Nodes={host} Default=YES State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@unittest.skipIf(MISSING, f"Slurm's {', '.join(MISSING)} missing (Debian: slurmctld, slurmd, slurm-client, munge)")
@unittest.skipIf(os.geteuid() != 0, "slurmd needs root")
@unittest.skipIf(common.PRELOAD, "Slurm's programs come without the sanitizers' runtime")
class Slurm(archive.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.path("slurm").replace(" ", "_")  # slurm.conf has no way to write a space
        os.makedirs(os.path.join(folder, "state"), mode=0o700)
        self.addCleanup(shutil.rmtree, os.path.dirname(folder), ignore_errors=True)
        os.chmod(os.path.dirname(folder), 0o755)
        os.chmod(folder, 0o755)  # as munged asks for
        self.slurm = folder
        host = socket.gethostname().split(".")[0]
        with open(os.path.join(folder, "slurm.conf"), "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(folder=folder, host=host, ports=free_ports(2)))
        key = os.path.join(folder, "munge.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(128))
        os.environ["SLURM_CONF"] = os.path.join(folder, "slurm.conf")
        self.node = host
        self.start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
                   f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed")  # fmt: skip
        self.wait_for(lambda: os.path.exists(f"{folder}/munge.socket"), "munged does not start")
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        self.wait_for(lambda: "idle" in self.slurm_says("sinfo", "--noheader", "--format=%t"), "Slurm does not start")

    def start(self, *command):
        with open(os.path.join(self.slurm, command[0] + ".out"), "wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.addCleanup(self.end_daemon, process)
        return process

    def end_daemon(self, process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def slurm_says(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout

    def submit(self, *words, expect=0):
        out, _ = self.run_archive("--slurm", "--workers", "1", *words, expect=expect)
        job = re.search(r"job (\d+):", out)
        return job and job[1], out

    def queue(self, job):
        return self.slurm_says("squeue", "--noheader", "--array", "--job", job, "--format=%K %T").split("\n")[:-1]

    def running(self, job):
        return [line.split()[0] for line in self.queue(job) if line.endswith("RUNNING")]

    def wait_for_end(self, job):
        try:
            self.wait_for(lambda: not self.queue(job), f"job {job} does not end")
        except AssertionError:
            self.fail(self.slurm_says("scontrol", "show", "job") + self.log(job))

    def log(self, job):
        text = ""
        for path in sorted(glob.glob(os.path.join(self.output, "slurm", f"{job}_*.log"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def files_of(self, folder):
        """The archive's files, without the jobs' scripts."""
        return {path: content for path, content in self.everything(folder).items() if not path.startswith("slurm/")}

    def process_of(self, part):
        """The one that Slurm runs for a part."""
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    words = file.read().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            if f"--output={self.output}" in words and any(word.startswith(f"--shard={part}/") for word in words):
                if not archive.is_worker(pid := int(path.split("/")[2])):
                    return pid
        self.fail(f"part {part} has no process")

    def started(self, job, part):
        """Whether a part has begun with a recording."""
        return bool(
            [p for p in glob.glob(f"{glob.escape(self.output)}/.dicenet-work/{part}-of-*/*.part") if os.path.getsize(p)]
        )

    def test_array(self):
        """On a drained node nothing runs; a job that is requeued in the middle and one that is killed lose nothing."""
        self.clips(*[f"{number}.mp4" for number in range(12)], frames=60)
        self.run_archive(output=self.path("whole"))
        self.slurm_says("scontrol", "update", f"NodeName={self.node}", "State=DRAIN", "Reason=test")
        job, _ = self.submit("--array-size", "3", "--partition", "main", "--sbatch=--time=10")
        time.sleep(2)
        self.assertEqual(self.running(job), [])
        self.assertEqual(len(self.queue(job)), 3)
        self.slurm_says("scontrol", "update", f"NodeName={self.node}", "State=RESUME")
        self.wait_for(lambda: self.started(job, 1) and self.started(job, 2), "the parts do not begin")
        self.slurm_says("scontrol", "requeue", f"{job}_1")
        os.kill(self.process_of(2), signal.SIGKILL)
        self.wait_for_end(job)
        log = self.log(job)
        done = sum(int(count) for count in re.findall(r"^(\d+) recordings done in", log, re.M))
        states = self.states()
        self.assertEqual(set(states.values()), {"done"}, log)
        self.assertLess(len(states), 12, "the killed part was done all the same: it was killed too late")
        self.assertEqual(len(re.findall("recordings to do", log)), 4, "a part began more or less often than it should")
        job, _ = self.submit("--array-size", "2")
        self.wait_for_end(job)
        self.assertEqual(len(self.states()), 12, self.log(job))
        self.assertEqual(self.files_of(self.output), self.files_of(self.path("whole")))
        # Nothing was done twice: those of the two that were stopped have no line that counts them.
        done += sum(int(count) for count in re.findall(r"^(\d+) recordings done in", self.log(job), re.M))
        self.assertLessEqual(done, 12)
        job, out = self.submit()
        self.assertIsNone(job)
        self.assertIn("all 12 recordings are done", out)

    def test_refused(self):
        """What sbatch does not take is said, and nothing is left."""
        self.clips("a.mp4")
        for words, part in {
            ("--partition", "nowhere"): "nowhere",
            ("--sbatch=time",): "--sbatch takes an option of sbatch",
            ("--shard=1/2",): "leave --shard out",
        }.items():
            process = subprocess.run(self.command("--slurm", *words), env=common.environment(), capture_output=True, text=True,
                                     timeout=60, check=False)  # fmt: skip
            self.assertIn(process.returncode, (1, 2))
            self.assertRegex(process.stderr, "^error: ")
            if words[0] != "--partition":
                self.assertIn(part, process.stderr)
        self.assertEqual(self.states(), {})


if __name__ == "__main__":
    archive.main()
