"""What stays with a worker id when its story goes on under another one, or is erased.

Consent binds whoever gave it, so it is not said again in another's name; links, merges and splits
speak of ids; an erasure has been ordered for one. All else is about the person and goes along,
requests that wait for an answer included.
"""

from __future__ import annotations

from typing import Final

# What an erasure says of itself, and to whom: all that an erased record still tells.
ERASURE: Final = frozenset(
    {
        *("ErasureCompleted", "ErasureDecided", "ErasureKeysDestroyed", "ErasureRequested"),
        *("ErasureRecipientNotified", "ErasureStorePurged"),
        *("DisclosureRecalled", "RecallAcknowledged"),
    }
)

STAYING: Final = ERASURE | {
    *("ConsentExpired", "ConsentGranted", "ConsentWithdrawn", "ProcessingRestricted"),
    *("SourceRecordLinked", "SourceRecordUnlinked", "WorkersMerged", "WorkersSplit"),
}
