"""Which agent answers a call, and what the agent is told to be."""
