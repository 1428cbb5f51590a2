"""The benchmark's command line."""

import subprocess
import sys


def test_settled_words_must_come_before_the_end_of_the_turn() -> None:
    command = [sys.executable, "-m", "bench", "--stt-ms", "300", "--settled-ms", "300"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--settled-ms: give less than --stt-ms" in done.stderr
