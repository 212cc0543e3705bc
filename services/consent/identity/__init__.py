"""Who is whom: records suggested, taken up, joined and parted, and what came late under an old
id.
"""

from services.consent.identity import asking, routes
from services.consent.identity.wiring import running

ROUTERS = (routes.router, asking.router)
__all__ = ["ROUTERS", "running"]
