"""`POST .../replay`: one letter or a selection of them, and what came of each."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from zoneinfo import ZoneInfo

from api.dead_letter_answers import Outcome, ReplayedReading, ReplayOutcome, ReplayReport
from api.problems import ProblemError
from api.queries.dead_letter_gateway import GatewayError, connect, open_gateway
from api.queries.dead_letter_replay import Mend, Replayer, Result
from api.queries.dead_letters import Desk, find_letter
from catalog import migrations
from catalog.dead_letter_rows import DeadLetter, Selection
from catalog.zones import zone_of_device
from millrace.clock import to_iso
from millrace.event_times import known_zone
from millrace.settings import Settings
from udfs.dead_letter_replay import Refused, ZoneOf


class Chosen(NamedTuple):
    """The letters of one run, whole, what was asked for in vain, and the cursor of the rest."""

    letters: list[DeadLetter]
    unknown_ids: list[str]
    next_cursor: str | None


def by_ids(desk: Desk, tenant: str, ids: list[str]) -> Chosen:
    """Choose letters by their ids, each once, in the order asked for."""
    wanted = list(dict.fromkeys(ids))
    found = desk.letters(tenant, wanted)
    unknown = [dead_letter_id for dead_letter_id in wanted if dead_letter_id not in found]
    return Chosen([found[i] for i in wanted if i in found], unknown, None)


def by_filter(desk: Desk, wanted: Selection, limit: int, cursor: str | None) -> Chosen:
    """Choose one page of letters, newest first."""
    page, next_cursor = desk.page(wanted, limit, cursor)
    chosen = by_ids(desk, wanted.tenant, [letter.dead_letter_id for letter in page])
    return chosen._replace(next_cursor=next_cursor)


def replay_one(
    desk: Desk, tenant: str, dead_letter_id: str, mend: Mend, dry_run: bool, clock: Callable[[], int]
) -> ReplayOutcome:
    """Replay one letter, or say what a replay would do; ProblemError (503) while the gateway is away."""
    letter = find_letter(desk, tenant, dead_letter_id)
    with _replayer(desk, clock) as replayer:
        try:
            return _replayed(replayer, letter, tenant, mend, dry_run)
        except GatewayError as error:
            raise ProblemError(
                503,
                "gateway-unavailable",
                f"The gateway gave no verdict: {error}.",
                where="gateway-http",
                mend="Send the same request again: it goes on where this one stopped, and stores once.",
            ) from None


def replay_chosen(
    desk: Desk, tenant: str, chosen: Chosen, mend: Mend, dry_run: bool, clock: Callable[[], int]
) -> ReplayReport:
    """Replay letters one after the other; ends early, saying why, when the gateway gives no verdict."""
    outcomes: list[ReplayOutcome] = []
    stopped = None
    with _replayer(desk, clock) as replayer:
        try:
            outcomes.extend(_each(replayer, chosen.letters, tenant, mend, dry_run))
        except GatewayError as error:
            stopped = str(error)
    return ReplayReport(
        dry_run=dry_run,
        counts=dict(Counter(outcome.outcome for outcome in outcomes)),
        outcomes=outcomes,
        unknown_ids=chosen.unknown_ids,
        stopped=stopped,
        next_cursor=None if stopped else chosen.next_cursor,
    )


def _zones(config: Settings) -> ZoneOf:
    stack_zone = known_zone(config.timezone) if config.timezone else None

    def zone_of(tenant: str, device_id: str) -> ZoneInfo | None:
        with migrations.connect(config) as connection:
            return zone_of_device(connection, tenant, device_id) or stack_zone

    return zone_of


@contextmanager
def _replayer(desk: Desk, clock: Callable[[], int]) -> Iterator[Replayer]:
    with connect(desk.config) as web, desk.replays() as replays:
        gateway = open_gateway(web, desk.config)
        yield Replayer(gateway, replays, lambda: desk.table("readings"), clock, _zones(desk.config))


def _each(
    replayer: Replayer, letters: Iterable[DeadLetter], tenant: str, mend: Mend, dry_run: bool
) -> Iterator[ReplayOutcome]:
    for letter in letters:
        yield _replayed(replayer, letter, tenant, mend, dry_run)


def _replayed(
    replayer: Replayer, letter: DeadLetter, tenant: str, mend: Mend, dry_run: bool
) -> ReplayOutcome:
    refused = Refused(
        dead_letter_id=letter.dead_letter_id,
        reason=letter.reason,
        tenant=letter.tenant or tenant,
        device_id=letter.device_id,
        received_at_ms=letter.received_at_ms,
        original=letter.original,
    )
    return _outcome(replayer.judge(refused, mend) if dry_run else replayer.replay(refused, mend), dry_run)


def _outcome(result: Result, dry_run: bool) -> ReplayOutcome:
    replay = result.replay
    time_ms = None if dry_run and not result.repeated else replay.answered_at_ms
    return ReplayOutcome(
        dead_letter_id=replay.dead_letter_id,
        outcome=_word(result, dry_run),
        repeated=result.repeated,
        time=None if time_ms is None else to_iso(time_ms),
        time_ms=time_ms,
        reason=replay.reason,
        detail=replay.detail,
        readings=[_reading(identity) for identity in replay.readings],
        sent=replay.payload.decode() or None,
    )


def _word(result: Result, dry_run: bool) -> Outcome:
    if not dry_run or result.repeated:
        return result.replay.state
    return "would_be_accepted" if result.replay.state == "accepted" else "would_be_refused"


def _reading(identity: str) -> ReplayedReading:
    _, device_id, event_id = identity.split("/", 2)
    return ReplayedReading(device_id=device_id, event_id=event_id)
