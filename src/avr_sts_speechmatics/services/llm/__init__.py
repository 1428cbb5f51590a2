"""The language model (LLM) that finds the answers."""
