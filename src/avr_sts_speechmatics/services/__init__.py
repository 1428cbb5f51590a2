"""Clients of the services that a call uses: STT, LLM and TTS."""
