"""A speech-to-speech service for Agent Voice Response: a caller's voice in, an agent's out."""

__version__ = "0.1.0"
