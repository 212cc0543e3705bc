"""`throughline keys`: an operator sees which keys are good, and ends one."""

from __future__ import annotations

import asyncio
import json
import sys
from uuid import uuid4

from services.cli.exits import Exit
from services.common.access import Keys, Principal, Role, issue_key
from services.common.clock import utc_now
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Vault
from services.portal.sessions import Sessions
from services.portal.settings import PortalSettings


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "keys", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


def id_of(token: str) -> str:
    return token.split("_")[1]


async def test_a_revoked_key_is_good_no_more_and_others_are(
    environment: dict[str, str], pool: Pool
) -> None:
    lost, other = [await issue_key(pool, Role.PROVIDER, "river-college") for _ in range(2)]

    code, printed, _ = await run(environment, "revoke", id_of(lost))

    assert code == Exit.DONE
    assert f"{id_of(lost)}  provider river-college" in printed
    assert "is revoked" in printed
    assert await Keys(pool).principal(lost) is None
    assert await Keys(pool).principal(other) is not None
    code, printed, _ = await run(environment, "revoke", id_of(lost))
    assert (code, "was revoked" in printed) == (Exit.DONE, True)


async def test_a_whole_key_is_taken_for_its_id_and_not_repeated(
    environment: dict[str, str], pool: Pool
) -> None:
    """Somebody found it in a log, and is in a hurry."""
    leaked = await issue_key(pool, Role.PROVIDER, "river-college")
    gone = "tl_0123456789abcdef_" + 64 * "5"

    for given, expected in (([leaked, gone], Exit.NOT_FOUND), ([leaked], Exit.DONE)):
        code, printed, said = await run(environment, "revoke", *given)
        assert code == expected
        for secret in (leaked.split("_")[2], gone.split("_")[2]):
            assert secret not in printed + said
    assert await Keys(pool).principal(leaked) is None


async def test_a_dry_run_says_the_same_and_changes_nothing(
    environment: dict[str, str], pool: Pool
) -> None:
    key = await issue_key(pool, Role.EMPLOYER, "acme")

    code, printed, _ = await run(environment, "revoke", id_of(key), "--dry-run", "--json")

    told = json.loads(printed)
    assert (code, told["dry_run"]) == (Exit.DONE, True)
    assert [(k["key_id"], k["subject"]) for k in told["revoked"]] == [(id_of(key), "acme")]
    assert await Keys(pool).principal(key) is not None


async def test_an_id_that_is_not_known_revokes_nothing(
    environment: dict[str, str], pool: Pool
) -> None:
    key = await issue_key(pool, Role.EMPLOYER, "acme")

    code, _, said = await run(environment, "revoke", id_of(key), "0123456789abcdef")

    assert code == Exit.NOT_FOUND
    assert "there is no key 0123456789abcdef" in said
    assert await Keys(pool).principal(key) is not None


async def test_log_ins_end_with_the_key_they_began_with(
    environment: dict[str, str], pool: Pool, settings: Settings
) -> None:
    key = await issue_key(pool, Role.EMPLOYER, "acme")
    who = Principal(Role.EMPLOYER, "acme", id_of(key))
    sessions, lasts = Sessions(pool, await Vault.open(settings)), PortalSettings().session
    cookie = await sessions.start(who, lasts, now=utc_now())
    found = await sessions.find(cookie, now=utc_now())
    assert found is not None

    _, printed, _ = await run(environment, "revoke", id_of(key))
    late = await sessions.start(who, lasts, now=utc_now())  # by a process that remembers the key

    assert "end with it: 1" in printed
    assert await sessions.find(cookie, now=utc_now()) is None
    assert await sessions.find(late, now=utc_now()) is None
    assert await Keys(pool).principal(found.bearer) is None


async def test_the_list_has_good_keys_of_organisations_and_of_whom_is_asked(
    environment: dict[str, str], pool: Pool
) -> None:
    worker = str(uuid4())
    old, new = [await issue_key(pool, Role.PROVIDER, "river-college") for _ in range(2)]
    mine = await issue_key(pool, Role.WORKER, worker)
    await run(environment, "revoke", id_of(old))

    async def listed(*arguments: str) -> list[str]:
        _, printed, _ = await run(environment, "ls", "--json", *arguments)
        assert new.split("_")[2] not in printed
        return [key["key_id"] for key in json.loads(printed)]

    assert await listed() == [id_of(new)]
    assert await listed("--of", worker) == [id_of(mine)]
    assert await listed("--of", "river-college", "--revoked") == [id_of(old), id_of(new)]
    _, printed, _ = await run(environment, "ls")
    assert printed.startswith(f"{id_of(new)}  provider river-college  made ")
