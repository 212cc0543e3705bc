"""SCIM 2.0: an employer's HR system as service provider, kept up to date by us as its client."""

from connectors.scim.connector import ScimConfig, ScimConnector

CONNECTOR = ScimConnector

__all__ = ["CONNECTOR", "ScimConfig", "ScimConnector"]
