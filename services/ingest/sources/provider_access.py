"""Who may use which provider topic: topics, users and access rules, made and taken away.

Kafka keeps all of it, so there is nothing to go out of step. Needs a connection that may alter the
cluster, which the hub's own has.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from services.common.errors import DependencyDown, TerminalError
from services.common.settings import Settings
from services.ingest.sources.settings import ProviderTopicSettings

_PATIENCE_S = 15.0
_COORDINATOR_S = 0.2  # between two looks for it
_ITERATIONS = 8_192
# A producer's batch is one message to the broker; a reject is one with our headers beside its own.
_BATCH_BYTES = 1_048_588
_LEAST_SEGMENT, _MOST_SEGMENT = 4 * _BATCH_BYTES, 1_073_741_824
_THERE = frozenset({KafkaError.TOPIC_ALREADY_EXISTS})
_GONE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.RESOURCE_NOT_FOUND})


class NoUsers(TerminalError):
    """The cluster has no users or access rules: every client could write and read everything."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider connects with. The password is known here only, once."""

    organization_id: str
    password: str
    bootstrap: str
    security_protocol: str
    topic: str
    rejects: str
    group_prefix: str

    def client_config(self) -> dict[str, str]:
        """For librdkafka: Python, C, Go, .NET, kcat. Java takes the same with a JAAS line."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.organization_id,
            "sasl.password": self.password,
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider's topic stands, in records."""

    organization_id: str
    sent: int  # since the topic began, what has run out included
    waiting: int
    rejects: int  # that can still be read
    lost: int  # removed by Kafka before they were read, and not yet told to the provider


class ProviderAccess:
    """Raises DependencyDown when Kafka does not answer."""

    def __init__(self, settings: Settings, own: ProviderTopicSettings) -> None:
        self._settings, self._own = settings, own
        quiet = {"log_level": 0, "socket.timeout.ms": 10_000}
        self._client = {"bootstrap.servers": settings.kafka_bootstrap, **quiet}
        self._admin = AdminClient(self._client)

    def grant(self, organization_id: str) -> Credentials:
        """Make what is missing, and a new password in place of the one before.

        Raises NoUsers on a cluster that would let everybody in.
        """
        # Rules first: where there are none, nobody gets a password.
        self._done(self._admin.create_acls(self._rules(organization_id)), NoUsers)
        self._make_topics(organization_id)
        password = secrets.token_urlsafe(32)
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        user = UserScramCredentialUpsertion(organization_id, info, password.encode())
        self._done(self._admin.alter_user_scram_credentials([user]))
        return Credentials(
            organization_id,
            password,
            self._own.bootstrap or self._settings.kafka_bootstrap,
            self._own.security_protocol,
            self._own.topic_in(organization_id),
            self._own.topic_rejects(organization_id),
            self._group_prefix(organization_id),
        )

    def revoke(self, organization_id: str, *, delete_topics: bool = False) -> None:
        """Take rules and user away: also who is connected may do nothing from now on."""
        found = self._admin.delete_acls(
            [
                AclBindingFilter(
                    kind, None, ResourcePatternType.ANY, f"User:{organization_id}", None,
                    AclOperation.ANY, AclPermissionType.ANY,
                )
                for kind in (ResourceType.TOPIC, ResourceType.GROUP)
            ]
        )  # fmt: skip
        self._done(found)
        gone = UserScramCredentialDeletion(organization_id, ScramMechanism.SCRAM_SHA_512)
        self._done(self._admin.alter_user_scram_credentials([gone]), passed=_GONE)
        if delete_topics:
            topics = [self._own.topic_in(organization_id), self._own.topic_rejects(organization_id)]
            self._done(self._admin.delete_topics(topics), passed=_GONE)

    def standings(self) -> list[Standing]:
        """Of every provider that has a topic, by name."""
        topics = self._answered(lambda: self._admin.list_topics(timeout=_PATIENCE_S)).topics
        partitions = [
            TopicPartition(name, number)
            for name, described in topics.items()
            if name.startswith(self._own.prefix)
            for number in described.partitions
        ]
        ends = self._offsets(partitions, OffsetSpec.latest())
        starts = self._offsets(partitions, OffsetSpec.earliest())
        read = self._committed([tp for tp in partitions if tp.topic.endswith(".in")])
        owners = sorted({self._own.owner_of(t) for t in topics if self._is_in(t)})
        return [self._standing(owner, starts, ends, read) for owner in owners]

    def _standing(
        self,
        owner: str,
        starts: Mapping[tuple[str, int], int],
        ends: Mapping[tuple[str, int], int],
        read: Mapping[tuple[str, int], int],
    ) -> Standing:
        mine, back = self._own.topic_in(owner), self._own.topic_rejects(owner)
        own = {tp: end for tp, end in ends.items() if tp[0] == mine}
        return Standing(
            owner,
            sent=sum(own.values()),
            waiting=sum(end - max(read.get(tp, 0), starts[tp]) for tp, end in own.items()),
            rejects=sum(end - starts[tp] for tp, end in ends.items() if tp[0] == back),
            lost=sum(max(starts[tp] - read[tp], 0) for tp in own if tp in read),
        )

    def _is_in(self, topic: str) -> bool:
        return topic.startswith(self._own.prefix) and topic.endswith(".in")

    def _group_prefix(self, organization_id: str) -> str:
        return f"{self._own.prefix}{organization_id}."

    def _rules(self, organization_id: str) -> list[AclBinding]:
        """Write and describe its own topic, read its rejects, in groups of its own name."""
        topic, literal = ResourceType.TOPIC, ResourcePatternType.LITERAL
        mine, back = self._own.topic_in(organization_id), self._own.topic_rejects(organization_id)
        group = self._group_prefix(organization_id)
        wanted = [
            (topic, mine, literal, AclOperation.WRITE),
            (topic, mine, literal, AclOperation.DESCRIBE),
            (topic, back, literal, AclOperation.READ),
            (topic, back, literal, AclOperation.DESCRIBE),
            (ResourceType.GROUP, group, ResourcePatternType.PREFIXED, AclOperation.READ),
        ]
        who = f"User:{organization_id}"
        return [
            AclBinding(kind, name, pattern, who, "*", operation, AclPermissionType.ALLOW)
            for kind, name, pattern, operation in wanted
        ]

    def _make_topics(self, organization_id: str) -> None:
        """Make what is missing, and have what is there kept as the settings say now."""
        own = self._own
        configs = {
            own.topic_in(organization_id): {
                **self._kept(own.kept),
                "max.message.bytes": str(_BATCH_BYTES),
                # So that `timestamp` is when it was sent, not what the sender says.
                "message.timestamp.type": "LogAppendTime",
            },
            own.topic_rejects(organization_id): {
                **self._kept(own.rejects_kept),
                "max.message.bytes": str(2 * _BATCH_BYTES),
            },
        }
        replicas = self._settings.replication_factor
        made = [
            NewTopic(
                name, num_partitions=own.partitions, replication_factor=replicas, config=config
            )
            for name, config in configs.items()
        ]
        self._done(self._admin.create_topics(made), passed=_THERE)
        resources = [
            ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=_entries(config))
            for name, config in configs.items()
        ]
        self._done(self._admin.incremental_alter_configs(resources))

    def _kept(self, age: timedelta) -> dict[str, str]:
        """For how long a topic keeps a record, and how much at most."""
        part = self._own.kept_bytes // self._own.partitions
        return {
            "retention.ms": str(int(age.total_seconds() * 1000)),
            "retention.bytes": str(part),
            # Kafka deletes whole segments, so that it keeps up to one more than it should.
            "segment.bytes": str(max(_LEAST_SEGMENT, min(part // 8, _MOST_SEGMENT))),
        }

    def _offsets(
        self, partitions: Iterable[TopicPartition], spec: Any
    ) -> dict[tuple[str, int], int]:
        wanted = dict.fromkeys(partitions, spec)
        if not wanted:
            return {}
        found = self._admin.list_offsets(wanted)
        return {
            (tp.topic, tp.partition): self._answered(lambda f=future: f.result(_PATIENCE_S)).offset
            for tp, future in found.items()
        }

    def _committed(self, partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
        """Asked as a member that joins nothing: librdkafka's admin client (2.16) ends the process
        when the group's coordinator is not ready, as on a cluster that had no group before.
        """
        if not partitions:
            return {}
        group = {"group.id": self._own.group, "enable.auto.commit": False}
        asking = Consumer({**self._client, **group})
        try:
            found = self._answered(lambda: _committed_of(asking, partitions))
        finally:
            asking.close()
        return {(tp.topic, tp.partition): tp.offset for tp in found if tp.offset >= 0}

    def _done(
        self,
        futures: Mapping[Any, Future[Any]],
        no_security: type[TerminalError] = TerminalError,
        *,
        passed: frozenset[int] = frozenset(),
    ) -> None:
        """Wait for all. Errors of the codes `passed` are as good as done."""
        for future in futures.values():
            try:
                self._answered(lambda f=future: f.result(_PATIENCE_S))
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.SECURITY_DISABLED:
                    fix = "Set an authorizer on the brokers; see docs/provider-topics.md."
                    raise no_security(f"this Kafka has no access rules. {fix}") from error
                if code not in passed:
                    raise TerminalError(f"Kafka refuses: {error.args[0].str()}") from error

    def _answered(self, question: Any) -> Any:
        """Raises DependencyDown instead of Kafka's errors of connections and patience."""
        try:
            return question()
        except TimeoutError as error:
            raise DependencyDown("Kafka does not answer") from error
        except KafkaException as error:
            if error.args[0].retriable() or error.args[0].code() in _AWAY:
                raise DependencyDown(f"Kafka does not answer: {error.args[0].str()}") from error
            raise


_NO_COORDINATOR = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
_AWAY = _NO_COORDINATOR | {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
}


def _committed_of(asking: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Once the group has a coordinator. Raises KafkaException."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return asking.committed(partitions, timeout=_PATIENCE_S)  # type: ignore[no-any-return]
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR or time.monotonic() > deadline:
                raise
            time.sleep(_COORDINATOR_S)


def _entries(config: Mapping[str, str]) -> list[ConfigEntry]:
    to = AlterConfigOpType.SET
    return [ConfigEntry(k, v, incremental_operation=to) for k, v in config.items()]
