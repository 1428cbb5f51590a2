"""Clients of text-to-speech services (TTS)."""
