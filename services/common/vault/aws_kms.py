"""The master key in AWS KMS, named by an alias. Needs the extra: `pip install throughline[aws]`.

A rotation makes a new KMS key with the old one's policy, and schedules the old one's deletion: the
automatic rotation of KMS keeps old key material for ever, so that what was erased could come back.
While it is under way `<alias>-next` names the new key.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from services.common.errors import DependencyDown
from services.common.vault.custodian import MasterKeyProblem, Wrapped

# The least that KMS takes: for so long a deletion can be taken back.
_DELETED_AFTER_DAYS: Final = 7
_REPLACES: Final = "throughline:replaces"


class AwsKms:
    """Permissions: kms:Encrypt and Decrypt; for rotation also CreateKey, TagResource, GetKeyPolicy,
    ListResourceTags, CreateAlias, UpdateAlias, DeleteAlias, ScheduleKeyDeletion. Credentials,
    region and endpoint (AWS_ENDPOINT_URL_KMS) come from boto3's usual places.
    """

    def __init__(self, alias: str) -> None:
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise MasterKeyProblem("VAULT_MASTER_KEY: install throughline[aws] first") from None
        self._alias, self._next = alias, f"{alias}-next"
        self._away, self._refused = BotoCoreError, ClientError
        try:
            self._kms = boto3.client("kms")
        except BotoCoreError as error:
            raise MasterKeyProblem(f"AWS KMS: {error}") from error

    async def make(self) -> None:
        """A KMS key is never made unasked: its policy says who may open everything."""
        if await self._arn(self._alias) is None:
            raise self._missing()

    async def present(self) -> str:
        arn = await self._arn(self._alias)
        if arn is None:
            raise self._missing()
        return arn

    async def upcoming(self) -> str | None:
        return await self._arn(self._next)

    async def prepare_next(self) -> str:
        found = await self._arn(self._next)
        if found is not None:
            return found
        old = await self.present()
        policy = await self._call("get_key_policy", KeyId=old, PolicyName="default")
        made = await self._call(
            "create_key",
            Description="Throughline: master key of the vault",
            Policy=policy["Policy"],
            Tags=[{"TagKey": _REPLACES, "TagValue": old}],
        )
        arn: str = made["KeyMetadata"]["Arn"]
        # Cut before this line, a key is left that nothing uses; the next try makes another.
        await self._call("create_alias", AliasName=self._next, TargetKeyId=arn)
        return arn

    async def retire_present(self) -> None:
        new = await self._arn(self._next)
        if new is None:
            return
        tags = (await self._call("list_resource_tags", KeyId=new))["Tags"]
        old = next((tag["TagValue"] for tag in tags if tag["TagKey"] == _REPLACES), None)
        await self._call("update_alias", AliasName=self._alias, TargetKeyId=new)
        if old is not None:
            await self._destroy(old)
        await self._call("delete_alias", AliasName=self._next)

    async def wrap(self, master_id: str, kek_id: UUID, key: bytes) -> Wrapped:
        answer = await self._call(
            "encrypt", KeyId=master_id, Plaintext=key, EncryptionContext=_context(kek_id)
        )
        return Wrapped(answer["KeyId"], answer["CiphertextBlob"])

    async def unwrap(self, kek_id: UUID, wrapped: Wrapped) -> bytes:
        answer = await self._call(
            "decrypt",
            KeyId=wrapped.master_id,
            CiphertextBlob=wrapped.bytes,
            EncryptionContext=_context(kek_id),
        )
        plain: bytes = answer["Plaintext"]
        return plain

    async def _arn(self, alias: str) -> str | None:
        try:
            found = await self._call("describe_key", KeyId=alias)
        except MasterKeyProblem as error:
            if _code(error.__cause__) == "NotFoundException":
                return None
            raise
        arn: str = found["KeyMetadata"]["Arn"]
        return arn

    async def _destroy(self, arn: str) -> None:
        key = (await self._call("describe_key", KeyId=arn))["KeyMetadata"]
        if key["KeyState"] not in {"PendingDeletion", "PendingReplicaDeletion"}:
            await self._call(
                "schedule_key_deletion",
                KeyId=key["KeyId"],
                PendingWindowInDays=_DELETED_AFTER_DAYS,
            )

    async def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Raises DependencyDown when KMS does not answer, MasterKeyProblem when it refuses."""
        try:
            found: dict[str, Any] = await asyncio.to_thread(getattr(self._kms, name), **arguments)
        except self._refused as error:
            if _code(error) in {"KMSInternalException", "DependencyTimeoutException"}:
                raise DependencyDown(f"AWS KMS {name}: {_code(error)}") from error
            raise MasterKeyProblem(f"AWS KMS {name} {self._alias}: {_code(error)}") from error
        except self._away as error:
            raise DependencyDown(f"AWS KMS does not answer: {type(error).__name__}") from error
        return found

    def _missing(self) -> MasterKeyProblem:
        return MasterKeyProblem(
            f"AWS KMS has no key {self._alias}: run `aws kms create-key`, then `aws kms"
            f" create-alias --alias-name {self._alias} --target-key-id …`, and start again"
        )


def _code(error: BaseException | None) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _context(kek_id: UUID) -> dict[str, str]:
    """Bound to the ciphertext, and in the log that KMS keeps of each use."""
    return {"throughline:kek": str(kek_id)}
