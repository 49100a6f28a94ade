"""Whether the buckets and the REST catalog of the settings answer, asked once and quickly."""

from typing import TYPE_CHECKING, Final

import httpx

from millrace.bucket.access import buckets, keys, region
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_PATIENCE_S: Final = 5.0
_KEYS: Final = "`millrace keys` stores the right ones."


def require_buckets(settings: Settings) -> None:
    """Raise MillraceError when a bucket that the settings name cannot be opened."""
    if not buckets(settings):
        return
    from pyarrow.fs import FileType

    for name in buckets(settings):
        try:
            found = _opened(settings).get_file_info(name).type
        except OSError as error:
            raise _closed(settings, name, str(error)) from None
        if found == FileType.NotFound:
            raise MillraceError(
                f"there is no bucket `{name}`",
                where=_server(settings),
                mend="Create it, or correct MILLRACE_LAKE__WAREHOUSE and MILLRACE_LAKE__ARCHIVE.",
            )


def _opened(settings: Settings) -> "S3FileSystem":
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    key_id, secret = keys(settings) or (None, None)
    return S3FileSystem(
        access_key=key_id,
        secret_key=secret,
        region=region(settings) or None,
        endpoint_override=settings.lake.s3_endpoint or None,
        connect_timeout=_PATIENCE_S,
        request_timeout=_PATIENCE_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
    )


def _closed(settings: Settings, name: str, said: str) -> MillraceError:
    if "NETWORK_CONNECTION" in said:
        mend = "Start it, or correct MILLRACE_LAKE__S3_ENDPOINT."
        return MillraceError("no S3 server answers", where=_server(settings), mend=mend)
    what = f"bucket `{name}` does not open with these keys"
    return MillraceError(what, where=_server(settings), mend=_KEYS)


def _server(settings: Settings) -> str:
    return settings.lake.s3_endpoint or "AWS"


def require_catalog(settings: Settings) -> None:
    """Raise MillraceError when the settings name a REST catalog that does not answer as one."""
    address = settings.lake.rest_catalog
    if not address:
        return
    correct = "Start it, or correct MILLRACE_LAKE__REST_CATALOG."
    try:
        answer = httpx.get(
            f"{address.rstrip('/')}/v1/config",
            params={"warehouse": settings.lake.warehouse} if settings.lake.warehouse else {},
            headers=_bearer(settings),
            timeout=_PATIENCE_S,
        )
    except httpx.HTTPError as error:
        raise MillraceError("no REST catalog answers", where=address, mend=correct) from error
    if answer.status_code in {401, 403}:
        raise MillraceError("the REST catalog refuses the token", where=address, mend=_KEYS)
    if answer.status_code != httpx.codes.OK:
        said = f"the REST catalog answers {answer.status_code}"
        raise MillraceError(said, where=address, mend=correct)


def _bearer(settings: Settings) -> dict[str, str]:
    token = load_secrets(settings).catalog_token.get_secret_value()
    return {"Authorization": f"Bearer {token}"} if token else {}
