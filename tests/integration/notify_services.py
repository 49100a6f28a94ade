"""PostgreSQL of the notification tests' own, alerts from the lifecycle, and receivers that can misbehave."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from psycopg import Connection

from api.notifier.channel_kind import Broker
from api.notifier.dispatcher import Delivered, Dispatcher
from api.notifier.options import Options
from api.notifier.postman import Postman
from api.notifier.seal import load_seal
from catalog.alert_transitions import Kind, Lifecycle
from catalog.channel_store import ChannelEntry, ChannelStore
from catalog.migrations import connect
from catalog.outbox import RuleBook
from catalog.rule_store import Change, Entry, RuleStore
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.alert_services import at, rows, rule, said
from tests.integration.own_services import own_services

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NO_BROKER = Broker("127.0.0.1", 1, "nobody", "nothing")


class Request(NamedTuple):
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """An HTTP server on a port of its own; `answers` are given in turn by path, then 200; 0 never answers."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, list[int]] = {}
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def got(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == f"/{path}"]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler inside
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(self.path, headers, body))
                script = receiver.answers.get(self.path[1:], [])
                status = script.pop(0) if len(script) > 1 else next(iter(script), 200)
                if status == 0:
                    receiver.released.wait(60)
                    return
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(f"status {status}".encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class Outpost:
    """One tenant with a rule that tells channels, and a notifier whose clock the test moves."""

    def __init__(self, config: Settings, tenant: str) -> None:
        self.config, self.tenant = config, tenant
        self.seal = load_seal(config)
        self.late_s = 0.0

    def clock(self) -> int:
        return now_ms() + round(1000 * self.late_s)

    def channel(
        self,
        name: str,
        settings: dict[str, Any],
        *,
        kind: str = "webhook",
        secret: dict[str, Any] | None = None,
        enabled: bool = True,
        private_allowed: bool = True,
        group_wait_s: int = 30,
        group_wait_critical_s: int = 0,
    ) -> None:
        """Write a channel; it may reach this machine unless that is not `private_allowed`."""
        given = {"signing_secret": SIGNING} if kind == "webhook" else secret or {}
        sealed = self.seal.close(self.tenant, name, given)
        with connect(self.config) as connection:
            waits = {"group_wait_s": group_wait_s, "group_wait_critical_s": group_wait_critical_s}
            entry = ChannelEntry(name, kind, "", settings, sealed, enabled, **waits)
            store = ChannelStore(connection, self.tenant)
            store.put(entry, "ann", at())
            store.set_private(name, private_allowed, "operator", at())

    def close(self) -> None:
        """Leave nothing to the notifiers of other tests, which share the outbox."""
        rows(
            self.config,
            "UPDATE notification SET state = 'dead' WHERE tenant = %s AND state IN ('pending', 'failed')",
            self.tenant,
        )

    def tells(self, *channels: str, **fields: Any) -> None:
        """Make the rule `too-hot` tell these channels."""
        entry = Entry("too-hot", "enabled", rule(notify=list(channels), about="Pump is hot") | fields)
        with connect(self.config) as connection:
            RuleStore(connection, self.tenant).create(entry, Change("ann", at()))

    def alert(self, kind: Kind, device: str, at_s: float = 60, **more: Any) -> None:
        """Take what the stream says; without a site nothing waits for others to join."""
        told = said(self.tenant, kind, device, at_s, **{"site": ""} | more)
        told = told._replace(evidence={"metric": "temperature_c", "value": "96.4", "limit": "90"})
        with connect(self.config) as connection:
            Lifecycle(connection, RuleBook(connection), at()).take([told])

    def notifications(self, *columns: str) -> list[Any]:
        """Return columns of the tenant's notifications in the order in which they were made."""
        found = rows(
            self.config, "SELECT * FROM notification WHERE tenant = %s ORDER BY notification_id", self.tenant
        )
        return [tuple(row[name] for name in columns) if columns[1:] else row[columns[0]] for row in found]

    def attempts(self) -> list[tuple[int, str]]:
        found = rows(
            self.config,
            "SELECT a.attempt, a.outcome FROM notification_attempt AS a "
            "JOIN notification AS n USING (notification_id) "
            "WHERE n.tenant = %s ORDER BY notification_id, attempt",
            self.tenant,
        )
        return [(row["attempt"], row["outcome"]) for row in found]

    @contextmanager
    def notifier(self) -> Iterator["Notifier"]:
        """Run a notifier in this process."""
        with ThreadPoolExecutor(64) as threads, connect(self.config) as connection:
            connection.autocommit = True
            yield Notifier(
                connection,
                Postman(Options("https://plant.example", NO_BROKER), self.seal),
                threads,
                self.clock,
            )


class Notifier:
    """The notifier's loop, a pass at a time."""

    def __init__(
        self, connection: Connection, postman: Postman, threads: ThreadPoolExecutor, clock: Callable[[], int]
    ) -> None:
        self.connection = connection
        self.events: SimpleQueue[Delivered | None] = SimpleQueue()
        self.work = Dispatcher(postman.deliver, threads, self.events, clock)

    def begin(self) -> int:
        """Begin what is due, and wait for nothing."""
        return self.work.send_due(self.connection)

    def collect(self, at_most_s: float = 0.2) -> None:
        """Take what has ended, waiting a little, and write it down."""
        try:
            self.work.take(self.events.get(timeout=at_most_s))
            while True:
                self.work.take(self.events.get_nowait())
        except Empty:
            pass
        self.work.write_down(self.connection)

    def is_settled(self) -> bool:
        """Collect, and tell whether nothing is on its way any more."""
        self.collect()
        return self.work.is_idle

    def run(self, at_most_s: float = 20.0) -> None:
        """Deliver until nothing is due or on its way."""
        until_s = time.monotonic() + at_most_s
        while self.begin() or not self.work.is_idle:
            self.collect()
            assert time.monotonic() < until_s, "deliveries did not end"


@contextmanager
def running(home: Path, names: Sequence[str] = ("postgres",)) -> Iterator[Settings]:
    """Start services in a folder, ready for use; end them at the end."""
    with own_services(home, "notices", *names) as config:
        yield config
