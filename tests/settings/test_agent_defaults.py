"""Settings of the topic: the agent."""

from pathlib import Path
from zoneinfo import ZoneInfo

from tests.settings.environment import HERE
from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.agent_defaults import AgentDefaults


class TestAgentDefaults(TopicTests):
    topic = AgentDefaults
    defaults = (
        ("SPEECHMATICS_INSTRUCTIONS", None),
        ("SPEECHMATICS_URL_INSTRUCTIONS", None),
        ("SPEECHMATICS_FILE_INSTRUCTIONS", None),
        ("AGENTS_DIR", None),
        ("SPEECHMATICS_WELCOME_MESSAGE", None),
        ("DISCLOSURE", "on"),
        ("RECORDING_NOTICE", None),
        ("FAQ_FILE", None),
        ("TIME_ZONE", None),
    )
    good = (
        ("SPEECHMATICS_INSTRUCTIONS", "Be brief.", "Be brief."),
        ("SPEECHMATICS_URL_INSTRUCTIONS", "http://crm/agent/", "http://crm/agent/"),
        ("SPEECHMATICS_FILE_INSTRUCTIONS", __file__, Path(__file__)),
        ("AGENTS_DIR", HERE, Path(HERE)),
        ("SPEECHMATICS_WELCOME_MESSAGE", "Hi!", "Hi!"),
        ("SPEECHMATICS_WELCOME_MESSAGE", "  ", ""),
        ("DISCLOSURE", "Yes", "on"),
        ("DISCLOSURE", "off", ""),
        ("DISCLOSURE", " ", ""),
        ("DISCLOSURE", "I am  a machine.", "I am a machine."),
        ("RECORDING_NOTICE", "ON", "on"),
        ("RECORDING_NOTICE", "", ""),
        ("RECORDING_NOTICE", "We record.", "We record."),
        ("FAQ_FILE", __file__, Path(__file__)),
        ("TIME_ZONE", "Europe/Berlin", ZoneInfo("Europe/Berlin")),
        ("TIME_ZONE", "UTC", ZoneInfo("UTC")),
    )
    wrong = (
        ("SPEECHMATICS_URL_INSTRUCTIONS", "crm/agent", "http:// or https://"),
        ("SPEECHMATICS_FILE_INSTRUCTIONS", "/no/such/file.txt", "path of a readable file"),
        ("AGENTS_DIR", __file__, "path of a directory"),
        ("AGENTS_DIR", "~nobody-of-that-name/agents", "path of a directory"),
        ("AGENTS_DIR", "x" * 5000, "path of a directory"),
        ("DISCLOSURE", "Hello {from}.", "in the instructions and the welcome only"),
        ("DISCLOSURE", "x" * 2001, "at most 2000 characters"),
        ("RECORDING_NOTICE", "!?", "give a sentence, on or off"),
        ("FAQ_FILE", "/no/such/file.yaml", "path of a readable file"),
        ("FAQ_FILE", "/", "path of a readable file"),
        ("FAQ_FILE", "~nobody-of-that-name/faq.yaml", "path of a readable file"),
        ("FAQ_FILE", "x" * 5000, "path of a readable file"),
        ("TIME_ZONE", "Berlin", "such as Europe/Berlin"),
        ("TIME_ZONE", "CEST+1", "such as Europe/Berlin"),
        ("TIME_ZONE", "Europe", "such as Europe/Berlin"),
        ("TIME_ZONE", "../etc/passwd", "such as Europe/Berlin"),
        ("TIME_ZONE", "x" * 5000, "such as Europe/Berlin"),
    )
    free_text = (
        "SPEECHMATICS_INSTRUCTIONS",
        "SPEECHMATICS_WELCOME_MESSAGE",
    )
