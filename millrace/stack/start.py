"""Starts services in the order of their needs, side by side where nothing forbids it."""

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from enum import StrEnum
from itertools import chain

from millrace.errors import MillraceError
from millrace.phrases import known_names
from millrace.settings import ROOT, Settings
from millrace.stack import places
from millrace.stack.discovery import is_present, services
from millrace.stack.occupancy import require_free
from millrace.stack.service import Service
from millrace.stack.supervision import Supervisor, variables

_POLL_S = 0.15
_CRASH_PATIENCE_S = 6.0
_LOG_LINES = 12


class Step(StrEnum):
    """Where a service stands on its way up."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    SKIPPED = "skipped"


Watcher = Callable[[str, Step, str], None]


class NotReachedError(MillraceError):
    """A service was not tried because one it needs failed."""


class Ascent:
    """One run of `millrace up` over a set of services; `watch` hears of every step."""

    def __init__(self, settings: Settings, chosen: dict[str, Service], watch: Watcher) -> None:
        self._settings = settings
        self._services = chosen
        self._watch = watch
        self._supervisor = Supervisor(settings)
        self._given_up = threading.Event()
        self._reached: dict[str, Future[None]] = {}

    def run(self) -> None:
        """Bring everything up; raise the first real error after the others have settled."""
        present = {name: s for name, s in self._services.items() if is_present(s)}
        # supervisord ends what its configuration no longer names, so it hears of the unchosen too.
        self._supervisor.ensure(s for s in services().values() if not s.once and is_present(s))
        reached = self._reached
        with ThreadPoolExecutor(max_workers=len(self._services)) as pool:
            for name, service in self._services.items():
                reached[name] = pool.submit(self._settle, service, name in present)
            try:
                errors = [future.exception() for future in reached.values()]
            except KeyboardInterrupt:
                self._given_up.set()
                raise
        real = [error for error in errors if error is not None and not isinstance(error, NotReachedError)]
        if real:
            raise real[0]

    def _settle(self, service: Service, present: bool) -> None:
        try:
            self._await_needs(service)
            if present:
                note = self._bring_up(service)
                self._watch(service.name, Step.READY, note)
            else:
                self._watch(service.name, Step.SKIPPED, f"module {service.module} is missing")
        except NotReachedError as error:
            self._watch(service.name, Step.SKIPPED, error.what)
            raise
        except BaseException as error:
            said = error.what if isinstance(error, MillraceError) else str(error)
            self._watch(service.name, Step.FAILED, said)
            raise

    def _await_needs(self, service: Service) -> None:
        for need in service.needs:
            if need not in service.waits_for and self._reached[need].exception() is not None:
                raise NotReachedError(f"{need} is not up")

    def _check_needs(self, service: Service) -> None:
        for need in service.waits_for:
            if self._reached[need].done():
                self._await_needs(replace(service, needs=(need,), waits_for=()))

    def _bring_up(self, service: Service) -> str:
        if service.once:
            return self._run_step(service)
        process = self._supervisor.process(service.name)
        if process.is_running:
            self._watch(service.name, Step.STARTING, "checking")
            self._await_ready(service)
            return "was running"
        self._watch(service.name, Step.PREPARING, "writing its configuration")
        require_free(self._settings, service)
        service.prepare(self._settings)
        self._supervisor.start(service.name)
        self._watch(service.name, Step.STARTING, "waiting for its answer")
        self._await_ready(service)
        return ""

    def _run_step(self, service: Service) -> str:
        self._watch(service.name, Step.STARTING, "running")
        log = places.log_file(self._settings, service.name)
        with log.open("w") as output:
            process = subprocess.Popen(
                list(service.command(self._settings)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables(self._settings, service),
                cwd=ROOT,
            )
        while process.poll() is None:
            if self._given_up.wait(_POLL_S):
                process.terminate()
                process.wait()
        if process.returncode:
            raise self._failure(service, f"step {service.name} failed (exit {process.returncode})")
        return ""

    def _await_ready(self, service: Service) -> None:
        deadline = time.monotonic() + service.patience_s
        crashing_since: float | None = None
        while not (
            self._supervisor.process(service.name).state == "RUNNING" and service.ready(self._settings)
        ):
            self._check_needs(service)
            now = time.monotonic()
            process = self._supervisor.process(service.name)
            crashing_since = (crashing_since or now) if process.state == "BACKOFF" else crashing_since
            if process.state == "FATAL" or now - (crashing_since or now) > _CRASH_PATIENCE_S:
                raise self._failure(service, f"{service.name} stops right after its start")
            if now > deadline:
                raise self._failure(service, f"{service.name} did not answer within {service.patience_s} s")
            if self._given_up.wait(_POLL_S):
                raise NotReachedError("interrupted")

    def _failure(self, service: Service, what: str) -> MillraceError:
        lines = last_lines(
            places.log_file(self._settings, service.name).read_text(errors="replace"), _LOG_LINES
        )
        said = "".join(f"\n    {line}" for line in lines) or " nothing"
        return MillraceError(
            what,
            where=str(places.log_file(self._settings, service.name)),
            mend=f"`millrace doctor` checks the machine; `millrace logs {service.name}` has more:{said}",
        )


def last_lines(text: str, count: int) -> list[str]:
    """Return the last non-empty lines of a text."""
    return [line for line in text.splitlines() if line.strip()][-count:]


def closure(known: dict[str, Service], wanted: list[str]) -> dict[str, Service]:
    """Return the wanted services and all they need, in order; raise MillraceError for an unknown name."""
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise MillraceError(f"no service is called {unknown[0]}", mend=known_names(unknown[0], known))
    chosen, queue = set[str](), list(wanted)
    while queue:
        name = queue.pop()
        chosen.add(name)
        queue.extend(need for need in known[name].needs if need not in chosen)
    return {name: service for name, service in known.items() if name in chosen}


def of_profiles(known: dict[str, Service], *profiles: str) -> dict[str, Service]:
    """Return the services of some profiles and all they need, in order."""
    names = [name for name, service in known.items() if service.profile in profiles]
    return closure(known, names)


def needed_tools(known: dict[str, Service]) -> list[str]:
    """Return every program the services call, sorted."""
    return sorted(set(chain.from_iterable(service.tools for service in known.values())))
