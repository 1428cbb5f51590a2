"""An Asterisk of its own: started on 127.0.0.1 with free ports in a folder of its own, stopped.

    with Rig(unpacked()) as rig:
        rig.cli("core show version")

Rigs may stand side by side. Nothing of the machine's own Asterisk is read or written.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.asterisk.etc import Ports, write
from tests.asterisk.unpacked import command

START_S = 30.0
STOP_S = 5.0
_CLI_S = 20.0


class RigError(Exception):
    """Asterisk does not run; the text has its last words."""


class Rig:
    """A running Asterisk.

    root: as `unpacked` gave it. ports: those of Asterisk, and where it looks for the service.
    """

    def __init__(self, root: Path, ports: Ports | None = None) -> None:
        self._root = root
        self.ports = ports or Ports.free()
        # A short path: the control socket lies in it, whose name may have 108 characters.
        self._work = Path(tempfile.mkdtemp(prefix="rig-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def sip(self) -> tuple[str, int]:
        """Where phones call."""
        return "127.0.0.1", self.ports.sip

    def recording(self, extension: str, side: str) -> Path:
        """MixMonitor's file of the last call to an extension. side: "from" or "to" the phone."""
        found = (self._work / "spool/monitor").glob(f"*-{extension}-{side}.wav")
        return max(found, key=lambda path: path.stat().st_mtime)

    def log(self) -> str:
        """What Asterisk has said so far."""
        return (self._work / "log/messages").read_text(errors="replace")

    def complaints(self) -> list[str]:
        """The warnings and errors among it."""
        return [
            line for line in self.log().splitlines() if " WARNING[" in line or " ERROR[" in line
        ]

    def cli(self, order: str) -> str:
        """Give an order on Asterisk's console, return what it prints. Blocks for some 20 ms.

        Raises RigError.
        """
        done = self._console(order)
        if done.returncode:
            raise RigError(done.stdout + done.stderr)
        return done.stdout

    def kill(self) -> None:
        """End it as a crash or a power cut would: at once, without a word to anybody."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "Rig":
        write(self._work, self._root, self.ports)
        with (self._work / "log/stdout").open("wb") as out:
            self._process = subprocess.Popen(
                self._command("-f"), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_S
        while "fully booted" not in self._console("core waitfullybooted").stdout:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._work / "log/stdout").read_text(errors="replace")[-2000:]
                self._stop()
                raise RigError(f"Asterisk did not start: {said}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            self._console("core stop now")
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._work, ignore_errors=True)

    def _console(self, order: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command("-rx", order), capture_output=True, text=True, timeout=_CLI_S, check=False
        )

    def _command(self, *arguments: str) -> list[str]:
        return command(
            self._root, "asterisk", "-C", str(self._work / "etc/asterisk.conf"), *arguments
        )
