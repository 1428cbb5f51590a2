"""Files without a name."""

import mmap
import os

import pytest

from avr_sts_speechmatics.runtime.anonymous_file import anonymous_file


@pytest.mark.parametrize("in_memory", [True, False])
def test_two_users_of_the_file_see_the_same_bytes(
    in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    descriptor = anonymous_file("tests", 8192)
    try:
        assert os.fstat(descriptor).st_size == 8192
        with mmap.mmap(descriptor, 8192) as one, mmap.mmap(descriptor, 8192) as other:
            assert other[:] == bytes(8192)
            one[5000] = 7
            assert other[5000] == 7
    finally:
        os.close(descriptor)
