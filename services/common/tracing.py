"""OpenTelemetry: one trace from the HTTP request through Kafka headers to the attempt.

Off by default: without `OTLP_ENDPOINT` no span is recorded or exported.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context

from services.common.settings import Settings

tracer = trace.get_tracer("throughline")


def configure(settings: Settings, service: str) -> None:
    """Send spans to the OTLP endpoint, when one is set."""
    if settings.otlp_endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"throughline-{service}"}))
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def trace_headers() -> list[tuple[str, bytes]]:
    """The current trace as Kafka headers; empty when nothing is traced."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def traceparent() -> str | None:
    """The current trace as one string, to keep with a row that is worked on later."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def context_of(headers: Iterable[tuple[str, bytes]]) -> Context:
    """The trace that a record's headers continue."""
    carrier = {name: value.decode("ascii", "replace") for name, value in headers}
    return propagate.extract(carrier, context=context.get_current())
