"""What this service provider serves and can do. Source: RFC 7643, 5 and 6."""

from __future__ import annotations

from typing import Any

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    EnterpriseUser,
    ETag,
    Filter,
    Patch,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    User,
)
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService

MOST_RESULTS = 200  # on a page
_BEARER = AuthenticationScheme(
    type=AuthenticationScheme.Type.oauthbearertoken,
    name="Key of the organisation",
    description="Authorization: Bearer tl_…",
    primary=True,
)
_CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=True),
    authentication_schemes=[_BEARER],
)
HrUser = User[EnterpriseUser]
# Systems send attributes of their own; they are left out, not refused.
_TOLERANT = ScimPolicy(unknown=ScimPolicy.Unknown.ignore)


class Service(ScimService):
    def patch_response(
        self,
        base_url: str,
        resource: Resource[Any],
        response_parameters: ResponseParameters[Any],
    ) -> ScimResponse:
        """200 with the user rather than 204, either of which RFC 7644, 3.5.2 allows: some clients
        wait for the body.
        """
        return self.replacement_response(base_url, resource, response_parameters)


def scim_service() -> ScimService:
    return Service(
        ScimProvider(
            models=[User, EnterpriseUser],
            resource_types=[ResourceType.from_resource(HrUser)],
            config=_CONFIG,
            policy=_TOLERANT,
        )
    )
