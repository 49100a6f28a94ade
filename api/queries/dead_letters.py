"""`GET /dead-letters`: what the gateway refused, from the lake, with what became of it, from PostgreSQL.

The lake's libraries are loaded when they are first needed: they would triple the memory of an API nobody asks
for dead letters.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from api.dead_letter_answers import (
    DeadLetterDetail,
    DeadLetterEntry,
    DeadLetterPage,
    DeadLetterSummary,
    LastReplay,
    Original,
    ReasonCount,
)
from api.problems import ProblemError, WrongParameterError
from api.queries.dead_letter_reasons import advise
from api.queries.timerange import Span
from catalog.dead_letter_replays import Replay, Replays
from catalog.dead_letter_rows import PREVIEW_BYTES, DeadLetter, Place, Selection
from catalog.migrations import connect
from millrace.clock import to_iso
from millrace.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class Asked(NamedTuple):
    """A filter as a caller gives it; None means any."""

    reason: str | None = None
    device: str | None = None
    source: str | None = None


class Desk:
    """Where dead letters and their replays are looked up; opened when it is first asked, then kept."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self._lake: Catalog | None = None

    def table(self, name: str = "dead_letters") -> "Table":
        """Return an Iceberg table as it is now; raise ProblemError (503) while the lake is away."""
        from catalog.lake import NAMESPACE, load_lake

        with _lake_answers():
            self._lake = self._lake or load_lake(self.config)
            return self._lake.load_table((NAMESPACE, name))

    @contextmanager
    def replays(self) -> Iterator[Replays]:
        """Open the record of replays; ProblemError (503) while PostgreSQL is away."""
        try:
            with connect(self.config) as connection:
                yield Replays(connection)
        except psycopg.OperationalError as error:
            raise _away("postgres", "PostgreSQL, which holds the record of replays", error) from None

    def selection(self, tenant: str, asked: Asked, span: Span) -> Selection:
        """Return what to look for; letters without a tenant are shown with the stack's own."""
        nobodys = tenant == self.config.tenant
        return Selection(tenant, nobodys, *span, asked.reason, asked.device, asked.source)

    def letters(self, tenant: str, ids: Iterable[str]) -> dict[str, DeadLetter]:
        """Return the letters of these ids that the tenant may see, whole, by id."""
        from catalog.dead_letters import load

        places = [_place_of(dead_letter_id) for dead_letter_id in ids]
        with _lake_answers():
            found = load(self.table(), places)
        seen = {tenant, None} if tenant == self.config.tenant else {tenant}
        return {letter.dead_letter_id: letter for letter in found if letter.tenant in seen}

    def page(self, wanted: Selection, limit: int, cursor: str | None) -> tuple[list[DeadLetter], str | None]:
        """Return a page of letters without their whole bodies, and the cursor of the next."""
        from catalog.dead_letters import newest

        after = decode_cursor(cursor) if cursor else None
        with _lake_answers():
            found = newest(self.table(), wanted, limit + 1, after)
        page = found[:limit]
        return page, encode_cursor(page[-1].place) if len(found) > limit else None


@contextmanager
def _lake_answers() -> Iterator[None]:
    from pyiceberg.exceptions import NoSuchTableError

    from catalog.lake import LAKE_AWAY

    try:
        yield
    except (*LAKE_AWAY, NoSuchTableError) as error:
        raise _away("lake", "The lake, which holds the dead letters", error) from None


def _away(where: str, what: str, error: Exception) -> ProblemError:
    return ProblemError(
        503,
        "store-unavailable",
        f"{what}, cannot answer now ({type(error).__name__}).",
        where=where,
        mend="Try again in a moment; `millrace status` and GET /health show what is down.",
    )


def _place_of(dead_letter_id: str) -> tuple[int, int]:
    partition, offset = dead_letter_id.split("-")
    return int(partition), int(offset)


def encode_cursor(place: Place) -> str:
    """Return the cursor of the page that follows this place."""
    plain = ":".join(map(str, place)).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def decode_cursor(cursor: str) -> Place:
    """Read a cursor; raise WrongParameterError when it is none of ours."""
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        time_ms, partition, offset = map(int, plain.decode().split(":"))
        to_iso(time_ms)
        return Place(time_ms, partition, offset)
    except (binascii.Error, ValueError, OverflowError):
        raise WrongParameterError(
            "cursor", "the cursor is none that this API gave", accepted="`next_cursor` of an earlier answer"
        ) from None


def list_letters(desk: Desk, wanted: Selection, limit: int, cursor: str | None) -> DeadLetterPage:
    """Return one page of dead letters, newest first."""
    page, next_cursor = desk.page(wanted, limit, cursor)
    with desk.replays() as replays:
        known = replays.known(letter.dead_letter_id for letter in page) if page else {}
    entries = [_entry(letter, known.get(letter.dead_letter_id)) for letter in page]
    return DeadLetterPage(tenant=wanted.tenant, dead_letters=entries, next_cursor=next_cursor)


def show_letter(desk: Desk, tenant: str, dead_letter_id: str) -> DeadLetterDetail:
    """Return one dead letter, whole; raise ProblemError (404) when there is none."""
    letter = find_letter(desk, tenant, dead_letter_id)
    with desk.replays() as replays:
        known = replays.known([dead_letter_id]).get(dead_letter_id)
    advice = advise(letter.reason)
    return DeadLetterDetail(
        **dict(_entry(letter, known)),
        meaning=advice.meaning,
        mend=advice.mend,
        original=_original(letter.original),
    )


def find_letter(desk: Desk, tenant: str, dead_letter_id: str) -> DeadLetter:
    """Return one dead letter; raise ProblemError (404) when the tenant has none of that id."""
    letter = desk.letters(tenant, [dead_letter_id]).get(dead_letter_id)
    if letter is None:
        raise ProblemError(
            404,
            "unknown-dead-letter",
            f"Tenant {tenant!r} has no dead letter {dead_letter_id!r}.",
            where="dead_letter_id",
            mend="GET /dead-letters lists them; a new one is there within a checkpoint (10 s).",
        )
    return letter


def summarize(desk: Desk, wanted: Selection) -> DeadLetterSummary:
    """Count the letters of a range by reason and source."""
    from catalog.dead_letters import summary

    with _lake_answers():
        found = summary(desk.table(), wanted)
    counts = [
        ReasonCount(reason=c.reason, source=c.source, count=c.letters, **advise(c.reason)._asdict())
        for c in found
    ]
    return DeadLetterSummary.model_validate(
        {
            "tenant": wanted.tenant,
            "from": to_iso(wanted.from_ms),
            "from_ms": wanted.from_ms,
            "to": to_iso(wanted.to_ms),
            "to_ms": wanted.to_ms,
            "total": sum(c.letters for c in found),
            "counts": counts,
        }
    )


def _entry(letter: DeadLetter, known: Replay | None) -> DeadLetterEntry:
    return DeadLetterEntry(
        dead_letter_id=letter.dead_letter_id,
        reason=letter.reason,
        detail=letter.detail,
        tenant=letter.tenant,
        device_id=letter.device_id,
        address=letter.address,
        received_at=to_iso(letter.received_at_ms),
        received_at_ms=letter.received_at_ms,
        source=letter.source,
        size_bytes=letter.size_bytes,
        preview=letter.original[:PREVIEW_BYTES].decode(errors="replace"),
        replay=_last_replay(known) if known else None,
    )


def _last_replay(known: Replay) -> LastReplay:
    time_ms = known.sent_at_ms if known.answered_at_ms is None else known.answered_at_ms
    return LastReplay(
        state=known.state, time=to_iso(time_ms), time_ms=time_ms, reason=known.reason, detail=known.detail
    )


def _original(original: bytes) -> Original:
    try:
        return Original(text=original.decode(), base64=None)
    except UnicodeDecodeError:
        return Original(text=None, base64=base64.b64encode(original).decode())
