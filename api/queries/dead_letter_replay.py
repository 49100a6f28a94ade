"""Replays dead letters, each once: noted in PostgreSQL before it is sent and again with the answer.

A crash in between leaves the note `pending`. The next request sends the same bytes under the same event ids
while the stream still remembers those ids, and looks for them in `iot.readings` once it may have forgotten.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from api.queries.dead_letter_gateway import Gateway, Refusal
from catalog.dead_letter_replays import Replay, Replays
from udfs.dead_letter_fixes import Fix, FixError
from udfs.dead_letter_replay import Prepared, Refused, ZoneOf, prepare, without
from udfs.duplicates import MEMORY_MS

if TYPE_CHECKING:
    from pyiceberg.table import Table

# Within this time of the first attempt a second one is certainly a duplicate to the stream.
REMEMBERED_MS = MEMORY_MS - 5 * 60_000
# The last of those attempts is in the log by then, and with the stream running in the lake.
SETTLED_MS = REMEMBERED_MS + 60_000
_CLOCKS_APART_MS = 60_000


class Mend(NamedTuple):
    """How a letter is to be mended: a corrected body instead of the original, and fixes."""

    fixes: Sequence[Fix] = ()
    body: Any = None


class Result(NamedTuple):
    """A replay as it stands now; `repeated` when this request sent nothing."""

    replay: Replay
    repeated: bool = False


class Replayer:
    """One request's replays, one after the other."""

    def __init__(
        self,
        gateway: Gateway,
        replays: Replays,
        readings: Callable[[], "Table"],
        clock: Callable[[], int],
        zone_of: ZoneOf | None = None,
    ) -> None:
        self._gateway = gateway
        self._replays = replays
        self._readings = readings
        self._clock = clock
        self._zone_of = zone_of

    def replay(self, letter: Refused, mend: Mend) -> Result:
        """Replay a letter, or say what became of it before; raise GatewayError, and the next call goes on."""
        with self._replays.alone(letter.dead_letter_id) as alone:
            known = self._replays.known([letter.dead_letter_id]).get(letter.dead_letter_id)
            if known is not None and (known.state == "accepted" or not alone):
                return Result(known, repeated=True)
            if not alone:
                waits = _draft(letter, mend, self._clock())._replace(detail="another request sends it now")
                return Result(waits, repeated=True)
            if known is not None and known.state == "pending":
                return self._resume(letter, known)
            return self._begin(letter, mend)

    def judge(self, letter: Refused, mend: Mend) -> Result:
        """Say what a replay would do, and do nothing; raise GatewayError."""
        known = self._replays.known([letter.dead_letter_id]).get(letter.dead_letter_id)
        if known is not None and known.state != "refused":
            return Result(known, repeated=True)
        judged = self._judged(letter, mend)
        return Result(judged._replace(state="accepted") if judged.state == "pending" else judged)

    def _begin(self, letter: Refused, mend: Mend) -> Result:
        judged = self._judged(letter, mend)
        self._replays.note(judged)
        return Result(judged) if judged.state == "refused" else self._send(judged)

    def _judged(self, letter: Refused, mend: Mend) -> Replay:
        """Return what to send, still pending; or refused, with the reason why it is not worth sending."""
        draft = _draft(letter, mend, self._clock())
        try:
            prepared = prepare(letter, mend.fixes, mend.body, self._zone_of)
        except FixError as error:
            return self._refused(draft, "fix_failed", str(error))
        draft = draft._replace(payload=prepared.payload)
        refusals = self._gateway.check(letter.tenant, prepared.payload)
        if refusals:
            return self._refused(draft, refusals[0].reason, _said(refusals))
        twin = self._replays.twin(letter.dead_letter_id, prepared.readings)
        if twin:
            return self._refused(draft, "already_replayed", f"dead letter {twin} carried the same event")
        return draft._replace(readings=prepared.readings)

    def _refused(self, replay: Replay, reason: str, detail: str) -> Replay:
        return replay._replace(state="refused", reason=reason, detail=detail, answered_at_ms=self._clock())

    def _send(self, replay: Replay) -> Result:
        refusals = self._gateway.send(replay.tenant, replay.payload)
        if refusals:
            answered = self._refused(replay, refusals[0].reason, _said(refusals))
        else:
            answered = replay._replace(state="accepted", answered_at_ms=self._clock())
        self._replays.note(answered)
        return Result(answered)

    def _resume(self, letter: Refused, replay: Replay) -> Result:
        from catalog.reading_lookup import newest_commit_ms, stored_readings

        if self._clock() - replay.sent_at_ms <= REMEMBERED_MS:
            return self._send(replay)
        lake = self._readings()
        stored = stored_readings(lake, replay.readings, letter.received_at_ms - _CLOCKS_APART_MS)
        if stored >= set(replay.readings):
            accepted = replay._replace(state="accepted", answered_at_ms=self._clock())
            self._replays.note(accepted)
            return Result(accepted, repeated=True)
        if newest_commit_ms(lake) < replay.sent_at_ms + SETTLED_MS:
            waits = (
                "an earlier attempt was cut off, and the stream has not stored that far yet: ask again later"
            )
            return Result(replay._replace(detail=waits), repeated=True)
        return self._send_anew(replay, stored)

    def _send_anew(self, replay: Replay, stored: set[str]) -> Result:
        left = without(Prepared(replay.payload, replay.readings), stored)
        anew = replay._replace(payload=left.payload, readings=left.readings, sent_at_ms=self._clock())
        self._replays.note(anew)
        return self._send(anew)


def _draft(letter: Refused, mend: Mend, now_ms: int) -> Replay:
    return Replay(
        dead_letter_id=letter.dead_letter_id,
        tenant=letter.tenant,
        state="pending",
        payload=b"",
        readings=(),
        fixes=[fix.model_dump(by_alias=True) for fix in mend.fixes],
        reason=None,
        detail=None,
        sent_at_ms=now_ms,
        answered_at_ms=None,
    )


def _said(refusals: list[Refusal]) -> str:
    return "; ".join(f"[{refusal.place}] {refusal.reason}: {refusal.detail}" for refusal in refusals[:5])
