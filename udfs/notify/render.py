"""A notice as plain text and as HTML."""

from html import escape
from typing import Final

from millrace.phrases import counted
from udfs.notify.wording import Entry, Words

COLOURS: Final = {"info": "#1f6feb", "warning": "#9a6700", "critical": "#b42318"}
_OVER_COLOUR: Final = "#1a7f37"
_CELL: Final = "padding:8px 12px 8px 0;vertical-align:top;border-top:1px solid #d0d7de"


def text(said: Words) -> str:
    """Return the notice as plain text; it says all that the HTML says."""
    lines = [said.title, "", said.lead, ""]
    for entry in said.entries:
        lines += [
            f"{entry.device} ({entry.severity}): {entry.what}",
            f"  {entry.times}",
            f"  Alert: {entry.alert_url}",
            f"  Data:  {entry.data_url}",
            "",
        ]
    lines += [_more(said), ""] if said.more else []
    lines += [f"Where: {said.where}", f"Rule:  {said.rule}", f"All alerts of this rule: {said.list_url}"]
    return "\n".join(lines) + "\n"


def html(said: Words) -> str:
    """Return the notice as an HTML document without anything that has to be loaded."""
    rows = "".join(_row(entry) for entry in said.entries)
    more = f"<p>{escape(_more(said))}</p>" if said.more else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(said.title)}</title></head>"
        '<body style="font-family:sans-serif;font-size:15px;line-height:1.45;color:#1f2328;max-width:44em">'
        f'<h1 style="font-size:19px;color:{colour(said)}">{escape(said.title)}</h1>'
        f"<p>{escape(said.lead)}</p>"
        f'<table style="border-collapse:collapse">{rows}</table>{more}'
        f"<p>Where: {escape(said.where)}<br>Rule: {escape(said.rule)}<br>"
        f"{_link(said.list_url, 'All alerts of this rule')}</p></body></html>"
    )


def colour(said: Words) -> str:
    """Return the colour of a notice; the title says the same in words."""
    mark = said.title[1:].partition("]")[0].lower()
    return COLOURS.get(mark, _OVER_COLOUR)


def _row(entry: Entry) -> str:
    whom = f"<strong>{escape(entry.device)}</strong><br>{escape(entry.severity)}"
    links = f"{_link(entry.alert_url, 'Alert')} &middot; {_link(entry.data_url, 'Data')}"
    what = f"{escape(entry.what)}<br>{escape(entry.times)}<br>{links}"
    return f'<tr><td style="{_CELL}">{whom}</td><td style="{_CELL}">{what}</td></tr>'


def _link(url: str, name: str) -> str:
    return f'<a href="{escape(url)}">{escape(name)}</a>'


def _more(said: Words) -> str:
    return f"And {counted(said.more, 'more alert')}."
