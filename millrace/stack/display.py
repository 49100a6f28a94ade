"""Shows people what `up` and `down` are doing; plain lines where there is no terminal."""

import threading
import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from millrace.stack.service import Service
from millrace.stack.start import Step

_MARKS = {
    Step.WAITING: Text("·", style="dim"),
    Step.READY: Text("✓", style="bold green"),
    Step.FAILED: Text("✗", style="bold red"),
    Step.SKIPPED: Text("–", style="yellow"),
}
_SETTLED = {Step.READY, Step.FAILED, Step.SKIPPED}


class Row:
    """One line of the display."""

    def __init__(self, service: Service) -> None:
        self.name = service.name
        self.about = service.about
        self.step = Step.WAITING
        self.note = ""
        self.began_s: float | None = None
        self.took_s = 0.0
        self.spinner = Spinner("dots", style="cyan")

    def move(self, step: Step, note: str) -> None:
        """Take a new step; the clock runs from the first one to the last."""
        now = time.monotonic()
        self.began_s = now if self.began_s is None else self.began_s
        self.step, self.note, self.took_s = step, note, now - self.began_s

    def elapsed(self) -> str:
        """Return the seconds so far, empty while waiting or when there was nothing to do."""
        if self.began_s is None or self.step is Step.SKIPPED:
            return ""
        seconds = self.took_s if self.step in _SETTLED else time.monotonic() - self.began_s
        return f"{seconds:.1f} s"

    def mark(self) -> RenderableType:
        """Return the sign in front of the line."""
        return _MARKS.get(self.step, self.spinner)


class Display:
    """A live table on a terminal, one line per finished service elsewhere."""

    def __init__(self, console: Console, services: Iterable[Service]) -> None:
        self._console = console
        self._rows = {service.name: Row(service) for service in services}
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8)

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, name: str, step: Step, note: str) -> None:
        """Take the news of one service."""
        with self._lock:
            row = self._rows[name]
            row.move(step, note)
            if not self._console.is_terminal and step in _SETTLED:
                mark = _MARKS[step].plain
                self._console.print(
                    f"{mark} {row.about:<26} {row.elapsed():>7}  {note}".rstrip(),
                    highlight=False,
                    soft_wrap=True,
                )

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(min_width=26, overflow="fold")
        table.add_column(justify="right", min_width=7, style="dim", no_wrap=True)
        table.add_column(style="dim", overflow="fold")
        for row in self._rows.values():
            style = "dim" if row.step is Step.WAITING else ""
            table.add_row(row.mark(), Text(row.about, style=style), row.elapsed(), row.note)
        return table
