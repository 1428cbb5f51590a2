"""Speech to text (STT)."""
