"""Muster on one machine: PostgreSQL, NATS, trackers, gateways, and HAProxy in front, all on loopback.

The commands in main.py and the system tests both start things through the class Stack. Everything lives in one folder
(.run): data, logs, pid files, keys, and `env`, shell exports of every address. Standard library only.
"""
import fcntl
import json
import os
import random
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from string import Template

import certs
import postgres
from files import secret, write_private
from process import Process, StackError, clean_environment, stop_all

HERE = Path(__file__).resolve().parent
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # where Debian keeps servers
READY_SECONDS = 30
TOKEN_DAYS = 30
NATS_USERS = ("admin", "tracker", "gateway")
# Where HAProxy connects from: trackers and gateways believe what it says of clients, and nobody else on this machine.
EDGE_ADDRESS = "127.255.255.254"
# Of one source, for those who come by TLS. Many devices of one carrier, and all browsers of an office, share one.
LIMITS = {
    "device_connections": 2000,  # at once
    "device_connects": 1000,  # in 10 s
    "http_connections": 500,
    "http_connects": 500,
    "http_requests": 2000,
}
# What HAProxy may answer by itself.
HTTP_ERRORS = {
    400: ("bad_request", "this is no HTTP request, or its head is too long"),
    401: ("unauthorized", "no token was sent"),
    403: ("forbidden", "this is not allowed"),
    404: ("not_found", "there is no such path"),
    405: ("method_not_allowed", "this is answered to GET, HEAD, POST and DELETE only"),
    408: ("too_slow", "the request did not come in time"),
    410: ("gone", "this is gone"),
    413: ("too_large", "the body is too large"),
    425: ("too_early", "this was sent too early"),
    429: ("too_many_requests", "too many requests from this address"),
    500: ("internal", "something is broken here"),
    501: ("not_implemented", "this is not implemented"),
    502: ("bad_gateway", "the gateway broke off"),
    503: ("unavailable", "no gateway can answer now"),
    504: ("too_slow_here", "the gateway did not answer in time"),
}

# Programs of a higher phase are started later and stopped earlier.
BACKENDS, TRACKERS, GATEWAYS, EDGE, CLIENTS = range(5)


# What could not be told apart from a next request must not be followed by one; a full house is full for some time.
HTTP_ERROR_HEADERS = {status: " hdr Connection close" for status in (400, 413)} | {
    status: " hdr Retry-After 10" for status in (429, 503)}
PORT_SETTINGS = {"devices": "DEVICE_PORT", "http": "HTTP_PORT", "devices-tls": "DEVICE_TLS_PORT", "https": "HTTPS_PORT"}


class Stack:
    """trackers, gateways: how many replicas. A port of 0 picks a free one. limits: other ones than LIMITS. options:
    further flags by kind of program, environment: further variables for our programs, both for tests. link: a function
    that is given a replica's name, a backend's ("nats", "postgres") and its port, and returns the port where that replica
    shall find it."""

    def __init__(self, run, programs, trackers=2, gateways=2, device_port=0, http_port=0, options=None, environment=None,
                 link=None, device_tls_port=0, https_port=0, limits=None):
        self.run = Path(run).resolve()
        self.programs = Path(programs).resolve()
        self.trackers = [f"tracker-{n + 1}" for n in range(trackers)]
        self.gateways = [f"gateway-{n + 1}" for n in range(gateways)]
        self.wanted = {"devices": device_port, "http": http_port, "devices-tls": device_tls_port, "https": https_port}
        self.limits = LIMITS | (limits or {})
        self.options = options or {}
        self.environment = environment or {}
        self.link = link or (lambda _replica, _backend, port: port)
        self.ports = {}
        self.processes = {}  # by name, in order of start
        self.starts = {}  # by name: what Process.start was called with
        self.exports = {}  # what .run/env says

    # ---- up and down ----

    def up(self):
        """Starts everything and returns when all is ready; if anything fails, stops what it started."""
        self._prepare_folder()
        with self._lock():
            if running(self.run):
                raise StackError(f"a stack is already running in {self.run}")
            stop(self.run)  # forgets what has died since
            self._check_programs()
            self.authority, self.certificate = certs.make(self.run / "certs")
            self._pick_ports()
            self.connections = max_connections()
            try:
                self._start_backends()
                self.provision()
                self._start_replicas()
                self._start_edge()
                self._write_env()
            except BaseException:
                stop(self.run, list(self.processes.values()))
                raise

    def down(self):
        """Stops everything; data stays. Returns the names of programs that had to be killed."""
        with self._lock():
            (self.run / "env").unlink(missing_ok=True)
            return stop(self.run, list(self.processes.values()))

    # ---- single programs, for tests ----

    def process(self, name):
        return self.processes[name]

    def kill(self, name, number=signal.SIGKILL):
        process = self.process(name)
        process.signal(number)
        if not process.wait(10):
            raise StackError(f"{name} did not end on signal {number}")

    def start_again(self, name):
        """Starts a program that has ended, as it was started before, and does not wait until it is ready."""
        self._start(name, new_log=False, **self.starts[name])

    def restart(self, name):
        """The same, and waits."""
        self.start_again(name)
        self._await([name])

    # ---- addresses ----

    @property
    def device_address(self):
        return f"127.0.0.1:{self.ports['devices']}"

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def device_tls_address(self):
        return f"127.0.0.1:{self.ports['devices-tls']}"

    @property
    def https_url(self):
        return f"https://localhost:{self.ports['https']}"

    @property
    def nats_url(self):
        """With the operator's login in it, as our programs would not take it."""
        return self.nats_url_of("admin")

    def nats_url_of(self, user):
        return f"nats://{user}:{self._nats_password(user).read_text()}@127.0.0.1:{self.ports['nats']}"

    @property
    def database_url(self):
        """As the owner of the database."""
        return self.database_url_of(postgres.OWNER)

    def database_url_of(self, role):
        return self.postgres.url(self.ports["postgres"], role)

    @property
    def key(self):
        """What tokens are signed with."""
        return secret(self._key_file())

    def _key_file(self):
        secret(self.run / "key")
        return self.run / "key"

    def own_url(self, name):
        """HTTP address of one replica, past HAProxy: a gateway's API, a tracker's admin port."""
        return f"http://127.0.0.1:{self.ports[name + '-admin' if name in self.trackers else name]}"

    def own_device_address(self, tracker):
        return f"127.0.0.1:{self.ports[tracker]}"

    def mint(self, *arguments):
        """A token from muster-token."""
        command = [self.programs / "muster-token", *arguments]
        env = os.environ | {"MUSTER_TOKEN_KEY": self.key}
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
        if done.returncode != 0:
            raise StackError(f"muster-token failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _nats_password(self, user):
        """The file that it is in."""
        path = self.run / f"nats-{user}.password"
        secret(path)
        return path

    def provision(self):
        """Makes tables, rights and streams, with the rights of an owner; what is there stays."""
        command = [self.programs / "muster-tracker", "--id", "provision", "--provision", "only", *self.options.get("tracker", [])]
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                              encoding="utf-8", check=False,
                              env=clean_environment() | self._program_env("provision", "admin", postgres.OWNER))
        (self.run / "provision.database-url").unlink()  # the owner's; it is needed no more
        with open(self.run / "log" / "provision.log", "a", encoding="utf-8") as log:
            log.write(done.stderr)
        if done.returncode != 0:
            raise StackError(f"muster-tracker could not make tables and streams:\n{done.stderr.strip()}")

    # ---- the steps of up ----

    def _prepare_folder(self):
        for part in ("", "pid", "log"):
            (self.run / part).mkdir(mode=0o755, parents=True, exist_ok=True)
        self.postgres = postgres.Postgres(self.run)

    @contextmanager
    def _lock(self):
        with open(self.run / "lock", "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(f"another command is starting or stopping the stack in {self.run}")
            yield

    def _check_programs(self):
        for name in ("tracker", "gateway", "token"):
            if not (self.programs / f"muster-{name}").exists():
                raise StackError(f"{self.programs}/muster-{name} is missing; run `make`")
        for name in ("nats-server", "haproxy", "openssl"):
            if not which(name):
                raise StackError(f"{name} is not installed; run `make deps`")

    def _pick_ports(self):
        fixed = {name: port for name, port in self.wanted.items() if port}
        for name, port in self.wanted.items():
            check_free(name, port, PORT_SETTINGS[name])
        for name, port in fixed.items():
            others = [other for other in fixed if other != name and fixed[other] == port]
            if others:
                raise StackError(f"{name} and {others[0]} cannot share port {port}; choose another: "
                                 f"{PORT_SETTINGS[others[0]]}={max(fixed.values()) + 1}")
        names = ["postgres", "nats", "nats-monitor", *self.gateways]
        names += [name + end for name in self.trackers for end in ("", "-admin")]
        names += [name for name, port in self.wanted.items() if port == 0]
        self.ports = fixed | dict(zip(names, free_ports(len(names), avoid=fixed.values())))

    def _start_backends(self):
        command = self.postgres.prepare(self.ports["postgres"])
        self._start(
            "postgres", command, BACKENDS, f"127.0.0.1:{self.ports['postgres']}", user=self.postgres.user,
            stop_signal=self.postgres.stop_signal,
        )
        config = self._fill("nats.conf", port=self.ports["nats"], monitor_port=self.ports["nats-monitor"],
                            store=self.run / "nats",
                            **{f"{user}_password": self._nats_password(user).read_text() for user in NATS_USERS})
        monitor = f"http://127.0.0.1:{self.ports['nats-monitor']}"
        # It exits with 0 on SIGINT, with 1 on SIGTERM.
        self._start("nats", [which("nats-server"), "-c", config], BACKENDS, f"127.0.0.1:{self.ports['nats']}",
                    ready_url=f"{monitor}/healthz", stop_signal=signal.SIGINT)
        self._await(["postgres", "nats"])

    def _start_replicas(self):
        for name in self.trackers:
            address, admin = self.own_device_address(name), f"127.0.0.1:{self.ports[name + '-admin']}"
            command = [self.programs / "muster-tracker", "--id", name, "--provision", "never", "--listen", address,
                       "--admin", admin]
            self._start(name, command + self.options.get("tracker", []), TRACKERS, address, env=self._replica_env(name),
                        ready_url=f"http://{admin}/readyz")
        self._await(self.trackers)
        for name in self.gateways:
            address = f"127.0.0.1:{self.ports[name]}"
            command = [self.programs / "muster-gateway", "--id", name, "--listen", address]
            self._start(name, command + self.options.get("gateway", []), GATEWAYS, address, env=self._replica_env(name),
                        ready_url=f"http://{address}/readyz")
        self._await(self.gateways)

    def _replica_env(self, name):
        login = ("tracker", postgres.RECORDER) if name in self.trackers else ("gateway", postgres.GATEWAY)
        return self._program_env(name, *login) | {"MUSTER_TOKEN_KEY_FILE": str(self._key_file())}

    def _program_env(self, name, nats_user, role):
        """Secrets are in files, so that they are not in the environment, either."""
        ports = {backend: self.ports[backend] for backend in ("nats", "postgres")}
        if name in self.trackers + self.gateways:
            ports = {backend: self.link(name, backend, port) for backend, port in ports.items()}
        database_url = self.run / f"{name}.database-url"
        write_private(database_url, self.postgres.url(ports["postgres"], role))
        return self.environment | {
            "MUSTER_NATS_URL": f"nats://127.0.0.1:{ports['nats']}",
            "MUSTER_NATS_USER": nats_user,
            "MUSTER_NATS_PASSWORD_FILE": str(self._nats_password(nats_user)),
            "MUSTER_DATABASE_URL_FILE": str(database_url),
            "MUSTER_TRUSTED_PROXIES": EDGE_ADDRESS,
        }

    def _start_edge(self):
        config = self._fill(
            "haproxy.cfg", connections=self.connections, device_port=self.ports["devices"], http_port=self.ports["http"],
            device_tls_port=self.ports["devices-tls"], https_port=self.ports["https"], certificate=self.certificate,
            edge_address=EDGE_ADDRESS, http_errors=http_errors(), **self.limits,
            device_servers=servers(((name, self.ports[name], self.ports[name + "-admin"]) for name in self.trackers), "send-proxy-v2"),
            http_servers=servers((name, self.ports[name], self.ports[name]) for name in self.gateways),
        )
        self._start("haproxy", [which("haproxy"), "-db", "-f", config], EDGE, f"{self.device_address} {self.http_url}",
                    ready_url=f"{self.http_url}/readyz")
        self._await(["haproxy"])

    def _write_env(self):
        self.exports = {
            "MUSTER_DEVICE_ADDR": self.device_address,
            "MUSTER_HTTP_URL": self.http_url,
            "MUSTER_DEVICE_TLS_ADDR": self.device_tls_address,
            "MUSTER_HTTPS_URL": self.https_url,
            "MUSTER_CA_FILE": str(self.authority),
            "MUSTER_NATS_URL": f"nats://127.0.0.1:{self.ports['nats']}",
            "MUSTER_NATS_USER": "admin",
            "MUSTER_NATS_PASSWORD": self._nats_password("admin").read_text(),
            "MUSTER_DATABASE_URL": self.database_url,
            "MUSTER_MANAGER_TOKEN": self.mint("--role", "admin", "--subject", "local", "--days", str(TOKEN_DAYS)),
            "MUSTER_WORKER_KEY": self.key,
            "MUSTER_TOKEN_KEY": self.key,
        }
        write_private(self.run / "env", "".join(f"export {name}='{value}'\n" for name, value in self.exports.items()))

    def _fill(self, template, **values):
        path = self.run / template
        text = (HERE / template).read_text(encoding="utf-8")
        write_private(path, Template(text).substitute(values))
        return path

    def _start(self, name, command, phase, address, new_log=True, **how):
        self.starts[name] = {"command": command, "phase": phase, "address": address, **how}
        process = self.processes[name] = self.processes.get(name) or Process(self.run, name)
        process.start(command, phase, address, new_log=new_log, **how)

    def _await(self, names):
        """Polls until each of the programs is ready."""
        deadline = time.monotonic() + READY_SECONDS
        for process in [self.processes[name] for name in names]:
            while True:
                if not process.alive():
                    raise StackError(f"{process.name} ended while starting; its log ends with\n{process.log_tail()}")
                wrong = fault(process)
                if not wrong:
                    break
                if time.monotonic() > deadline:
                    raise StackError(f"{process.name} is not ready after {READY_SECONDS} s ({wrong}); "
                                     f"its log ends with\n{process.log_tail()}")
                time.sleep(0.02)


# ---- what runs in a folder, whoever started it ----


def recorded(run):
    """Everything that was started there and not stopped since, also what has died."""
    processes = [Process(run, path.stem) for path in sorted((run / "pid").glob("*.json"))]
    return sorted(processes, key=lambda process: process.record["phase"])


def running(run):
    return [process for process in recorded(run) if process.alive()]


def stop(run, own=()):
    """Stops all that was started in the folder. own: Process objects to use where they exist, so that their exit
    status is collected."""
    known = {process.name: process for process in own}
    processes = [known.get(process.name, process) for process in recorded(run)]
    killed = []
    for phase in (CLIENTS, EDGE, GATEWAYS, TRACKERS, BACKENDS):
        # A process that was stopped in a phase before has no record any more.
        killed += stop_all([p for p in processes if p.record and p.record["phase"] == phase])
    return killed


def fault(process):
    """None if the program is ready, else what is wrong. Servers but PostgreSQL say so over HTTP."""
    if process.record["phase"] == CLIENTS:
        return None
    if not process.record["ready_url"]:
        return postgres.fault(process.record["address"])
    try:
        with urllib.request.urlopen(process.record["ready_url"], timeout=2):
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {error.read(200).decode('utf-8', 'replace').strip()}"
    except OSError as error:
        return str(error)


# ---- ports, programs, limits ----


def which(name):
    for folder in PATH.split(":"):
        if os.access(os.path.join(folder, name), os.X_OK):
            return os.path.join(folder, name)
    return None


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise StackError(f"port {port} may only be used by root; choose one above 1023")
        except OSError:
            return False
    return True


def check_free(what, port, variable):
    if not 0 <= port <= 65535:
        raise StackError(f"{variable}={port} is no port: 1 to 65535")
    if port and not is_free(port):
        raise StackError(f"port {port} of 127.0.0.1, for {what}, is in use by another program; "
                         f"stop that, or choose another port: {variable}={port + 1}")


def free_ports(count, avoid=()):
    """Below the ports that the kernel gives to outgoing connections, so that a program can be restarted on its own."""
    candidates = random.sample(range(20000, 32000), 400)
    ports = [port for port in candidates if port not in avoid and is_free(port)]
    if len(ports) < count:
        raise StackError("found too few free ports between 20000 and 32000")
    return ports[:count]


def max_connections():
    """Raises this process's file limit, which its children inherit; returns how many connections HAProxy can hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(50000, (hard - 200) // 2)


def servers(replicas, how=""):
    lines = []
    for name, port, check_port in replicas:
        lines.append(f"  server {name} 127.0.0.1:{port} check port {check_port} {how}")
        lines.append(f"  server {name}-unready 127.0.0.1:{port} backup {how}")
    return "\n".join(lines)


def http_errors():
    lines = []
    for status, (code, message) in HTTP_ERRORS.items():
        body = json.dumps({"error": {"code": code, "message": message}}, separators=(",", ":"))
        more = HTTP_ERROR_HEADERS.get(status, "")
        lines.append(f"  http-error status {status} content-type application/json string '{body}' hdr X-Content-Type-Options nosniff{more}")
    return "\n".join(lines)
