"""`GET /metrics`: open like `/health`, because it shows no personal data."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from avr_sts_speechmatics.telemetry.metrics_memory import SeriesReader
from avr_sts_speechmatics.telemetry.metrics_sampled import ProcessMetrics
from avr_sts_speechmatics.telemetry.metrics_sums import Totals

Answer: TypeAlias = Mapping[str, Any]
"""A page: "text" and "type"; or "error" if the page cannot be had."""


class Service(Protocol):
    """The service of several processes that this process is a part of."""

    async def metrics_page(self, accept: str) -> Answer:
        """Return the page of all processes for a header Accept."""


class MetricsPage:
    """Answers requests for the page.

    process: the metrics of this process.
    service: the service; None if this process is the only one.
    """

    def __init__(self, process: ProcessMetrics, service: Service | None) -> None:
        self._process = process
        self._service = service

    async def handle(self, request: web.Request) -> web.Response:
        self._process.sample()
        accept = request.headers.get("Accept", "")
        if self._service is None:
            answer = self._alone(accept)
        else:
            answer = await self._service.metrics_page(accept)
        if "error" in answer:
            # A part of the sums would look like a restart, so that rates would be wrong.
            return web.Response(status=503, text=answer["error"] + "\n")
        body = answer["text"].encode()
        return web.Response(body=body, headers={"Content-Type": answer["type"]})

    def _alone(self, accept: str) -> Answer:
        # Only a service of several processes keeps the library out of those that have calls.
        from avr_sts_speechmatics.telemetry.metrics_page import page

        reader = SeriesReader(self._process.series.memory.buffer)
        text, content_type = page(Totals().of_all([reader.series()]), accept)
        return {"text": text, "type": content_type}
