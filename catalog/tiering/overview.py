"""What each tier holds of readings and what that costs, from metadata and from Redis itself."""

from typing import Final, NamedTuple

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from redis import Redis
from redis.exceptions import RedisError

from catalog.archive import ARCHIVE, READINGS
from millrace.secrets import load_secrets
from millrace.settings import Settings

_GB: Final = 1 << 30
_PATIENCE_S: Final = 2.0


class Tier(NamedTuple):
    """One tier; `rows` and `files` are None where there is no such thing, sizes when it does not answer.

    `stored_bytes` includes what only older snapshots hold. Cost is for a month, in the settings' currency.
    """

    tier: str
    where: str
    rows: int | None
    files: int | None
    size_bytes: int | None
    stored_bytes: int | None
    cost_month: float | None


def overview(settings: Settings, lake: Catalog) -> list[Tier]:
    """Return the tiers, hot to cold."""
    cost = settings.cost
    return [
        _hot(settings, cost.hot_gb_month),
        _of_table("warm", lake, READINGS, cost.warm_gb_month),
        _of_table("cold", lake, ARCHIVE, cost.cold_gb_month),
    ]


def _hot(settings: Settings, price: float) -> Tier:
    host, port = settings.bind_host, settings.port("redis")
    try:
        with Redis(
            host=host,
            port=port,
            password=load_secrets(settings).redis.get_secret_value(),
            socket_timeout=_PATIENCE_S,
            socket_connect_timeout=_PATIENCE_S,
        ) as store:
            used = int(store.info("memory")["used_memory"])
    except RedisError:
        return Tier("hot", "Redis", None, None, None, None, None)
    return Tier("hot", "Redis", None, None, used, used, round(used / _GB * price, 4))


def _of_table(tier: str, lake: Catalog, name: tuple[str, str], price: float) -> Tier:
    where = ".".join(name)
    try:
        table = lake.load_table(name)
    except NoSuchTableError:
        return Tier(tier, where, 0, 0, 0, 0, 0.0)
    rows, files, size = (_total(table, word) for word in ("records", "data-files", "files-size"))
    stored = _stored(table)
    return Tier(tier, where, rows, files, size, stored, round(stored / _GB * price, 4))


def _total(table: Table, word: str) -> int:
    snapshot = table.current_snapshot()
    return int(snapshot.summary[f"total-{word}"] or 0) if snapshot and snapshot.summary else 0


def _stored(table: Table) -> int:
    """Return the bytes of data files that any snapshot holds."""
    sizes: dict[str, int] = {}
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                for entry in manifest.fetch_manifest_entry(table.io):
                    sizes[entry.data_file.file_path] = entry.data_file.file_size_in_bytes
    return sum(sizes.values())
