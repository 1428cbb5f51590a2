"""`/metrics` of all workers in one: the supervisor adds up what the workers have counted.

The supervisor reads the memory of the workers (`metrics_memory`) and makes the page, so that a
process with calls does neither, and a worker that hangs holds up nobody.
"""

import asyncio
import time
from collections.abc import Iterable
from importlib import import_module

from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory, SeriesReader
from avr_sts_speechmatics.telemetry.metrics_sampled import sample_process
from avr_sts_speechmatics.telemetry.metrics_sums import Totals
from avr_sts_speechmatics.workers.channel import LINE_MAX, Message

_PAGE = "avr_sts_speechmatics.telemetry.metrics_page"


class MetricsOfAll:
    """The metrics of the service. died: counts workers that ended unasked."""

    def __init__(self) -> None:
        memory = SeriesMemory()
        self._own = m.Metrics(memory)
        self._reader = SeriesReader(memory.buffer)
        self._totals = Totals()
        self._own.gauge(m.STARTED).set(time.time())
        self.died = self._own.counter(m.DIED)

    def retire(self, worker: SeriesReader) -> None:
        """Keep what a worker has counted that has ended."""
        self._totals.retire(worker.series())

    async def page(self, workers: Iterable[SeriesReader], accept: str) -> Message:
        """Return the page and its content type.

        workers: those that run, the oldest first.
        accept: the header Accept of the request.
        """
        # The library takes a while to load, and the supervisor has other things to do.
        render = (await asyncio.to_thread(import_module, _PAGE)).page
        running = [worker.series() for worker in workers]
        self._own.gauge(m.WORKERS).set(len(running))
        sample_process(self._own)
        text, content_type = render(self._totals.of_all([*running, self._reader.series()]), accept)
        if len(text) > LINE_MAX // 2:
            return {"error": "the page is too long"}
        return {"text": text, "type": content_type}
