"""What opens the buckets that the settings name: where they are, which region, whose keys."""

from typing import Final

from millrace.secrets import load_secrets
from millrace.settings import Settings

SCHEME: Final = "s3://"
# What servers that are not AWS call themselves; a signature needs one.
_ANY_REGION: Final = "us-east-1"
# What every such server understands: the bucket in the path, a body in one piece that is signed as a whole.
_NOT_AWS: Final = {"s3.path-style-access": "true", "s3.chunked-encoding-enabled": "false"}


def buckets(settings: Settings) -> list[str]:
    """Return the names of the buckets that warehouse and archive lie in."""
    roots = (settings.lake.warehouse, settings.lake.archive)
    names = [root.removeprefix(SCHEME).partition("/")[0] for root in roots if root.startswith(SCHEME)]
    return list(dict.fromkeys(names))


def in_bucket(settings: Settings) -> bool:
    """Tell whether the lake is in buckets; a REST catalog may know of them where the settings name none."""
    return bool(buckets(settings) or settings.lake.s3_endpoint or settings.lake.s3_region)


def region(settings: Settings) -> str:
    """Return the region of the buckets, empty when AWS's own tools are to find it."""
    return settings.lake.s3_region or (_ANY_REGION if settings.lake.s3_endpoint else "")


def keys(settings: Settings) -> tuple[str, str] | None:
    """Return id and secret of the key that `millrace keys` stored, None when it stored none."""
    secrets = load_secrets(settings)
    key_id = secrets.s3_access_key_id.get_secret_value()
    return (key_id, secrets.s3_secret_access_key.get_secret_value()) if key_id else None


def properties(settings: Settings) -> dict[str, str]:
    """Return what a catalog must be told to open the buckets, in words that Java and Python share.

    They hold the keys; empty when the lake is in no bucket.
    """
    lake = settings.lake
    if not in_bucket(settings):
        return {}
    found = {"client.region": region(settings)} if region(settings) else {}
    if lake.s3_endpoint:
        found |= {"s3.endpoint": lake.s3_endpoint} | _NOT_AWS
    pair = keys(settings)
    if pair:
        found |= {"s3.access-key-id": pair[0], "s3.secret-access-key": pair[1]}
    return found
