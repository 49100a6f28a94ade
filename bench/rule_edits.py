"""Edits of rules through the API at a steady rate, while readings come."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx

from bench.rules_in_force import Definition
from millrace.clock import now_ms
from millrace.settings import Settings

_AT_ONCE: Final = 4
_TIMEOUT_S: Final = 30.0


class Edit(NamedTuple):
    """A rule's new version, and when it was asked for (UTC epoch milliseconds)."""

    rule: str
    version: int
    asked_ms: int


class RuleEdits:
    """Gives one rule after the other another limit, `per_s` times a second for `seconds` or until the end.

    All rules come before one comes again, so that no edit overtakes another of its rule.
    """

    def __init__(
        self,
        settings: Settings,
        rules: Sequence[Definition],
        limits: Sequence[float],
        per_s: float,
        seconds: float,
    ) -> None:
        self.made: list[Edit] = []
        self.refused: list[str] = []
        self._rules, self._limits, self._per_s, self._seconds = deepcopy(list(rules)), limits, per_s, seconds
        self._random = random.Random(5)
        self._http = httpx.Client(base_url=f"http://{settings.address('api')}", timeout=_TIMEOUT_S)
        self._tenant = settings.tenant
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        self._random.shuffle(self._rules)
        started = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for number in range(round(self._per_s * self._seconds)):
                if self._ending.wait(max(0.0, started + number / self._per_s - time.monotonic())):
                    return
                rule = self._rules[number % len(self._rules)]
                others = [limit for limit in self._limits if limit != rule["when"]["raise_above"]]
                rule["when"]["raise_above"] = self._random.choice(others)
                threads.submit(self._edit, deepcopy(rule))

    def _edit(self, rule: Definition) -> None:
        asked_ms = now_ms()
        try:
            answer = self._http.put(
                f"/rules/{rule['rule']}",
                json=rule,
                headers={"If-Match": "*"},
                params={"tenant": self._tenant},
            )
            if answer.is_error:
                self.refused.append(f"{rule['rule']}: {answer.status_code} {answer.text[:200]}")
            else:
                self.made.append(Edit(rule["rule"], answer.json()["version"], asked_ms))
        except httpx.HTTPError as error:
            self.refused.append(f"{rule['rule']}: {error!r}")
