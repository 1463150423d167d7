"""What a process has used, as the kernel and the process itself tell it."""
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


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident_bytes(pid):
    """Memory of its own in use, user space only."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory")


def metrics(url):
    """A replica's metrics by name, labels included."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
