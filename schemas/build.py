"""Builds what is made from the `.avsc` files, and checks that it is fresh: `make events`.

An author writes the event's own fields; this adds the envelope, gives the schema its id, keeps the
version in `history/`, and generates `models.py` (pydantic, for the edge) and `events.py` (names
for projections). `--check` changes nothing and exits 1 when a file would change, a schema breaks a
rule (`rules.py`), a version does not go with an earlier one (`compatibility.py`), or what is in
`history/` is not what its id was given for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.catalog import ROOT, envelope, envelope_names
from schemas.compatibility import check_compatible, structure
from schemas.generate import events_source, models_source
from schemas.rules import TOPICS, SchemaProblem, check_schema


def dump(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def fingerprint(schema: Mapping[str, Any]) -> str:
    text = json.dumps(structure(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def expanded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with the envelope of its topic in front of its own fields."""
    names = envelope_names(schema["topic"])
    own = [field for field in schema["fields"] if field["name"] not in names]
    return {**schema, "fields": [*envelope(schema["topic"]), *own]}


def sources() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every `.avsc` that somebody wrote. Raises SchemaProblem for one that is no JSON record."""
    for path in sorted(ROOT.glob("*/*.avsc")):
        if path.parent.name == "history":
            continue
        try:
            schema = json.loads(path.read_text())
        except ValueError as error:
            raise SchemaProblem(f"{path.name}: is not JSON: {error}") from None
        if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
            raise SchemaProblem(f"{path.name}: is not a record with a list of fields")
        if schema.get("topic") not in TOPICS:
            raise SchemaProblem(f"{path.name}: add a topic, one of {', '.join(TOPICS)}")
        yield path, schema


def catalogue(schemas: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[Path, str]]:
    """The catalogue with an id for each new version, and the history files it names."""
    path = ROOT / "catalog.json"
    entries = json.loads(path.read_text())["schemas"] if path.exists() else []
    check_all_there(schemas, entries)
    check_numbers(entries)
    history = {entry["id"]: committed(entry) for entry in entries}
    files: dict[Path, str] = {}
    for schema in schemas:
        mine = [entry for entry in entries if entry["name"] == schema["name"]]
        for earlier in mine:
            check_compatible(schema, history[earlier["id"]], earlier["version"])
        entry = entry_of(schema, mine)
        if entry is None:
            entry = {
                "id": max((e["id"] for e in entries), default=0) + 1,
                "name": schema["name"],
                "version": len(mine) + 1,
                "file": f"history/{schema['name']}/{len(mine) + 1}.avsc",
                "fingerprint": fingerprint(schema),
            }
            entries.append(entry)
        # Words, patterns and categories of the newest may change: bytes are read as before.
        files[ROOT / entry["file"]] = dump(schema)
    return {"schemas": entries}, files


def entry_of(schema: Mapping[str, Any], mine: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The newest entry of the type when the schema still says that; None when it is a new version.

    Raises SchemaProblem when it says what an earlier version said. A subject of a registry holds a
    schema once: Confluent's answers the old id, so the newest there would stay the one in between.
    """
    print_ = fingerprint(schema)
    found = next((entry for entry in mine if entry["fingerprint"] == print_), None)
    if found is None or found is mine[-1]:
        return found
    name, old, newest = schema["name"], found["version"], mine[-1]["version"]
    raise SchemaProblem(
        f"{name}: says what version {old} said, and version {newest} came since; a registry holds"
        f" a schema once. Keep the fields of version {newest} (who does not need one leaves it"
        f" out). If version {newest} was never committed, put catalog.json back and delete"
        f" {mine[-1]['file']}."
    )


def committed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A version as its id was given for it. Raises SchemaProblem when its file says otherwise."""
    path, where = ROOT / entry["file"], f"{entry['name']}: {entry['file']}"
    back = "put it back as it was committed; what changes is the .avsc in its family's folder"
    try:
        schema: dict[str, Any] = json.loads(path.read_text())
        found = fingerprint(schema)
    except FileNotFoundError:
        raise SchemaProblem(
            f"{where} is missing, and id {entry['id']} on the log is read with it: {back}."
        ) from None
    except ValueError as error:
        raise SchemaProblem(f"{where} is not JSON ({error}): {back}.") from None
    if found != entry["fingerprint"]:
        raise SchemaProblem(
            f"{where} is not what id {entry['id']} was given for (its fingerprint in catalog.json"
            f" differs), and what is on the log would be read as something else: {back}."
        )
    return schema


def check_numbers(entries: list[dict[str, Any]]) -> None:
    """Raise SchemaProblem unless each id is given once, and versions count up from 1.

    Two branches that each add a version take the same id; putting them together must not keep it.
    """
    ids: dict[int, str] = {}
    counted: Counter[str] = Counter()
    for entry in entries:
        name = entry["name"]
        if other := ids.get(entry["id"]):
            raise SchemaProblem(
                f"{name}: id {entry['id']} is given to {other}, too. Take the entry that is not"
                " released out of catalog.json, delete its file, and run `make events`."
            )
        ids[entry["id"]] = name
        counted[name] += 1
        if entry["version"] != counted[name]:
            raise SchemaProblem(
                f"{name}: version {entry['version']} stands in catalog.json where"
                f" {counted[name]} comes next; put the entries back as they were committed."
            )


def check_all_there(schemas: Iterable[Mapping[str, Any]], entries: list[dict[str, Any]]) -> None:
    """Raise SchemaProblem when a type that the catalogue has an id for lost its source."""
    names = {schema["name"] for schema in schemas}
    for entry in entries:
        if entry["name"] not in names:
            raise SchemaProblem(
                f"{entry['name']}: its .avsc is gone, and events of it may be on the log. If it was"
                f" renamed, keep the old one, too. Put it back from {entry['file']}."
            )


def build() -> dict[Path, str]:
    """Every file that is made, with its content. Raises SchemaProblem."""
    files: dict[Path, str] = {}
    schemas = []
    for path, source in sources():
        schema = expanded(source)
        check_schema(schema)
        if path.stem != schema["name"] or path.parent.name != schema["namespace"].split(".")[-1]:
            raise SchemaProblem(f"{path.name}: file, folder and the schema's name must agree")
        files[path] = dump(schema)
        schemas.append(schema)
    schemas.sort(key=lambda s: s["name"])
    catalog, history = catalogue(schemas)
    files |= history
    files[ROOT / "catalog.json"] = dump(catalog)
    files[ROOT / "models.py"] = models_source(schemas)
    files[ROOT / "events.py"] = events_source(schemas)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description="Build what is made from the .avsc files.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when stale")
    arguments = parser.parse_args()
    try:
        files = build()
    except SchemaProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        if arguments.check:
            sys.stderr.write(f"{path.relative_to(ROOT.parent)} is stale: run `make events`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
