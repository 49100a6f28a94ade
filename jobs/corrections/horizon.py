"""How far a job's results are final: published by Flink, so that a correction can only come after them.

A watermark says what a job has computed, not what it has committed: results become visible with a
checkpoint. So a watermark counts only once a checkpoint that began after it was seen has been completed
and committed. Checkpoints are compared by number, never by anybody's clock.

A job that starts again has no watermark at first, though its windows remember theirs: readings may then
pass for on time that the windows refuse. So readings are suspect up to the watermark it had before.
"""

from typing import Final, NamedTuple

NEVER_MS: Final = -1
MOST_CANDIDATES: Final = 32
SLACK_MS: Final = 60_000
_LOOKS: Final = 3


class JobView(NamedTuple):
    """What one look at a job and its tables says.

    `incarnation` changes whenever the job starts again from a checkpoint. `newest_id` is the newest
    checkpoint begun, `completed_id` the newest completed, `committed_id` the newest that every table of
    the job carries (-1 = none).
    """

    incarnation: str
    watermark_ms: int
    newest_id: int
    completed_id: int
    committed_id: int


class _Candidate(NamedTuple):
    watermark_ms: int
    after_id: int
    done_id: int | None = None
    begun_id: int = 0


class Horizon:
    """Event time (ms) up to which one job's results are final; it never goes back.

    `suspect_ms` is up to which event time readings may be late without being marked so; `highest_ms` is
    the highest watermark ever seen.
    """

    def __init__(self, final_ms: int = NEVER_MS, highest_ms: int = NEVER_MS) -> None:
        self.final_ms = final_ms
        self.highest_ms = highest_ms
        # The job may have started again while nobody looked.
        self.suspect_ms = NEVER_MS if highest_ms == NEVER_MS else highest_ms + SLACK_MS
        self._looks_left = 0
        self._incarnation = ""
        self._candidates: list[_Candidate] = []

    def see(self, view: JobView) -> int:
        """Take a look into account and return how far results are final now."""
        if view.incarnation != self._incarnation:
            # What was computed but not committed is computed again.
            self._looks_left = _LOOKS if self._incarnation else 0
            self._incarnation, self._candidates = view.incarnation, []
        self._suspect(view.watermark_ms)
        self._candidates = [_moved(candidate, view) for candidate in self._candidates]
        final = [one for one in self._candidates if _is_final(one, view)]
        self.final_ms = max([self.final_ms, *(one.watermark_ms for one in final)])
        waiting = [one for one in self._candidates if one.watermark_ms > self.final_ms]
        if view.watermark_ms > max([self.final_ms, *(one.watermark_ms for one in waiting)]):
            waiting.append(_Candidate(view.watermark_ms, view.newest_id))
        self._candidates = waiting[:MOST_CANDIDATES]
        return self.final_ms

    def _suspect(self, watermark_ms: int) -> None:
        if self._looks_left:
            self.suspect_ms = max(self.suspect_ms, self.highest_ms + SLACK_MS, watermark_ms)
            self._looks_left -= watermark_ms > NEVER_MS
        self.highest_ms = max(self.highest_ms, watermark_ms)


def _moved(candidate: _Candidate, view: JobView) -> _Candidate:
    if candidate.done_id is None and view.completed_id > candidate.after_id:
        return candidate._replace(done_id=view.completed_id, begun_id=view.newest_id)
    return candidate


def _is_final(candidate: _Candidate, view: JobView) -> bool:
    if candidate.done_id is None:
        return False
    # A checkpoint without rows commits nothing; the next one completes only after that was decided.
    return view.committed_id >= candidate.done_id or view.completed_id > candidate.begun_id
