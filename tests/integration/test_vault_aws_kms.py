"""The master key in AWS KMS, against a server that speaks its protocol (Moto) over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from services.common.errors import DependencyDown
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, MasterKeyProblem, Place, Vault, Wrapped, custodian_of
from services.common.vault.aws_kms import AwsKms
from services.common.vault.rotation import key_ages, rotate

ALIAS = "alias/throughline"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer(port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def kms(server: str, monkeypatch: pytest.MonkeyPatch) -> boto3.client:
    """An account with one key under our alias."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("kms")
    for alias in client.list_aliases()["Aliases"]:
        if alias["AliasName"].startswith(ALIAS):
            client.delete_alias(AliasName=alias["AliasName"])
    key = client.create_key(Description="made by the operator")["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName=ALIAS, TargetKeyId=key)
    return client


@pytest.fixture
def settings(empty_database_url: str, kms: boto3.client) -> Settings:
    return Settings(database_url=SecretStr(empty_database_url), vault_master_key=f"aws-kms:{ALIAS}")


def state(kms: boto3.client, arn: str) -> str:
    return str(kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"])


async def test_a_vault_seals_rotates_and_opens_with_it(
    settings: Settings, pool: Pool, kms: boto3.client
) -> None:
    vault = await Vault.create(settings, pool)
    ring, place = Keyring(pool, vault), Place("stories", uuid4(), uuid4(), "words")
    pair = (place.worker_id, "skill")
    sealed = {place: (await ring.for_sealing([pair]))[pair].seal(place, b"welding")}
    (before,) = await key_ages(pool)

    steps = [progress.step async for progress in rotate(pool, vault.keks)]

    assert steps[-1] == "done"
    (after,) = await key_ages(pool)
    assert before.master_id != after.master_id
    assert state(kms, before.master_id) == "PendingDeletion"
    assert state(kms, after.master_id) == "Enabled"
    assert kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["Arn"] == after.master_id
    assert await AwsKms(ALIAS).upcoming() is None
    fresh = await Vault.open(settings, pool)
    assert await Keyring(pool, fresh).open_all(sealed) == {place: "welding"}


async def test_a_rotation_cut_between_any_two_calls_can_be_ended(
    kms: boto3.client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th call of the rotation is not answered any more, for each n."""
    cut_after, cuts = 0, 0
    whole = AwsKms._call

    async def cut(self: AwsKms, name: str, **arguments: object) -> dict[str, object]:
        nonlocal left
        if left == 0:
            raise DependencyDown("cut")
        left -= 1
        return await whole(self, name, **arguments)

    while True:
        old, left = await AwsKms(ALIAS).present(), cut_after
        monkeypatch.setattr(AwsKms, "_call", cut)
        try:
            await AwsKms(ALIAS).prepare_next()
            await AwsKms(ALIAS).retire_present()
            break
        except DependencyDown:
            cuts += 1
        finally:
            monkeypatch.setattr(AwsKms, "_call", whole)
        new = await AwsKms(ALIAS).prepare_next()
        await AwsKms(ALIAS).retire_present()
        assert await AwsKms(ALIAS).present() == new != old
        assert state(kms, old) == "PendingDeletion"
        cut_after += 1
    assert cuts >= 8


async def test_what_is_wrapped_opens_for_the_same_key_only(kms: boto3.client) -> None:
    keys, kek_id = AwsKms(ALIAS), uuid4()
    wrapped = await keys.wrap(await keys.present(), kek_id, bytes(32))
    assert await keys.unwrap(kek_id, wrapped) == bytes(32)
    with pytest.raises(MasterKeyProblem, match="InvalidCiphertext"):
        await keys.unwrap(uuid4(), wrapped)
    with pytest.raises(MasterKeyProblem, match="decrypt"):
        await keys.unwrap(kek_id, Wrapped(wrapped.master_id, b"x" * 60))


async def test_without_a_key_under_the_alias_it_says_what_to_run(kms: boto3.client) -> None:
    kms.delete_alias(AliasName=ALIAS)
    with pytest.raises(MasterKeyProblem, match="aws kms create-key"):
        await AwsKms(ALIAS).make()


async def test_a_service_that_does_not_answer_may_be_asked_again(
    kms: boto3.client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(DependencyDown, match="does not answer"):
        await AwsKms(ALIAS).present()


def test_the_alias_is_what_names_it() -> None:
    named = Settings(vault_master_key="aws-kms:arn:aws:kms:us-east-1:1:key/1")
    with pytest.raises(MasterKeyProblem, match="alias/"):
        custodian_of(named)
