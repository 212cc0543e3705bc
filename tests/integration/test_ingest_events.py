"""Events over HTTP: what is taken is on the log as it was sent, what is refused says why."""

from __future__ import annotations

from typing import Any

from services.common.access import Role
from tests.conftest import Hub

SERVICES = ("ingest",)


def enrolled(**fields: Any) -> dict[str, Any]:
    return {
        "type": "TrainingEnrolled",
        "source_record_id": "r-1",
        "occurred_at": "2026-01-05T09:00:00Z",
        "enrolment_id": "e-1",
        "course_id": "forklift",
        "provider_id": "river-college",
        **fields,
    }


async def test_smoke(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "river-college")
    answer = await hub.http.post("/v1/events", json=enrolled(source_event_id="1"), headers=key)
    print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/events", json=enrolled(source_event_id="1"), headers=key)
    print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/events", json=enrolled(source_event_id="1", course_id="x"), headers=key)
    print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/events", json={"events": [enrolled(), enrolled(type="X"), enrolled(provider_id="other"), enrolled(enrolment_id=3, foo=1), 3]}, headers=key)
    print(answer.status_code, answer.text)
    answer = await hub.http.post("/v1/workers", json={"source_record_id": "r-9", "display_name": "Ana"}, headers=key)
    print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/claims", json={"code": answer.json()["claim_code"]})
    print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/events", json={"type": "SkillClaimed", "occurred_at": "2026-01-05T09:00:00Z", "skill_id": "esco:x", "level": "CAN_DO"}, headers={"Authorization": "Bearer " + answer.json()["token"]})
    print(answer.status_code, answer.json())
    op = await hub.key(Role.OPERATOR, "hub")
    for n in range(2):
        answer = await hub.http.post("/v1/organizations", json={"organization_id": "acme", "kind": "EMPLOYER", "name": "Acme"}, headers=op)
        print(answer.status_code, answer.json())
    answer = await hub.http.post("/v1/organizations", json={"organization_id": "acme", "kind": "EMPLOYER", "name": "Acme2"}, headers=op)
    print(answer.status_code, answer.json())
    assert answer.status_code == 409
