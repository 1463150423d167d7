"""The simulator as the drill uses it: workers that park one after another, viewers on the edge and on every gateway."""
import json
import os
import signal
import subprocess

CALM_MS = 1500  # no worker waits longer for an ack, no view stands still for longer


class Load:
    """Files: ledger, timeline.jsonl, report.json, views.json and simulator.log in the folder."""

    def __init__(self, stack, folder, workers, teams, interval_ms, park_s):
        self.folder, self.workers = folder, workers
        urls = [stack.http_url] + [stack.own_url(name) for name in stack.gateways]
        self.viewers = teams * len(urls)
        self.timeline_path = folder / "timeline.jsonl"
        self.timeline_path.unlink(missing_ok=True)
        command = [
            stack.programs / "muster-simulator", "--workers", workers, "--teams", teams, "--interval-ms", interval_ms,
            "--connect", stack.device_address, "--http", ",".join(urls), "--viewers", self.viewers, "--view-protocol",
            "mixed", "--ack-every", 1, "--spool", 8192, "--park-s", park_s, "--drain-s", 60, "--settle-ms", 2000,
            "--ledger", folder / "ledger", "--timeline", self.timeline_path, "--report", folder / "report.json",
            "--view-states", folder / "views.json",
        ]
        with open(folder / "simulator.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, start_new_session=True)

    def alive(self):
        return self.process.poll() is None

    def now(self):
        """The last line of the timeline, None before the first."""
        try:
            with open(self.timeline_path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return None
        whole = [line for line in lines if line.endswith(b"}\n")]
        return json.loads(whole[-1]) if whole else None

    def started(self):
        now = self.now()
        return bool(now) and now["acked"] > self.workers and now["watching"] == self.viewers

    def is_calm(self):
        now = self.now()
        return (now["online"] == self.workers and now["watching"] == self.viewers and now["ack_silence_ms"] < CALM_MS
                and now["view_silence_ms"] < CALM_MS and now["unacked"] < 2 * self.workers)

    def disturb(self):
        self.process.send_signal(signal.SIGUSR1)

    def end(self, seconds):
        """Stops sending, lets the simulator wait for acks and for views to settle; False if it does not end."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()

    def timeline(self):
        with open(self.timeline_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("}\n")]

    def report(self):
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    def views(self):
        return json.loads((self.folder / "views.json").read_text(encoding="utf-8"))
