"""Signed webhooks: Standard Webhooks 1.0.0 around CloudEvents 1.0."""

from connectors.webhook.connector import WebhookConfig, WebhookConnector
from connectors.webhook.signature import new_secret, show_secret, sign

CONNECTOR = WebhookConnector

__all__ = ["CONNECTOR", "WebhookConfig", "WebhookConnector", "new_secret", "show_secret", "sign"]
