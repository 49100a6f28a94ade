"""Why there is an alert: the rule, the readings, what else was unusual, and what happened before."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from urllib.parse import quote, urlencode

from psycopg import Connection

from api import explanation_answers as answers
from api.queries.alerts import answer as alert_answer
from api.queries.explained_past import AFTER_MS, Onset, Past, look_back
from api.queries.registry_access import open_database
from catalog.alert_desk import AlertDesk
from catalog.outbox import Row
from catalog.registry_store import Registry
from catalog.similar_alerts import similar_alerts
from millrace.clock import to_iso
from millrace.settings import Settings
from udfs.explain import Departure
from udfs.explain_words import (
    Ending,
    condition_on,
    device_said,
    ended,
    neighbours_said,
    past_said,
    what_happened,
)
from udfs.notify.sentences import metric_of

if TYPE_CHECKING:
    from catalog.reading_window import Commit

MOST_NEIGHBOURS: Final = 20
MOST_SIMILAR: Final = 10
MOST_METRICS: Final = 10


class Known(NamedTuple):
    """What PostgreSQL says of an alert; of the `others` of its site it names some as neighbours."""

    alert: Row
    definition: dict[str, Any] | None
    neighbours: list[str]
    others: int
    similar: list[Row]


def explain(config: Settings, tenant: str, alert_id: str, snapshot_id: int | None) -> answers.Explanation:
    """Explain an alert by what the lake holds at a snapshot, the newest by default.

    NoSuchAlertError, ProblemError (503 without PostgreSQL, 422 for a snapshot there is not).
    """
    with open_database(config) as connection:
        known = _known(connection, tenant, alert_id)
    past = look_back(config, _onset(known), snapshot_id)
    return _answer(known, past)


def _known(connection: Connection, tenant: str, alert_id: str) -> Known:
    story = AlertDesk(connection, tenant).story(alert_id)
    alert = story.alert
    neighbours, others = _neighbours(Registry(connection, tenant), alert["site"], alert["device_id"])
    return Known(alert, story.definition, neighbours, others, similar_alerts(connection, alert, MOST_SIMILAR))


def _neighbours(registry: Registry, site: str, device_id: str) -> tuple[list[str], int]:
    found = registry.get("site", site) if site else None
    if found is None:
        return [], 0
    listed = [row["device_id"] for row in registry.devices(site=site, limit=MOST_NEIGHBOURS + 1)]
    own = registry.get("device", device_id)
    itself = own is not None and own["site"] == site
    others = [name for name in listed if name != device_id]
    return others[:MOST_NEIGHBOURS], found["devices"] - itself


def _onset(known: Known) -> Onset:
    alert = known.alert
    return Onset(
        alert["tenant"],
        alert["device_id"],
        alert["onset_ms"],
        alert["cleared_ms"],
        _ms(alert["raised_at"]),
        known.neighbours,
        metric_of(condition_on(known.definition, alert["device_id"]), alert["evidence"]),
    )


def _answer(known: Known, past: Past) -> answers.Explanation:
    alert = known.alert
    what = what_happened(known.definition, alert["device_id"], alert["evidence"])
    return answers.Explanation(
        alert=alert_answer(alert),
        what=what,
        summary=list(_summary(known, past, what)),
        definition=known.definition,
        readings=_readings(past),
        departures=_departures(past),
        neighbours=_nearby(known, past),
        similar=[_similar(row) for row in known.similar],
        data=_data(known, past),
        notices=[*past.notices, *_notices(known, past)],
    )


def _summary(known: Known, past: Past, what: str) -> Iterator[str]:
    alert = known.alert
    yield f"{what}."
    judged = [one for _, one in past.nearby if one]
    departing = [device_id for device_id, one in past.nearby if one and one.remarkable]
    said = (
        device_said(past.departures, _before_s(past) // 3_600),
        neighbours_said(alert["site"], past.metric or "", len(judged), departing),
        past_said(alert["device_id"], [(row["device_id"], _ending(row)) for row in known.similar]),
    )
    yield from filter(None, said)


def _notices(known: Known, past: Past) -> Iterator[str]:
    site = known.alert["site"]
    if known.definition is None:
        yield "The rule as it was is not stored."
    if not site:
        yield "The device has no site, so there are no neighbours to compare it with."
    elif not known.neighbours:
        yield f"No other device is registered at {site}."
    elif past.metric is None:
        yield "The alert is about no metric, so neighbours are not compared in one."
    if past.then is None:
        yield "Which state the data was in when the alert was raised is not known, or not kept any longer."


def _readings(past: Past) -> answers.Readings | None:
    if past.commit is None:
        return None
    return answers.Readings(
        tier="history",
        commit=_commit(past.commit),
        from_ms=past.compared.from_ms,
        to_ms=past.to_ms,
        readings=[
            answers.ExplainedReading(time=to_iso(one.time_ms), **one._asdict()) for one in past.readings
        ],
        left_out=past.left_out,
        **_span(past.compared.from_ms, past.to_ms),
    )


def _span(from_ms: int, to_ms: int) -> dict[str, Any]:
    return {"from": to_iso(from_ms), "to": to_iso(to_ms)}


def _commit(found: "Commit") -> answers.Commit:
    return answers.Commit(
        snapshot_id=str(found.snapshot_id),
        committed=to_iso(found.committed_ms),
        committed_ms=found.committed_ms,
    )


def _departures(past: Past) -> answers.Departures | None:
    if not past.departures:
        return None
    shown = [_departure(one) for one in past.departures[:MOST_METRICS]]
    return answers.Departures(before_s=_before_s(past), metrics=shown)


def _before_s(past: Past) -> int:
    return (past.compared.onset_ms - past.compared.from_ms) // 1000


def _departure(one: Departure) -> answers.Departure:
    z = round(one.z, 3) if abs(one.z) < float("inf") else None
    return answers.Departure(**one._asdict() | {"z": z}, remarkable=one.remarkable)


def _nearby(known: Known, past: Past) -> answers.Neighbours | None:
    if past.metric is None or not past.nearby:
        return None
    devices = [
        answers.Neighbour(device_id=device_id, departure=_departure(one) if one else None)
        for device_id, one in past.nearby
    ]
    return answers.Neighbours(
        site=known.alert["site"],
        metric=past.metric,
        devices=devices,
        departing=[one.device_id for one in devices if one.departure and one.departure.remarkable],
        left_out=max(0, known.others - len(devices)),
    )


def _similar(row: Row) -> answers.SimilarAlert:
    ending = _ending(row)
    reaction = row["acknowledged_at"] - row["raised_at"] if row["acknowledged_at"] else None
    kept = ("alert_id", "device_id", "severity", "state", "shadow", "onset_ms", "acknowledged_by")
    return answers.SimilarAlert(
        **{name: row[name] for name in kept},
        onset=to_iso(row["onset_ms"]),
        ended=ended(ending),
        closed_cause=cast('Literal["stream", "rule", "person"] | None', ending.cause),
        closed_by=ending.by,
        lasted_s=ending.lasted_s,
        acknowledged_after_s=reaction.total_seconds() if reaction else None,
        last_comment=row["last_comment"],
    )


def _ending(row: Row) -> Ending:
    lasted_s: float | None = None
    if row["closed_cause"] == "stream" and row["cleared_ms"] is not None:
        lasted_s = (row["cleared_ms"] - row["onset_ms"]) / 1000
    elif row["closed_at"] is not None:
        lasted_s = (row["closed_at"] - row["raised_at"]).total_seconds()
    return Ending(row["closed_cause"], row["closed_by"], lasted_s)


def _data(known: Known, past: Past) -> answers.DataThen:
    alert = known.alert
    asked = {"tenant": alert["tenant"], **({"metric": past.metric} if past.metric else {})}
    span = _span(past.compared.from_ms, alert["onset_ms"] + AFTER_MS)
    device = quote(alert["device_id"], safe="")
    then = past.then
    at_then = {"tenant": alert["tenant"], "snapshot": str(then.snapshot_id)} if then else {}
    return answers.DataThen(
        commit=_commit(then) if then else None,
        device_id=alert["device_id"],
        metric=past.metric,
        explanation_path=f"/alerts/{alert['alert_id']}/explanation?{urlencode(at_then)}" if then else None,
        series_path=f"/data/{device}?{urlencode(asked | span)}",
        **span,
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
