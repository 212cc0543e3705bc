"""Is it up? Asked of the processes themselves, never guessed from time passed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from services.launcher.process import LOOPBACK

_ASK_S = 4.0
_GROUPS_S = 1.0


async def http_ready(port: int) -> bool:
    """True when `/health/ready` answers 200."""
    try:
        async with asyncio.timeout(_ASK_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                host = f"{LOOPBACK}:{port}"
                writer.write(f"GET /health/ready HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]


def workers_ready(bootstrap: str, names: Iterable[str]) -> bool:
    """True when each worker's consumer group is stable and has members. Blocks up to a second."""
    from confluent_kafka import ConsumerGroupState, KafkaException
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        listed = admin.list_consumer_groups(request_timeout=_GROUPS_S).result().valid
        stable = [g.group_id for g in listed if g.state == ConsumerGroupState.STABLE]
    except KafkaException:
        return False
    return all(any(name in group for group in stable) for name in names)
