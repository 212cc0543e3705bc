"""The image and the compose file are checked by parsing, for no engine runs here."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())


def test_every_command_names_a_service_or_worker_that_exists() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    default = re.findall(r'"([^"]+)"', dockerfile.rsplit("CMD", 1)[1])
    commands = [default, *(s["command"] for s in COMPOSE["services"].values() if "command" in s)]
    names = {word for command in commands for word in command[1:] if word.isalpha()}
    assert {"ingest", "consent", "portal", "projections", "delivery"} <= names
    for name in names:
        assert importlib.util.find_spec(f"services.{name}.__main__"), name


def test_ports_are_published_on_loopback_only() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_a_service_waits_for_exists() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])


def test_the_image_does_not_run_as_root_and_copies_what_exists() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "USER throughline" in dockerfile
    for line in dockerfile.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
