"""Asks the lake's buckets and its REST catalog, where the settings name such."""

from collections.abc import Callable

from millrace.bucket.access import buckets
from millrace.bucket.reach import require_buckets, require_catalog
from millrace.doctor.finding import Finding
from millrace.errors import MillraceError
from millrace.settings import Settings


def look(settings: Settings) -> list[Finding]:
    """Return a finding for each that is asked for; none when the lake is on this machine."""
    found = []
    if buckets(settings):
        named = f"{', '.join(buckets(settings))} open"
        found.append(_finding("buckets", named, lambda: require_buckets(settings)))
    if settings.lake.rest_catalog:
        named = f"{settings.lake.rest_catalog} answers"
        found.append(_finding("REST catalog", named, lambda: require_catalog(settings)))
    return found


def _finding(name: str, good: str, require: Callable[[], None]) -> Finding:
    try:
        require()
    except MillraceError as error:
        return Finding(name=name, ok=False, found=f"{error.what} ({error.where})", mend=error.mend)
    return Finding(name=name, ok=True, found=good)
