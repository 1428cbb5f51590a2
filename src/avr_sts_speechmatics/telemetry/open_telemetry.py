"""OpenTelemetry: a trace for each call, sent to a collector. Nothing is loaded without an address.

What a trace holds is in `open_telemetry_call`, how it is sent in `open_telemetry_export`. Here a
call gets its place: in the trace that another program began, or at the top of a trace of its own,
whose id is the key of the call. The sampler decides once for each call; a call that is not recorded
still has ids, for its log lines and for the requests to other services.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.call.observer import CallEnded
from avr_sts_speechmatics.call_in_log import MASK
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import SAMPLED, TraceContext
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.settings.open_telemetry import SERVICE_NAME
from avr_sts_speechmatics.telemetry.open_telemetry_call import CallSpans
from avr_sts_speechmatics.telemetry.open_telemetry_link import CallLink
from avr_sts_speechmatics.telemetry.open_telemetry_reply import Model
from avr_sts_speechmatics.telemetry.open_telemetry_span import new_span_id

if TYPE_CHECKING:
    from avr_sts_speechmatics.telemetry.open_telemetry_export import SpanExport

ADVICE = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: "
    "pip install 'avr-sts-speechmatics[opentelemetry]'."
)


class OpenTelemetry:
    """The traces of all calls of the process.

    export: takes the spans.
    sampler: name of the sampler, one of `settings.open_telemetry.SAMPLERS`.
    share: share of calls that a sampler by ratio records, 0 to 1.
    words: whether spans may hold what callers and agents say, keys and facts.
    model_of: returns the model of an agent, by the agent's name.
    secrets: texts that spans must not hold.
    """

    def __init__(
        self,
        export: "SpanExport",
        *,
        sampler: str,
        share: float,
        words: bool,
        model_of: Callable[[str], Model],
        secrets: Iterable[str] = (),
    ) -> None:
        self._export = export
        self._parent_decides = sampler.startswith("parentbased_")
        kind = sampler.removeprefix("parentbased_")
        # The lower half of a trace id is random: every program that records this share of traces
        # decides alike. [OpenTelemetry SDK, TraceIdRatioBased]
        self._bound = round({"always_on": 1.0, "always_off": 0.0}.get(kind, share) * 2**64)
        self._words = words
        self._model_of = model_of
        self._secrets = sorted(secrets, key=len, reverse=True)

    def observer(
        self, caller: Caller, summary: Callable[[CallEnded], Mapping[str, object]]
    ) -> CallLink:
        """Make the observer of a new call. It must come before observers that log, and behind the
        one that measures turns.

        summary: returns the summary of the call, see `CallSummary.columns`.
        """
        above = caller.trace
        trace_id = caller.key if above is None else above.trace_id
        if above is not None and self._parent_decides:
            sampled = above.sampled
        else:
            sampled = int(trace_id[16:], 16) < self._bound
        flags = 0 if above is None else above.flags & ~SAMPLED
        context = TraceContext(
            trace_id,
            new_span_id(),
            flags | (SAMPLED if sampled else 0),
            "" if above is None else above.state,
        )
        if not sampled:
            return CallLink(context)
        return CallSpans(
            caller,
            context,
            self._export.put,
            summary=summary,
            words=self._words,
            model_of=self._model_of,
            masked=self._masked,
        )

    def health(self) -> dict[str, int]:
        """Spans by what became of them."""
        export = self._export
        return {"sent": export.sent, "waiting": export.waiting, "lost": export.lost}

    async def close(self) -> None:
        """Send what waits; the wait is bounded."""
        await self._export.close()

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def open_telemetry(settings: Settings, agents: Agents) -> OpenTelemetry | None:
    """Make what traces calls; None if no address of a collector is set.

    Raises SettingsError if the libraries are not installed.
    """
    url = settings.traces_url
    if url is None:
        return None
    try:
        from avr_sts_speechmatics.telemetry import open_telemetry_export as export
    except ImportError as error:
        raise SettingsError(ADVICE) from error
    headers = settings.otel_exporter_otlp_traces_headers
    certificate = settings.otel_exporter_otlp_traces_certificate
    attributes = dict(settings.otel_resource_attributes or {})
    if settings.otel_service_name is not None:
        attributes["service.name"] = settings.otel_service_name
    exporter, why = export.exporter_to(
        url,
        headers={} if headers is None else {k: v.reveal() for k, v in headers.by_name},
        timeout_s=settings.otel_exporter_otlp_traces_timeout / 1000,
        certificate=None if certificate is None else str(certificate),
        proxy=settings.proxies.for_url(url),
    )
    return OpenTelemetry(
        export.SpanExport(
            exporter, export.resource_of(SERVICE_NAME, attributes), export.shown(url), why
        ),
        sampler=settings.otel_traces_sampler,
        share=settings.traced_share if "ratio" in settings.otel_traces_sampler else 1.0,
        words=settings.log_transcripts,
        model_of=partial(model_of, settings, agents),
        secrets=settings.secrets(),
    )


def model_of(settings: Settings, agents: Agents, agent: str) -> Model:
    """Describe the model of an agent.

    agent: name of the agent.
    """
    if not settings.has_llm:
        return Model("nobody" if settings.nobody_answers else "receptionist", "scripted")
    own = next((one.model for one in agents.all if one.name == agent), None)
    return Model.at(own or settings.openai_model, settings.llm_url)
