"""`/metrics` of all workers in one: the supervisor adds up what the workers have counted.

The supervisor reads the memory of the workers (`metrics_memory`) and makes the page, so that a
process with calls does neither, and a worker that hangs holds up nobody.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory, SeriesReader
from avr_sts_speechmatics.telemetry.metrics_sampled import sample_process
from avr_sts_speechmatics.telemetry.metrics_sums import Sums, Totals
from avr_sts_speechmatics.workers.channel import LINE_MAX, Message


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
        series = worker.series()
        self._totals.retire(series)
        for one in series:
            # Calls that were still counted as running have ended with their worker.
            if one.family.name == m.CALLS.name and one.values[0] > 0:
                of = one.labels.get("transport", m.OTHER), one.labels.get("agent", m.OTHER)
                self._own.counter(m.ENDED, m.LOST, *of).add(one.values[0])

    async def page(self, workers: Iterable[SeriesReader], accept: str) -> Message:
        """Return the page and its content type.

        workers: those that run, the oldest first.
        accept: the header Accept of the request.
        """
        running = [worker.series() for worker in workers]
        self._own.gauge(m.WORKERS).set(len(running))
        sample_process(self._own)
        sums = self._totals.of_all([*running, self._reader.series()])
        # Workers ask the supervisor about announced calls meanwhile.
        text, content_type = await asyncio.to_thread(_rendered, sums, accept)
        if len(text) > LINE_MAX // 2:
            return {"error": "the page is too long"}
        return {"text": text, "type": content_type}


def _rendered(sums: Mapping[str, Sums], accept: str) -> tuple[str, str]:
    """Return the page and its content type."""
    # The library takes a while to load, and not every service is asked for the page.
    from avr_sts_speechmatics.telemetry.metrics_page import page

    return page(sums, accept)
