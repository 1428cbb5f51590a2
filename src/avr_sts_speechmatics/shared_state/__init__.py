"""State that machines share through Redis or Valkey: announced calls, the count of STT sessions.

Nothing here is needed on one machine, and nothing of the `redis` package is imported without
REDIS_URL. Redis is a help and never a condition: while Redis is away, calls go on.
"""
