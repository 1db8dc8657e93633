"""Keeps the workers and what runs beside them alive, replaces them one by one, and ends them in good order.

SIGHUP replaces the workers, SIGTERM and Ctrl-C end the service, and a second one of these ends it at once.
"""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess

from amp import metric_files
from amp.beside import END_WITHIN_S, Beside, deaf_to_ctrl_c, followers, loop, refit
from amp.store.keeper import Say
from amp.worker import STARTS_WITHIN_S, Order, Worker

POLLED_S = 60.0
"""Whoever asked for readiness within this time may be balancing load, and is given time to look again."""
_LOOK_EVERY_S = 0.1
_ASK_EVERY_S = 0.5
_JOIN_S = 5.0  # beyond the time that a worker gives its requests


class Supervisor(Multiprocess):
    """uvicorn's supervisor with workers of our own; never gives up once it served."""

    processes: list[Any]

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        *,
        drain_s: float,
        ready: Callable[[], None],
        say: Say,
        others: Sequence[Beside] = (),
    ) -> None:
        """`others` run beside the workers too."""
        super().__init__(config, [listener])
        self.failed = False
        self._drain_s = drain_s
        self._ready = ready
        self._say = say
        self._leaving: list[Worker] = []
        self._within_s = 0.0
        self._renewing = False
        self._at_once = False
        self._next_s = 0.0
        self._beside = [
            Beside("background fit", refit),
            Beside("loop of graded outcomes", loop),
            Beside("process of the followers", followers),
            *others,
        ]

    def run(self) -> None:
        try:
            self.init_processes()
            while not self.should_exit.is_set():
                self._turn()
                if self._renewing:
                    self._renewing = False
                    self._renew()
            self._end()
        except BaseException:  # no child may outlive us, whatever it was
            self._kill()
            raise

    def init_processes(self) -> None:
        for _ in range(self.processes_num):
            self.processes.append(self._started())
        self._keep_beside()
        while not self.should_exit.is_set():
            self.handle_signals()
            if all(worker.ready(0.2) for worker in self.processes):
                return self._ready()
            if not all(worker.process.is_alive() for worker in self.processes):
                self.failed = True
                self.should_exit.set()
            time.sleep(0.02)
        return None

    def handle_hup(self) -> None:
        self._renewing = True

    def handle_term(self) -> None:
        self._end_within(self._drain_s)

    def handle_int(self) -> None:
        self._end_within(0.0)

    def handle_ttin(self) -> None:
        """How many workers there are is a setting."""

    def handle_ttou(self) -> None:
        """As above."""

    def keep_subprocess_alive(self) -> None:
        for number, worker in enumerate(self.processes):
            if worker.answers(self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            metric_files.ended(worker.pid or 0)
            self._say(f"Worker {worker.pid} has ended (exit code {worker.exitcode}); starting another.")
            self.processes[number] = self._started()
        self._keep_beside()

    def _turn(self) -> None:
        """Hears signals, and now and then looks after everybody."""
        time.sleep(_LOOK_EVERY_S)
        self.handle_signals()
        if not self.should_exit.is_set() and time.monotonic() >= self._next_s:
            self.keep_subprocess_alive()
            self._next_s = time.monotonic() + _ASK_EVERY_S
        elif not self.should_exit.is_set() and any(each.is_due() for each in self._beside):
            self._keep_beside()  # at once: somebody may be waiting for a page

    def _started(self) -> Worker:
        worker = Worker(self.config, self.sockets)
        with deaf_to_ctrl_c():
            worker.start()
        return worker

    def _keep_beside(self) -> None:
        with deaf_to_ctrl_c():
            for each in self._beside:
                each.keep(self._say)

    def _renew(self) -> None:
        """A new worker for each, one at a time: it serves before the old one lets go of its connections."""
        self._say("Replacing the workers, one at a time.")
        for number in range(len(self.processes)):
            new = self._started()
            self._leaving.append(new)  # until it serves, it is nobody's
            if not self._until(lambda new=new: new.ready(0.2), STARTS_WITHIN_S, alive=new):
                if not self.should_exit.is_set():
                    self._say("The new worker does not serve (see above); the old ones stay.")
                    self._gone(new)
                return
            self._leaving.remove(new)
            old, self.processes[number] = self.processes[number], new
            self._leaving.append(old)
            old.end(Order(self._drain_s, red=False, listening=False))
            self._until(lambda old=old: not old.process.is_alive(), self._patience_s(self._drain_s))
            if self.should_exit.is_set():
                return
            self._gone(old)
        for each in self._beside:
            each.renew()
            if not self._until(each.renewed, 2 * END_WITHIN_S):
                return
        self._say("The workers are replaced.")

    def _gone(self, worker: Worker) -> None:
        """Sees it out, dead or alive."""
        worker.kill()
        worker.join()
        metric_files.ended(worker.pid or 0)
        self._leaving.remove(worker)

    def _until(self, true: Callable[[], bool], within_s: float, *, alive: Worker | None = None) -> bool:
        """Waits, and meanwhile looks after everybody; False when it is too late or the service is to end."""
        until_s = time.monotonic() + within_s
        while not true():
            self._turn()
            dead = alive is not None and not alive.process.is_alive()
            if dead or self.should_exit.is_set() or time.monotonic() > until_s:
                return False
        return True

    def _end_within(self, drain_s: float) -> None:
        self._at_once = self.should_exit.is_set()
        self._within_s = drain_s
        self.should_exit.set()

    def _end(self) -> None:
        """Lets the workers end; those beside them go when no new connection is taken any more."""
        workers: list[Worker] = [*self.processes, *self._leaving]
        for worker in self.processes:
            worker.answers(1.0)
        polled = any(time.monotonic() - worker.asked_s < POLLED_S for worker in workers)
        listening = polled and self._within_s > 0
        if listening:
            self._say(f"Not ready any more; ending in {self._within_s:g} s. Again to end now.")
        for worker in workers:
            worker.end(Order(self._within_s, red=True, listening=listening))
        until_s = time.monotonic() + self._within_s
        while listening and not self._at_once and time.monotonic() < until_s:
            self._heard()
        for each in self.sockets:  # ours too, or who comes now would wait for nobody
            each.close()
        for each in self._beside:
            each.end()
        self._see_out([worker.process for worker in workers], until_s)

    def _see_out(self, processes: list[Any], until_s: float) -> None:
        """Waits for all to end; kills who does not, and all when told so a second time."""
        until_s = max(until_s, time.monotonic()) + self._patience_s(0.0)
        processes = [*processes, *(each.process for each in self._beside if each.process)]
        while any(each.is_alive() for each in processes):
            if self._at_once or time.monotonic() > until_s:
                return self._kill()
            self._heard()
        return None

    def _patience_s(self, drain_s: float) -> float:
        return drain_s + (self.config.timeout_graceful_shutdown or 0) + _JOIN_S

    def _heard(self) -> None:
        time.sleep(_LOOK_EVERY_S)
        self.handle_signals()

    def _kill(self) -> None:
        children = [worker.process for worker in (*self.processes, *self._leaving)]
        children += [each.process for each in self._beside if each.process]
        for child in children:
            child.kill()
        for child in children:
            child.join()
