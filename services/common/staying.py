"""What stays with a worker id when its story goes on under another one.

Consent binds whoever gave it, so it is not said again in another's name; links, merges and splits
speak of ids; an erasure has been ordered for one. All else is about the person and goes along,
requests that wait for an answer included.
"""

from __future__ import annotations

from typing import Final

STAYING: Final = frozenset(
    {
        *("ConsentExpired", "ConsentGranted", "ConsentWithdrawn", "ProcessingRestricted"),
        *("DisclosureRecalled", "RecallAcknowledged"),
        *("SourceRecordLinked", "SourceRecordUnlinked", "WorkersMerged", "WorkersSplit"),
        *("ErasureCompleted", "ErasureDecided", "ErasureKeysDestroyed", "ErasureRequested"),
        *("ErasureRecipientNotified", "ErasureStorePurged"),
    }
)
