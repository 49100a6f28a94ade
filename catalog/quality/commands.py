"""Commands about data quality: `millrace quality`."""

import json
from typing import Annotated

import typer

from catalog.quality.finding import Finding
from millrace.clock import from_iso, now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

app = typer.Typer()


@app.command()
def quality(
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    day: Annotated[str | None, typer.Option(help="Day to look at, as 2026-01-31; default: today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a day of the tables now, without recording it; exit 1 when a check fails."""
    from catalog.quality.day_rows import day_of

    now = now_ms()
    findings = _found(settings(), table, day_of(now) if day is None else day_ms(day), now)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in findings], default=str))
    else:
        from catalog.quality.show import show

        show(findings)
    raise typer.Exit(0 if all(one.passed for one in findings) else 1)


def day_ms(text: str) -> int:
    """Return when a day begins, UTC epoch milliseconds; MillraceError when the text names none."""
    try:
        found = from_iso(text)
    except ValueError:
        found = -1
    if found < 0 or found % 86_400_000:
        raise MillraceError(f"{text!r} is no day", where="--day", mend="Say it as 2026-01-31.")
    return found


def _found(config: Settings, table: str | None, from_ms: int, now: int) -> list[Finding]:
    from catalog.quality.day_rows import Span
    from catalog.quality.run import look_at
    from catalog.quality.stack import bench_of
    from catalog.quality.suite import suites_of

    wanted = suites_of(table)
    with bench_of(config) as bench:
        looks = [look_at(bench, suite, Span(from_ms, now)) for suite in wanted]
    return [finding for look in looks if look is not None for finding in look.findings]
