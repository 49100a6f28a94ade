"""A notice as a title and lines; what text, HTML and chat messages are made of."""

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from millrace.clock import to_iso
from udfs.notify.notice import Notice, NoticeAlert
from udfs.notify.quantities import duration, moment
from udfs.notify.sentences import metric_of, sentence

_AROUND_MS: Final = 900_000


class Entry(NamedTuple):
    """One alert of a notice in words; `times` says since when, and until when if it is over."""

    device: str
    severity: str
    what: str
    times: str
    alert_url: str
    data_url: str


class Words(NamedTuple):
    """A notice in words; `more` counts the alerts that are not among the entries."""

    title: str
    lead: str
    where: str
    rule: str
    entries: tuple[Entry, ...]
    more: int
    list_url: str


def words(notice: Notice, link_root: str) -> Words:
    """Put a notice into words; links lead below `link_root`."""
    return Words(
        title=_title(notice),
        lead=_lead(notice),
        where=f"site {_line(notice.site)}, tenant {notice.tenant}"
        if notice.site
        else f"tenant {notice.tenant}",
        rule=notice.rule + (f", version {notice.rule_version}" if notice.rule_version else ""),
        entries=tuple(_entries(notice, link_root)),
        more=max(0, notice.count - len(notice.alerts)),
        list_url=f"{link_root}/alerts?{urlencode({'tenant': notice.tenant, 'rule': notice.rule})}",
    )


def _line(text: str) -> str:
    # A title is one line wherever it goes; in a mail's header a second one would be a header of its own.
    return " ".join(text.split())


def _title(notice: Notice) -> str:
    mark = {"cleared": "over", "test": "test"}.get(notice.reason, notice.severity).upper()
    devices = len({alert.device_id for alert in notice.alerts})
    whom = notice.alerts[0].device_id if notice.count == 1 else f"{max(notice.count, devices)} alerts"
    at = f" at {_line(notice.site)}" if notice.site else ""
    return f"[{mark}] {_line(notice.about) or notice.rule}: {_line(whom)}{at}"


def _lead(notice: Notice) -> str:
    match notice.reason:
        case "escalated":
            return f"The severity rose to {notice.severity}."
        case "unacknowledged":
            waited = f" for {duration(notice.escalate_after_s)}" if notice.escalate_after_s else ""
            return f"Nobody acknowledged this{waited}."
        case "cleared":
            return _end(notice)
        case "test":
            return "A test of this channel: it works when you read this. Nothing is wrong."
        case "raised":
            what = "an alert was" if notice.count == 1 else f"{notice.count} alerts were"
            return f"{notice.severity.capitalize()}: {what} raised."


def _end(notice: Notice) -> str:
    if all(alert.state == "withdrawn" for alert in notice.alerts):
        return "Taken back: a reading that came out of order shows that it never was so."
    return "This is over."


def _entries(notice: Notice, link_root: str) -> Iterator[Entry]:
    for alert in notice.alerts:
        yield Entry(
            device=_line(alert.device_id),
            severity=alert.severity,
            what=sentence(notice.when, alert.evidence),
            times=_times(alert),
            alert_url=f"{link_root}/alerts/{quote(alert.alert_id)}?{urlencode({'tenant': notice.tenant})}",
            data_url=_data_url(notice, alert, link_root),
        )


def _times(alert: NoticeAlert) -> str:
    since = f"since {moment(alert.onset_ms)}"
    if alert.state == "withdrawn":
        return f"{since}, taken back"
    if alert.cleared_ms is not None:
        lasted = duration((alert.cleared_ms - alert.onset_ms) / 1000)
        return f"{since} until {moment(alert.cleared_ms)} ({lasted})"
    return f"{since}, cleared by hand or with its rule" if alert.state == "cleared" else since


def _data_url(notice: Notice, alert: NoticeAlert, link_root: str) -> str:
    metric = metric_of(notice.when, alert.evidence)
    end_ms = max(alert.at_ms, alert.cleared_ms or 0)
    asked = {
        "tenant": notice.tenant,
        **({"metric": metric} if metric else {}),
        "from": to_iso(alert.onset_ms - _AROUND_MS),
        "to": to_iso(end_ms + _AROUND_MS),
    }
    return f"{link_root}/data/{quote(alert.device_id, safe='')}?{urlencode(asked)}"
