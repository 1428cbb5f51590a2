"""The agents: which one answers a call, and which instructions it gets."""
