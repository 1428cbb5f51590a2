"""From the text of an answer to audio for the caller."""
