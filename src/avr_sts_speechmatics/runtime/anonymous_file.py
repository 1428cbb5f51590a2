"""A file without a name, in memory where the system can: memory that processes share."""

import os
import tempfile


def anonymous_file(purpose: str, size: int) -> int:
    """Make a file of zeros that is gone with its last user; returns its descriptor.

    purpose: shown by the system's tools.
    size: in bytes. Pages that nobody writes to take no memory.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(purpose)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
