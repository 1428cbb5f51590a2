"""Clients of the language model (LLM)."""
