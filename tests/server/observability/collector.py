"""An OpenTelemetry collector: accepts spans over gRPC from any exporter, and keeps them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

Attributes = dict[str, Any]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """`endpoint` is the value for --otlp-traces-endpoint."""

    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(max_workers=2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self.spans: list[tuple[str, Attributes]] = []
        """(name, attributes), in the order in which they came."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  the protocol's name
        """Accept a batch of spans."""
        del context
        self.spans += [
            (span.name, {each.key: _value(each.value) for each in span.attributes})
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of_requests(self) -> list[Attributes]:
        """vLLM's request spans, one per choice."""
        return [attributes for name, attributes in self.spans if name == "llm_request"]

    @contextmanager
    def running(self) -> Iterator["Collector"]:
        """A collector, started and stopped by the context."""
        self._server.start()
        try:
            yield self
        finally:
            self._server.stop(grace=None)


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
