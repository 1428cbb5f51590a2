"""Settings: more than one process or machine."""

from dataclasses import dataclass

from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class ManyMachines:
    """The number of processes, and the server through which machines share what they must."""

    workers: int | None = setting(
        check.workers,
        "Number of processes that take calls on the same ports, each on a core of its own; `auto`: "
        "as many as there are cores for this service. `MAX_CALLS` counts for all of them.",
        1,
    )
    redis_url: RedisAddress | None = setting(
        check.redis,
        "Address of the Redis or Valkey server (6.2 or later) that machines behind one load "
        "balancer share, such as `redis://:password@host:6379/0`, `rediss://…` or "
        "`unix:///run/redis.sock`: announced calls reach whichever machine gets the call, and STT "
        "sessions are counted over all machines. While the server is away, calls go on "
        "([Scaling](scaling.md)). One machine needs none.",
        private=True,
    )
    redis_prefix: str = setting(
        check.redis_prefix,
        "Beginning of the names of all keys. Services that share a server but neither calls nor a "
        "Speechmatics account need different ones.",
        "avr-sts-speechmatics:",
    )
