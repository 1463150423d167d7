"""A private PostgreSQL cluster: on loopback TCP only, with passwords of its own, below the stack's folder.

Its roles: muster owns the database and makes the tables, muster_recorder is what trackers use at run time,
muster_gateway what gateways do; tracker/schema/roles.sql says what these may.

PostgreSQL refuses to run as root, so root runs it as the user `postgres`; where that user cannot reach the stack's
folder, the data goes to /var/lib/postgresql and the folder holds a link to it.
"""
import glob
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

from files import secret
from process import StackError

CONFIG = Path(__file__).with_name("postgresql.conf")
OWNER, RECORDER, GATEWAY = "muster", "muster_recorder", "muster_gateway"
PASSWORDS = {OWNER: "postgres.password", RECORDER: "postgres-recorder.password", GATEWAY: "postgres-gateway.password"}


def server_programs():
    """Folder of the newest installed server's programs."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not found:
        raise StackError("PostgreSQL's server programs are not installed; run `make deps`")
    return Path(max(found, key=lambda path: int(re.search(r"/(\d+)/bin", path)[1]))).parent


def fault(address):
    """None if the server at host:port takes connections, else what is wrong."""
    host, port = address.split(":")
    command = [server_programs() / "pg_isready", "-h", host, "-p", port, "-d", "muster", "-U", "muster"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() if done.returncode else None


def remove(run):
    """Deletes all data of the stack in that folder."""
    link = run / "postgres"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)


class Postgres:
    stop_signal = signal.SIGINT  # "fast": ends sessions rather than waiting for them

    def __init__(self, run):
        self.run = run
        self.link = run / "postgres"  # the data, or a link to it
        self.programs = server_programs()
        self.user = None
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                raise StackError("there is no user `postgres` to run PostgreSQL as, and it refuses to run as root")
            self.user = (account.pw_uid, account.pw_gid)

    def url(self, port, role=OWNER):
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{port}/muster"

    def prepare(self, port):
        """Creates the cluster if there is none, and writes its settings. Returns the command that runs it."""
        data = self.link.resolve()
        if not (data / "PG_VERSION").exists() or not (data / "muster.conf").exists():
            remove(self.run)
            data = self._create()
        self._add_roles(data)
        settings = CONFIG.read_text(encoding="utf-8") + f"port = {port}\n"
        self._write(data / "muster.conf", settings)
        return [self.programs / "postgres", "-D", data]

    def _password(self, role):
        return secret(self.run / PASSWORDS[role])

    def _create(self):
        data = self._place()
        self._as_owner(
            ["initdb", "-D", data, "--username=postgres", "--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8",
             "--no-instructions"]
        )
        with open(data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("\ninclude 'muster.conf'\n")
        self._write(data / "muster.conf", "")
        try:
            self._execute(data, [
                f"CREATE ROLE muster LOGIN PASSWORD '{self._password(OWNER)}'",
                "GRANT pg_monitor TO muster",
                "CREATE DATABASE muster OWNER muster",
            ])
        except StackError:
            (data / "muster.conf").unlink()  # so that the next attempt begins anew
            raise
        return data

    def _add_roles(self, data):
        """The roles that came later than the first clusters did; and who may log in."""
        done = data / "muster.roles"
        if not done.exists():
            for role in (RECORDER, GATEWAY):
                self._execute(data, [f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD '{self._password(role)}'"])
            self._execute(data, [
                f"GRANT {RECORDER} TO {OWNER}",  # so that it can hand the history over, and do what the recorder may
                "REVOKE ALL ON DATABASE muster FROM PUBLIC",
                f"GRANT CONNECT ON DATABASE muster TO {RECORDER}, {GATEWAY}",
            ])
            self._write(done, "")
        self._write(data / "pg_hba.conf", "".join(f"host muster {role} 127.0.0.1/32 scram-sha-256\n" for role in PASSWORDS))

    def _execute(self, data, statements):
        """On the server's own terms: it does not run yet."""
        self._as_owner(["postgres", "--single", "-c", "exit_on_error=on", "-D", data, "postgres"],
                       "".join(statement + "\n" for statement in statements))

    def _place(self):
        """Makes the empty data folder, where the user that runs PostgreSQL can reach it."""
        data = self.link
        reach = ["/usr/bin/test", "-x", str(self.run)]
        if self.user and subprocess.run(reach, **self._identity(), check=False).returncode != 0:
            name = hashlib.sha256(str(self.run).encode()).hexdigest()[:12]
            data = Path(f"/var/lib/postgresql/muster-{name}")
            shutil.rmtree(data, ignore_errors=True)
            self.link.symlink_to(data)
        data.mkdir(mode=0o700, parents=True)
        self._own(data)
        return data

    def _identity(self):
        return {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}

    def _own(self, path):
        if self.user:
            os.chown(path, *self.user)

    def _write(self, path, text):
        path.write_text(text, encoding="utf-8")
        self._own(path)

    def _as_owner(self, command, text=None):
        program = self.programs / command[0]
        done = subprocess.run(
            [program, *command[1:]], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            encoding="utf-8", errors="replace", check=False, **self._identity()
        )
        if done.returncode != 0:
            raise StackError(f"{program} failed:\n{done.stdout.strip()}")
