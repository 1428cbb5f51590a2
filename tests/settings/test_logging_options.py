"""Settings of the topic: the log."""

from pathlib import Path

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.logging_options import LoggingOptions

HERE = str(Path(__file__).parent)


class TestLoggingOptions(TopicTests):
    topic = LoggingOptions
    defaults = (
        ("LOG_TRANSCRIPTS", False),
        ("LOG_LEVEL", "info"),
        ("LOG_FORMAT", "console"),
        ("CALL_TRACE_DIR", None),
    )
    good = (
        ("LOG_TRANSCRIPTS", "1", True),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("LOG_LEVEL", "WARN", "warning"),
        ("LOG_LEVEL", "warn", "warning"),
        ("LOG_LEVEL", "Critical", "error"),
        ("LOG_FORMAT", "json", "json"),
        ("CALL_TRACE_DIR", HERE, Path(HERE)),
    )
    wrong = (
        ("LOG_TRANSCRIPTS", "maybe", "true or false"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("LOG_FORMAT", "xml", "console, json"),
        ("CALL_TRACE_DIR", "/no/such/directory", "path of a directory"),
    )
