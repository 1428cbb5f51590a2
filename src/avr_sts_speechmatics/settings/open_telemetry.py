"""Settings: traces by OpenTelemetry, with the names and meanings of its specification.

Other programs of a machine may share these variables. So a value that the specification allows and
this service does not support stops the start only if traces are sent at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret

SERVICE_NAME = "avr-sts-speechmatics"
PROTOCOL = "http/protobuf"
TRACES_PATH = "/v1/traces"
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)

_PROTOCOLS = (PROTOCOL, "http/json", "grpc")
_OTHER_SAMPLERS = ("jaeger_remote", "parentbased_jaeger_remote", "xray")
_EXPORTERS = ("otlp", "none", "zipkin", "console", "logging")


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers of every request to the collector.

    text: as the operator wrote them.
    by_name: the headers.
    """

    text: Secret
    by_name: tuple[tuple[str, Secret], ...]

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must not appear in a log."""
        values = [value.reveal() for _, value in self.by_name]
        # A library may show the key of `Bearer <key>` alone.
        return (*values, *(part for value in values for part in value.split()))


def headers(value: str) -> Headers:
    """Headers as `name=value`, separated by commas; values may be percent-encoded."""
    found = tuple((name.strip(), Secret(text)) for name, text in _pairs(value, "headers"))
    for name, text in found:
        plain = text.reveal().isascii() and text.reveal().isprintable()
        token = name.isascii() and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
        if not (plain and token):
            raise InvalidValue("a header is a plain name, =, and a value of plain letters")
    return Headers(Secret(value), found)


def attributes(value: str) -> Mapping[str, str]:
    """Attributes as `name=value`, separated by commas; values may be percent-encoded."""
    return dict(_pairs(value, "attributes"))


def _pairs(value: str, what: str) -> list[tuple[str, str]]:
    pairs = []
    for member in filter(None, map(str.strip, value.split(","))):
        name, equals, text = member.partition("=")
        if not equals or not name.strip():
            raise InvalidValue(f"give {what} as name=value, separated by commas")
        pairs.append((unquote(name.strip()), unquote(text.strip())))
    return pairs


@dataclass(frozen=True, kw_only=True)
class OpenTelemetry:
    """Whether, where and how traces are sent."""

    otel_exporter_otlp_endpoint: str | None = setting(
        check.url("http", "https"),
        "Address of an OpenTelemetry collector, such as `http://localhost:4318`; `/v1/traces` is "
        "appended. Each call is sent there as a trace, see [OpenTelemetry](opentelemetry.md).",
        private=True,
    )
    otel_exporter_otlp_traces_endpoint: str | None = setting(
        check.url("http", "https"),
        "The whole address for traces; overrides `OTEL_EXPORTER_OTLP_ENDPOINT`.",
        private=True,
    )
    otel_exporter_otlp_traces_headers: Headers | None = setting(
        headers,
        "Headers of each request to the collector, such as `api-key=...`, separated by commas.",
        private=True,
        also=("OTEL_EXPORTER_OTLP_HEADERS",),
    )
    otel_exporter_otlp_traces_protocol: str = setting(
        check.one_of(*_PROTOCOLS),
        f"Protocol to the collector: only `{PROTOCOL}`.",
        PROTOCOL,
        also=("OTEL_EXPORTER_OTLP_PROTOCOL",),
    )
    otel_exporter_otlp_traces_timeout: float = setting(
        check.number(1, 600_000, "milliseconds"),
        "How long a batch of spans may take, retries included (ms).",
        10_000.0,
        also=("OTEL_EXPORTER_OTLP_TIMEOUT",),
    )
    otel_exporter_otlp_traces_certificate: Path | None = setting(
        check.file,
        "Certificates (PEM) that the collector's certificate is checked against.",
        also=("OTEL_EXPORTER_OTLP_CERTIFICATE",),
    )
    otel_service_name: str | None = setting(
        check.text,
        "Name of this service in traces.",
        default_text=f"`{SERVICE_NAME}`",
    )
    otel_resource_attributes: Mapping[str, str] | None = setting(
        attributes,
        "Further attributes of this service in traces, such as `deployment.environment=live`, "
        "separated by commas.",
    )
    otel_traces_sampler: str = setting(
        check.one_of(*SAMPLERS, *_OTHER_SAMPLERS),
        f"Which calls are recorded: {', '.join(f'`{name}`' for name in SAMPLERS)}. `parentbased`: "
        "as the program decided that began the trace.",
        "parentbased_always_on",
    )
    otel_traces_sampler_arg: str | None = setting(
        check.text,
        "Share of calls that `traceidratio` records, 0 to 1.",
        default_text="`1`",
    )
    otel_traces_exporter: str = setting(
        check.one_of(*_EXPORTERS), "`otlp`, or `none` to send no traces.", "otlp"
    )
    otel_sdk_disabled: bool = setting(
        check.yes_or_no, "Send no traces, whatever else is set (`true`, `false`).", False
    )

    @property
    def traces_url(self) -> str | None:
        """Where traces are sent; None if none are sent."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        if self.otel_exporter_otlp_traces_endpoint is not None:
            return self.otel_exporter_otlp_traces_endpoint
        if self.otel_exporter_otlp_endpoint is None:
            return None
        parts = urlsplit(self.otel_exporter_otlp_endpoint)
        return parts._replace(path=parts.path.rstrip("/") + TRACES_PATH).geturl()

    @property
    def traced_share(self) -> float:
        """Share of calls that a sampler by ratio records."""
        return float(self.otel_traces_sampler_arg or 1)


def check_traces(settings: OpenTelemetry) -> None:
    """Raises SettingsError when traces are to be sent in a way that this service does not know."""
    if settings.traces_url is None:
        return
    if (protocol := settings.otel_exporter_otlp_traces_protocol) != PROTOCOL:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: traces are sent by {PROTOCOL} only; take the "
            "line out, and give the collector's port for HTTP (usually 4318). If other programs "
            f"need the line, set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL={PROTOCOL} here."
        )
    if (exporter := settings.otel_traces_exporter) != "otlp":
        raise SettingsError(f"OTEL_TRACES_EXPORTER={exporter}: give otlp, or none.")
    if (sampler := settings.otel_traces_sampler) not in SAMPLERS:
        raise SettingsError(f"OTEL_TRACES_SAMPLER={sampler}: give {', '.join(SAMPLERS)}.")
    if not sampler.endswith("traceidratio"):
        return
    try:
        share = settings.traced_share
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(
            f"OTEL_TRACES_SAMPLER_ARG={settings.otel_traces_sampler_arg!r:.60}: "
            "give a number from 0 to 1."
        )
