"""Puts the parts of identity together, and keeps its work going while the service runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import FastAPI

from services.common import tasks
from services.common.clock import utc_now
from services.common.limits import RateLimit
from services.consent.identity.claims import Claims, live
from services.consent.identity.contacts import Contacts
from services.consent.identity.following import Follower
from services.consent.identity.mail import Mailer, MailSettings
from services.consent.identity.moving import Mover
from services.consent.identity.running import IdentityRunner
from services.consent.identity.store import IdentityStore
from services.consent.identity.suggestions import Suggestions
from services.consent.identity.writing import Rewriting
from services.consent.settings import ConsentSettings
from services.consent.store import ConsentStore
from services.consent.withdrawal import Withdrawals


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """Serve claims; moves begun here or elsewhere go on while this runs."""
    state = app.state
    own: ConsentSettings = state.consent_settings
    state.claim_limit = RateLimit(own.claims_per_second, 10 * own.claims_per_second, what="codes")
    state.identity = store = IdentityStore(state.pool)
    state.claims = Claims(state.pool, state.vault, store)
    state.mailer = Mailer(MailSettings(), patience_s=own.mail_patience.total_seconds())
    state.contacts = Contacts(
        state.pool, state.vault, valid=own.contact_code_valid, per_hour=own.contact_codes_per_hour
    )
    state.suggestions = Suggestions(state.pool, state.vault, state.keyring, own.contact_valid)
    state.identity_runner = runner = _runner(app, store, own)
    async with tasks.running(runner.run(), "identity"):
        yield


def _runner(app: FastAPI, store: IdentityStore, own: ConsentSettings) -> IdentityRunner:
    state = app.state
    grants: ConsentStore = state.consent_store
    withdrawals: Withdrawals = state.withdrawals

    async def end_grants(worker_id: UUID) -> None:
        """Grants bind whoever gave them: those of an id that ends, end."""
        for grant in live(await grants.grants_of_worker(worker_id, 1000), utc_now()):
            await withdrawals.withdraw(grant["grant_id"], worker_id, channel="API")

    rewriting = Rewriting(store, state.keyring, state.producer, state.settings)
    mover = Mover(store, rewriting, state.settings, state.vault, state.keyring, end_grants)
    follower = Follower(store, rewriting, state.vault, state.keyring, own.watch_split)
    return IdentityRunner(store, mover, follower, own.identity_every)
