"""Logging of retries: retries for callers are logged, retries for background work are not.

A caller waits for each retry, so the log shows it. Background work (trials of the services, kept
phrases) goes on for as long as a service is away; only the change of its state is logged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_quiet: ContextVar[bool] = ContextVar("quiet_retries", default=False)


@contextmanager
def quiet_retries() -> Iterator[None]:
    """Do not log retries within this context."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


def retries_are_logged() -> bool:
    return not _quiet.get()
