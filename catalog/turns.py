"""Who may write corrections: one corrector at a time, and it takes turns with whoever recomputes."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from catalog.locks import OnlyOne, release_lock, take_lock
from millrace.errors import MillraceError
from millrace.settings import Settings

_TURN: Final = "corrections"
_LOOK_EVERY_S: Final = 0.5
Check = Callable[[], None]


class Alone(OnlyOne):
    """Holds the lock of the corrector from `take` on, and takes turns at writing."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "corrector")

    def take_turn(self) -> bool:
        """Try to take a turn at writing; psycopg.Error when the connection is gone."""
        return take_lock(self._connection, _TURN)

    def end_turn(self) -> None:
        """Let others write; psycopg.Error when the connection is gone."""
        release_lock(self._connection, _TURN)


@contextmanager
def own_turn(settings: Settings, patience_s: float) -> Iterator[Check]:
    """Take a turn at writing corrections, and yield what raises when it was lost.

    Waits for the corrector's pass to end; MillraceError when that takes longer than `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    with closing(OnlyOne(settings, _TURN)) as turn:
        while not turn.take():
            if time.monotonic() >= deadline:
                raise MillraceError(
                    f"somebody else wrote corrections for {patience_s:.0f} s",
                    where="corrector",
                    mend="Try again later; `millrace corrections` says what it works on.",
                )
            time.sleep(_LOOK_EVERY_S)
        yield turn.check
