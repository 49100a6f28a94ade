"""Data Docs: the library's own pages of what it judged, made to be read without a way out of the plant."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from catalog.quality.finding import Finding
from catalog.quality.judge import Judged
from catalog.quality.run import Look
from catalog.quality.show import day_text
from catalog.quality.suite import suites
from millrace.clock import to_iso
from millrace.phrases import counted

# Below the folder of a stack.
FOLDER: Final = "quality"
INDEX: Final = "index.html"
_STYLE: Final = Path(__file__).parent / "pages.css"
# Scripts, styles and pictures of other hosts, and what only such scripts would bring to life.
_ELSEWHERE: Final = re.compile(
    r"<script\b[^>]*>.*?</script>|<link\b[^>]*\bhref=[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>",
    re.DOTALL | re.IGNORECASE,
)
_ABROAD: Final = re.compile(r"""\b(href|src)=(["'])(?:https?:)?//[^"']*\2""", re.IGNORECASE)
# Of the library's own site, of which there are no other pages here: they lie in folders of days.
_SITE: Final = re.compile(r"""\bhref=(["'])(?:\.\./)+[^"']*\1""", re.IGNORECASE)
_PICTURE: Final = re.compile(r"""\burl\((["']?)(?:https?:)?//[^)]*\)""", re.IGNORECASE)
_DAY: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_MOST_DAYS: Final = 31


def write_pages(folder: Path, looks: Sequence[Look], newest: Sequence[Finding]) -> None:
    """Write a page for each view that was judged, and an index of the newest findings.

    Pages of the newest 31 days stay; each page is replaced whole.
    """
    for look in looks:
        for view, judged in look.judged.items():
            title = f"{look.suite.name}.{view}"
            place = folder / day_text(look.span.from_ms) / f"{title}.html"
            _replace(place, page(judged, look.suite.table, day_text(look.span.from_ms), look.span.now_ms))
    _forget(folder)
    _replace(folder / INDEX, index(newest, folder))


def page(judged: Judged, table: str, day: str, now_ms: int) -> str:
    """Return the page of one judged view of a table."""
    from great_expectations.core import RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    run = RunIdentifier(run_name=day, run_time=datetime.fromtimestamp(now_ms / 1000, UTC))
    judged.result.meta |= {"run_id": run, "batch_spec": {"data_asset_name": f"iot.{table}"}}
    renderer: Any = ValidationResultsPageRenderer(run_info_at_end=True)
    view: Any = DefaultJinjaPageView()
    return at_home(view.render(renderer.render(judged.result)))


def at_home(html: str) -> str:
    """Return a page that asks no other host for anything, with a style of our own."""
    own = _PICTURE.sub("none", _ABROAD.sub(r"\1=\2#\2", _ELSEWHERE.sub("", html)))
    own = _SITE.sub(f'href="../{INDEX}"', own)
    return own.replace("</head>", f"<style>{_STYLE.read_text()}</style></head>", 1)


def index(newest: Sequence[Finding], folder: Path) -> str:
    """Return the page that leads to the others: what failed comes first, then the newest day."""
    rows = "".join(_index_row(one, folder) for one in sorted(newest, key=_weight))
    wrong = sum(not one.passed for one in newest)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><title>Data quality</title>'
        f"<style>{_STYLE.read_text()}</style></head><body><h1>Data quality</h1>"
        f"<p>{counted(len(newest), 'check')}, {wrong} failed.</p><table><thead><tr><th>day</th><th>suite</th>"
        "<th>check</th><th></th><th>observed</th><th>expected</th><th>checked at</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></body></html>"
    )


def _weight(one: Finding) -> tuple[bool, int]:
    return (one.passed, -one.day_ms)


def page_of(one: Finding) -> str:
    """Return where the page of a finding is, below the folder of pages."""
    suite = suites().get(one.suite)
    view = next((check.view for check in suite.checks if check.check == one.check), "") if suite else ""
    return f"{day_text(one.day_ms)}/{one.suite}.{view}.html"


def _index_row(one: Finding, folder: Path) -> str:
    name, day, place = escape(one.check), day_text(one.day_ms), page_of(one)
    link = f'<a href="{place}">{name}</a>' if (folder / place).exists() else name
    sign = '<b class="passed">passed</b>' if one.passed else '<b class="failed">failed</b>'
    said = f'<td>{escape(one.observed)}</td><td class="wide">{escape(one.expected)}</td>'
    whole = "".join(f"<td>{cell}</td>" for cell in (day, one.suite, link, sign))
    return f"<tr>{whole}{said}<td>{to_iso(one.checked_at_ms)[:19]}Z</td></tr>"


def _replace(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = place.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(place)


def _forget(folder: Path) -> None:
    days = sorted(one for one in folder.iterdir() if one.is_dir() and _DAY.match(one.name))
    for old in days[:-_MOST_DAYS]:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
