"""Who is whom: records taken up, joined and parted, and what came late under an old id."""

from services.consent.identity.routes import router
from services.consent.identity.wiring import running

__all__ = ["router", "running"]
