"""A speech-to-speech service for Agent Voice Response: one caller's voice in, an agent's voice out."""

__version__ = "0.1.0"
