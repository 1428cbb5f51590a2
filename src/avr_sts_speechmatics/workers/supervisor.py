"""The supervisor: starts the workers, replaces those that die, and ends them.

    what happens            | the supervisor
    ------------------------+--------------------------------------------------------------------
    a worker ends unasked   | says so and starts another: at once, then after growing pauses
    SIGHUP (`replace`)      | reads the settings anew; for each worker, one by one: starts a new
                            | one, waits until it is ready, lets the old one finish its calls
    the new one cannot start| says why; the old workers go on
    SIGTERM (`drain`)       | lets all workers finish their calls, for DRAIN_S
    SIGINT, a second SIGTERM| ends all workers and their calls (`end`)

The supervisor carries no call and does no work for one: whatever a worker does, the supervisor
answers. It keeps what has to survive a worker: the ports, the announced calls, the sandbox.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Loaded, Settings
from avr_sts_speechmatics.telemetry.log import lines_lost
from avr_sts_speechmatics.transports.announced_calls import AnnouncedHere
from avr_sts_speechmatics.values import counted
from avr_sts_speechmatics.workers.board import Board, State
from avr_sts_speechmatics.workers.channel import Message
from avr_sts_speechmatics.workers.cores import usable_cores
from avr_sts_speechmatics.workers.live_relay import LiveExchange
from avr_sts_speechmatics.workers.metrics_of_all import MetricsOfAll
from avr_sts_speechmatics.workers.ports import Ports, close_others, open_ports
from avr_sts_speechmatics.workers.sandbox_kept import SandboxKept
from avr_sts_speechmatics.workers.worker_process import NotStarted, Place, Ready, WorkerProcess

RESTART_S = 1.0
RESTART_MAX_S = 60.0
"""Pauses before a worker that has ended is replaced (s): the second and the longest; the first is
none. Each pause is doubled, unless the worker had run for RESTART_MAX_S."""

HEALTH_S = 0.3
"""Longest wait for a worker's part of `/health` (s)."""

LOOK_S = 0.05
"""Time between two looks whether all workers have ended (s)."""

END_S = 17.0
"""Longest time in which a worker must end after its last call (s), before it is killed."""

_log = logging.getLogger(__name__)


class Supervisor:
    """All workers of the service.

    loaded: the settings.
    load: reads the settings anew; raises SettingsError.
    news: called when the sandbox has loaded a part: its name, how many are loaded, of how many.
    """

    def __init__(
        self,
        loaded: Loaded,
        load: Callable[[], Loaded],
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
    ) -> None:
        self.settings = loaded.settings
        self.ports = Ports()
        self._load = load
        self._board = Board()
        self._announced = AnnouncedHere()
        self._current: dict[int, WorkerProcess] = {}
        self._all: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._introduced = False
        self._ending = False
        self._begun = time.monotonic()
        self._again = False
        self._round: asyncio.Task[None] | None = None
        self._sandbox = SandboxKept(news, self._tell_all)
        self._exchange = LiveExchange(lambda: self._all)
        self._pauses: dict[int, float] = {}
        self._deaths = 0
        self._metrics = MetricsOfAll()
        self._changed = asyncio.Event()
        self.said: set[str] = set()
        """Warnings that were logged."""

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> Ready:
        """Open the ports and start the workers. Returns when the first worker is ready.

        Raises SettingsError, or NotStarted with the reason of the first worker that fails.
        """
        self.ports = await open_ports(self.settings)
        of = count_of(self.settings)
        workers = [await self._start(number, of, self.ports) for number in range(1, of + 1)]
        waits = {asyncio.create_task(worker.ready()): worker for worker in workers}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            first = done.pop()
            ready = first.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)
        for worker in workers:
            if worker is not waits[first]:
                self._spawn(self._see_to_start(worker))
        return ready

    def introduced(self) -> None:
        """Take calls from now on: the operator knows that the service runs."""
        self._introduced = True
        for worker in self._all:
            worker.admit()
        if self._again:
            self.replace()

    def drain(self) -> None:
        """Let all workers finish their calls and end."""
        self._stop_changes()
        for port in self.ports.opened:
            # Whoever connects there has a call, and cannot be refused one.
            if port.setting == "AUDIOSOCKET_PORT":
                port.stop_listening()
        for worker in self._all:
            if worker.is_ready and not worker.retired:
                worker.drain(replaced=False)
            elif not worker.is_ready:
                worker.kill()

    def end(self) -> None:
        """End all workers and their calls."""
        self._stop_changes()
        for worker in self._all:
            worker.end()

    async def ended(self) -> None:
        """Return when all workers have ended."""
        while self._all:
            if not any(row.state is not State.NONE for row in self._board.rows()):
                # Nobody accepts any more: callers are refused, and do not wait in the queue.
                self.ports.close()
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Close everything; workers that still run are killed."""
        self._stop_changes()
        self.ports.close()
        for worker in self._all:
            worker.kill()
        while self._all:
            self._changed.clear()
            await self._changed.wait()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._sandbox.close()
        self._board.close()

    def kill(self) -> None:
        """Kill all workers that still run."""
        for worker in self._all:
            _log.error("%s did not end and is killed", worker)
            worker.kill()

    @property
    def calls(self) -> int:
        """Number of calls of all workers."""
        return self._board.calls()

    def _stop_changes(self) -> None:
        """Start no further worker."""
        self._ending = True
        if self._round is not None:
            self._round.cancel()

    # --- workers that die ----------------------------------------------------------------------

    async def _start(self, number: int, of: int, ports: Ports) -> WorkerProcess:
        waits = any(row.state is State.TAKES for row in self._board.rows())
        place = Place(number, of, ports, waits)
        worker = await WorkerProcess.start(place, self._board, self._answer, self._leaving)
        worker.heard = lambda message: self._exchange.told(worker, message)
        self._all.add(worker)
        if self._introduced:
            worker.admit()
        self._current[number] = worker
        self._spawn(self._watch(worker))
        return worker

    async def _watch(self, worker: WorkerProcess) -> None:
        """Wait for the end of a worker; start another unless the worker was told to end."""
        assert worker.ended is not None
        status = await asyncio.shield(worker.ended)
        calls = next((row.calls for row in self._board.rows() if row.index == worker.row), 0)
        self._all.discard(worker)
        self._exchange.gone(worker)
        self._board.free(worker.row)
        self._metrics.retire(worker.metrics)
        self._changed.set()
        # Whoever started a worker that was never ready is told by `ready`.
        if self._ending or worker.retired or not worker.is_ready:
            return
        self._deaths += 1
        self._metrics.died.add()
        lost = f", and {counted(calls, 'call')} with it" if calls else ""
        _log.error("%s %s%s; another is started", worker, worker.how_it_ended(status), lost)
        await self._restart(worker)

    def _leaving(self, worker: WorkerProcess) -> None:
        """Start another worker in place of one that was sent a signal."""
        if not self._ending:
            _log.info("%s was sent a signal and leaves; another is started", worker)
            self._spawn(self._restart(worker))

    async def _restart(self, gone: WorkerProcess) -> None:
        """Start a worker in place of one that has ended, with growing pauses."""
        number, told = gone.place.number, ""
        if time.monotonic() - gone.begun > RESTART_MAX_S:
            self._pauses.pop(number, None)
        while True:
            pause = self._pauses.get(number, 0.0)
            self._pauses[number] = min(max(RESTART_S, 2 * pause), RESTART_MAX_S)
            await asyncio.sleep(pause)
            if self._ending or self._current.get(number) is not gone:
                return  # replaced meanwhile
            worker = gone = await self._start(number, gone.place.of, self.ports)
            try:
                await worker.ready()
            except NotStarted as error:
                worker.kill()
                if str(error) != told and not self._ending:
                    told = str(error)
                    _log.error("%s cannot be started again: %s", _which(worker), error)
            else:
                _log.info("%s runs again", worker)
                return

    async def _see_to_start(self, worker: WorkerProcess) -> None:
        """Start a worker again that fails while another one runs already."""
        try:
            await worker.ready()
        except NotStarted as error:
            worker.kill()
            if not self._ending:
                _log.error("%s cannot be started: %s", _which(worker), error)
                await self._restart(worker)

    # --- restart without a dropped call --------------------------------------------------------

    def replace(self) -> None:
        """Replace all workers, one by one, by new ones with the settings and code that are there.

        While that is under way, one more round follows, however often this is called.
        """
        if self._ending:
            return
        if not self._introduced or (self._round is not None and not self._round.done()):
            self._again = True
            return
        self._round = self._spawn(self._rounds())

    async def _rounds(self) -> None:
        while True:
            self._again = False
            await self._replace_all()
            if not self._again:
                return

    async def _replace_all(self) -> None:
        begun = time.monotonic()
        try:
            loaded = self._load()
            ports = await open_ports(loaded.settings, self.ports)
        except SettingsError as error:
            _log.error("%s The service goes on as it was; SIGHUP tries again.", error)
            return
        of, old = count_of(loaded.settings), dict(self._current)
        for number in range(1, of + 1):
            worker = await self._start(number, of, ports)
            try:
                ready = await worker.ready()
            except NotStarted as error:
                worker.kill()
                await self._give_up_round(worker, error, old, ports)
                return
            self._log_new(ready.warnings if number == 1 else ())
            if (before := old.pop(number, None)) is not None:
                before.drain(replaced=True)
        for before in old.values():
            self._current.pop(before.place.number, None)
            before.drain(replaced=True)
        before_ports, self.ports, self.settings = self.ports, ports, loaded.settings
        close_others(before_ports, ports.opened)
        self._log_new((*ports.warnings, *loaded.warnings))
        took = time.monotonic() - begun
        _log.info("%s replaced in %.1f s", counted(of, "worker"), took)

    async def _give_up_round(
        self, worker: WorkerProcess, error: NotStarted, old: dict[int, WorkerProcess], ports: Ports
    ) -> None:
        """Go on as before after a new worker that could not start."""
        if self._ending:
            return
        _log.error("%s The service goes on as it was; SIGHUP tries again.", _sentence(error))
        number = worker.place.number
        if (before := old.get(number)) is None:
            self._current.pop(number, None)
        elif self._current.get(number) is worker:
            self._current[number] = before
            if before not in self._all:
                self._spawn(self._restart(before))  # it died meanwhile
        if all(one.place.ports is not ports for one in self._current.values()):
            close_others(ports, self.ports.opened)

    def _log_new(self, warnings: Iterable[str]) -> None:
        """Log the warnings that were not logged before."""
        for sentence in warnings:
            if sentence not in self.said:
                self.said.add(sentence)
                _log.warning("%s", sentence)

    # --- what workers ask ----------------------------------------------------------------------

    async def _answer(self, worker: WorkerProcess, question: Message) -> Message:
        match question["what"]:
            case "announce":
                await self._announced.announce(question["uuid"], question["facts"])
            case "amend":
                await self._announced.amend(question["uuid"], question["facts"])
            case "facts":
                return {"facts": await self._announced.facts_for(question["uuid"])}
            case "sandbox":
                try:
                    return {"url": await self._sandbox.url()}
                except SettingsError as error:
                    return {"error": str(error)}
            case "health":
                return await self._health(worker)
            case "leave":
                return await self._exchange.leave(worker, question)
            case "metrics":
                workers = sorted(self._all, key=lambda one: one.begun)
                readers = [one.metrics for one in workers]
                return await self._metrics.page(readers, question["accept"])
        return {}

    async def _health(self, asking: WorkerProcess) -> Message:
        """Facts about the service, and the health of all workers but the one that asks."""
        others = [one for one in self._all if one is not asking and one.is_ready]
        found = await asyncio.gather(*(one.health(HEALTH_S) for one in others))
        return {
            "uptime_s": round(time.monotonic() - self._begun, 1),
            "deaths": self._deaths,
            "log_lines_lost": lines_lost(),
            "warnings": self.ports.warnings,
            "workers": [
                {"number": one.place.number, "pid": one.pid, "health": health}
                for one, health in zip(others, found, strict=True)
            ],
        }

    def _tell_all(self, message: Message) -> None:
        for worker in self._all:
            worker.tell(message)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("a fault of the supervisor; please report it", exc_info=fault)


def count_of(settings: Settings) -> int:
    """Return the number of workers under these settings."""
    return usable_cores() if settings.workers is None else settings.workers


def _which(worker: WorkerProcess) -> str:
    return f"worker {worker.place.number}" if worker.place.of > 1 else "the worker"


def _sentence(error: NotStarted) -> str:
    return str(error) if str(error).endswith(".") else f"{error}."
