"""What a process has used, as the kernel and the process itself tell it."""
import json
import os
import time
import urllib.request
from pathlib import Path


def cpu_seconds(pid):
    """User and system time of all its threads, ended ones too: the same clock as utime + stime of /proc/PID/stat, in
    nanoseconds instead of ticks of 10 ms (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def thread_seconds(pid):
    """CPU time by thread, by id. /proc/PID/task/TID/schedstat: nanoseconds on a CPU."""
    return {int(task.name): int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
            for task in Path(f"/proc/{pid}/task").iterdir()}


def _children(pid):
    try:
        lists = [task.joinpath("children").read_text(encoding="ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for text in lists for child in text.split()]
    except FileNotFoundError:
        return []  # it has just ended


def tree_seconds(pid):
    """CPU time of a process and of all that it has started, also of those that have ended: utime, stime, cutime and
    cstime of /proc/PID/stat, in ticks of 10 ms."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(tree_seconds, _children(pid)))


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident_bytes(pid):
    """Memory of its own in use, user space only."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory")


def page(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def metrics(url):
    """A replica's metrics by name, labels included."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def machine():
    """What the machine's CPUs have not been used for so far, in CPU seconds: idle, waiting for a disk, and stolen by
    other guests of its host. /proc/stat."""
    ticks = [int(text) for text in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return {name: ticks[i] / os.sysconf("SC_CLK_TCK") for name, i in (("idle", 3), ("waiting", 4), ("stolen", 7))}
