"""A plant whose alerts the tests raise: the keeper's work on it, people's, and what was told."""

import itertools
from typing import Any

from catalog.alert_desk import AlertDesk
from catalog.alert_transitions import Kind, Lifecycle, Transition
from catalog.migrations import connect
from catalog.outbox import RuleBook
from catalog.rule_store import Change, Entry, RuleStore
from millrace.settings import Settings
from tests.integration.alert_services import alert_id, at, rows, rule, said

_numbers = itertools.count(1)


class Plant:
    """A tenant of one test, with a rule, and the keeper and people at work on its alerts."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.tenant = f"plant-{next(_numbers)}"
        self.connection = connect(config)
        self.connection.autocommit = True
        self.desk = AlertDesk(self.connection, self.tenant)
        self.rules = RuleStore(self.connection, self.tenant)
        self.put()

    def put(self, name: str = "too-hot", state: Any = "enabled", second: float = 0, **fields: Any) -> int:
        entry = Entry(name, state, rule(name, **fields))
        self.rules.import_rules([entry], Change("test", at(second)))
        return self.rules.versions(name)[0].version

    def says(self, kind: Kind, device: str = "pump-1", at_s: float = 60, **more: Any) -> Transition:
        return said(self.tenant, kind, device, at_s, **more)

    def take(self, *transitions: Transition, second: float = 100) -> None:
        with self.connection.transaction():
            self._life(second).take(transitions)

    def wait(self, second: float) -> tuple[int, int]:
        with self.connection.transaction():
            return self._life(second).escalate(), self._life(second).close_out_of_force()

    def _life(self, second: float) -> Lifecycle:
        return Lifecycle(self.connection, RuleBook(self.connection), at(second))

    def id(self, device: str = "pump-1", onset_s: float = 0) -> str:
        return alert_id(f"{self.tenant}/{device}", onset_s)

    def state(self, device: str = "pump-1") -> str:
        return str(self.desk.alert(self.id(device))["state"])

    def told(self) -> list[tuple[str, str, int]]:
        """Return (reason, channel, number of alerts) of each message, in the order they were made."""
        found = self.messages()
        return [(row["reason"], row["channel"], row["payload"]["count"]) for row in found]

    def messages(self) -> list[dict[str, Any]]:
        return rows(
            self.config,
            "SELECT notification_id, reason, channel, state, alert_id, payload, next_attempt_at "
            "FROM notification WHERE tenant = %s ORDER BY notification_id",
            self.tenant,
        )

    def send(self, second: float = 150) -> None:
        """Send what is due, as the notifier does."""
        rows(
            self.config,
            "UPDATE notification SET state = 'sent', attempts = 1, sent_at = %s "
            "WHERE tenant = %s AND state = 'pending' AND next_attempt_at <= %s",
            at(second),
            self.tenant,
            at(second),
        )
