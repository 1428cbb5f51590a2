"""Settings of the topic: the language model (LLM)."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.language_model import LanguageModel
from avr_sts_speechmatics.values import Secret


class TestLanguageModel(TopicTests):
    topic = LanguageModel
    defaults = (
        ("OPENAI_API_KEY", None),
        ("OPENAI_BASE_URL", None),
        ("OPENAI_MODEL", "gpt-6-luna"),
        ("OPENAI_TEMPERATURE", None),
        ("OPENAI_MAX_TOKENS", 300),
        ("HISTORY_TOKENS", 8000),
        ("OPENAI_REASONING_EFFORT", None),
        ("THINKING", "auto"),
    )
    good = (
        ("OPENAI_API_KEY", "k2", Secret("k2")),
        ("OPENAI_BASE_URL", "http://localhost:11434/v1/", "http://localhost:11434/v1"),
        ("OPENAI_BASE_URL", "https://h/d/?api-version=1", "https://h/d?api-version=1"),
        ("OPENAI_MODEL", "meta-llama/Llama-4:8b", "meta-llama/Llama-4:8b"),
        ("OPENAI_TEMPERATURE", "0.7", 0.7),
        ("OPENAI_MAX_TOKENS", "64", 64),
        ("HISTORY_TOKENS", "2000", 2000),
        ("OPENAI_REASONING_EFFORT", "Low", "low"),
        ("OPENAI_REASONING_EFFORT", "none", "none"),
        ("THINKING", "Receptionist", "receptionist"),
    )
    wrong = (
        ("OPENAI_BASE_URL", "localhost:11434", "http:// or https://"),
        ("OPENAI_BASE_URL", "http://h/v1/chat/completions", "give http://h/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/", "give https://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://<your-resource>.example/", "http:// or https://"),
        ("OPENAI_BASE_URL", "http://h/v1#here", "without #"),
        ("OPENAI_MODEL", "gpt 6", "plain name"),
        ("OPENAI_TEMPERATURE", "3", "from 0 to 2"),
        ("OPENAI_MAX_TOKENS", "0", "from 1 to 100000"),
        ("HISTORY_TOKENS", "100", "from 500 to 10000000"),
        ("OPENAI_REASONING_EFFORT", "lots", "none, minimal, low"),
        ("THINKING", "hard", "auto, receptionist"),
    )
