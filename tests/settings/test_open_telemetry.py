"""Settings of the topic: traces by OpenTelemetry."""

import pytest
from tests.doctor.surroundings import NO_FILE
from tests.settings.environment import error_of, given_that
from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings import load, load_and_warn
from avr_sts_speechmatics.settings.open_telemetry import Headers, OpenTelemetry

HERE = "http://localhost:4318"
ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}


class TestOpenTelemetry(TopicTests):
    topic = OpenTelemetry
    defaults = (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", None),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", None),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 10_000.0),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", None),
        ("OTEL_SERVICE_NAME", None),
        ("OTEL_RESOURCE_ATTRIBUTES", None),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", None),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_SDK_DISABLED", False),
    )
    good = (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", HERE, HERE),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://a/b?c=d", "https://a/b?c=d"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "api-key=a%20b, Authorization=Basic YTpi=",
            {"api-key": "a b", "Authorization": "Basic YTpi="},
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3000", 3000.0),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", __file__, __file__),
        ("OTEL_SERVICE_NAME", "reception", "reception"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a.b=c%3Dd,e=", {"a.b": "c=d", "e": ""}),
        ("OTEL_TRACES_SAMPLER", "traceidratio", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25", "0.25"),
        ("OTEL_TRACES_EXPORTER", "none", "none"),
        ("OTEL_SDK_DISABLED", "true", True),
    )
    wrong = (
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/xml", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere.pem", "no such file"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "name=value"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "traceidratio"),
        ("OTEL_TRACES_EXPORTER", "post", "none"),
        ("OTEL_SDK_DISABLED", "perhaps", "true"),
    )
    private = (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318/very-secret", "http://"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://very-secret", "http://"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "very-secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=very-secret", "plain"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=very-secret%0d%0aHost: b", "plain"),
    )
    free_text = ("OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER_ARG")

    def compared(self, name: str, value: object) -> object:
        if isinstance(value, Headers):
            return {header: text.reveal() for header, text in value.by_name}
        return str(value) if name.endswith("CERTIFICATE") else value


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, None),
        (ON, f"{HERE}/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{HERE}/"}, f"{HERE}/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{HERE}/otlp?key=a"}, f"{HERE}/otlp/v1/traces?key=a"),
        ({**ON, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://b/in"}, "https://b/in"),
        ({**ON, "OTEL_SDK_DISABLED": "true"}, None),
        ({**ON, "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_where_traces_are_sent(variables: dict[str, str], url: str | None) -> None:
    assert given_that(**variables).traces_url == url


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/protobuf"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "traceidratio"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "otlp"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "half"}, "0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "0 to 1"),
    ],
)
def test_values_for_other_programs_matter_only_if_traces_are_sent(
    variables: dict[str, str], allowed: str
) -> None:
    load(variables, NO_FILE)
    error = error_of({**ON, **variables})
    assert error.startswith(next(iter(reversed(variables))).replace("OTLP_TRACES_P", "OTLP_P"))
    assert allowed in error
    assert error.endswith(".")


def test_a_name_for_traces_overrides_the_name_for_everything() -> None:
    chosen = given_that(
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_TIMEOUT="5",
        **ON,
    )
    assert chosen.otel_exporter_otlp_traces_protocol == "http/protobuf"
    assert chosen.otel_exporter_otlp_traces_timeout == 5


def test_headers_are_secrets() -> None:
    chosen = given_that(OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20abcdefgh")
    assert {"Bearer abcdefgh", "abcdefgh"} <= set(chosen.secrets())
    assert "abcdefgh" not in repr(chosen)


def test_variables_that_only_other_programs_know_are_not_reported() -> None:
    variables = {
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "a=b",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_NODE_RESOURCE_DETECTORS": "env",
    }
    plain = load_and_warn({}, NO_FILE).warnings
    assert load_and_warn(variables, NO_FILE).warnings == plain
