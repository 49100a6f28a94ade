"""POSTs a body to a URL that a tenant chose: public addresses only, no redirects, and a hard end."""

import asyncio
from collections.abc import Mapping

import httpx

from api.notifier.channel_kind import DEADLINE_S, Outcome
from api.notifier.destination import Destination, ForbiddenError, UnreachableError, look_up, trusted
from millrace.errors import MillraceError

_CONNECT_S = 5.0
_SHOWN_BYTES = 200
# They speak of the sender, who may be let in later; other 4xx speak of the message.
_MAY_PASS_LATER = frozenset({401, 402, 403, 404, 407, 408, 409, 421, 423, 425, 429})


def check_url(url: str, private_allowed: bool = True) -> httpx.URL:
    """Return a URL that can be posted to; raise MillraceError without naming what may be secret in it."""
    try:
        read = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise _wrong("it cannot be read") from None
    if read.scheme not in {"https", "http"} or not read.host:
        raise _wrong("it does not begin with https:// and a host")
    if read.userinfo:
        raise _wrong("it has a user name or password before the host")
    if read.scheme == "http" and not private_allowed:
        raise ForbiddenError("the URL is not to be reached: http:// without encryption", where="url")
    return read


def _wrong(why: str) -> MillraceError:
    return MillraceError(
        f"the URL cannot be used: {why}", where="url", mend="Give one like https://host/path."
    )


def must_reach(url: str, private_allowed: bool) -> None:
    """Raise ForbiddenError for a URL that is not to be reached, UnreachableError for an unknown name."""
    _destination(check_url(url, private_allowed), private_allowed)


def _destination(url: httpx.URL, private_allowed: bool) -> Destination:
    port = url.port or (443 if url.scheme == "https" else 80)
    return look_up(url.raw_host.decode("ascii").strip("[]"), port, private_allowed)


def post(url: str, body: bytes, headers: Mapping[str, str], private_allowed: bool) -> Outcome:
    """POST a body once; 2xx is sent. Takes DEADLINE_S at most.

    Raises MillraceError for a URL that cannot be used, ForbiddenError for one not to be reached.
    """
    try:
        read = check_url(url, private_allowed)
        destination = _destination(read, private_allowed)
    except UnreachableError as error:
        return Outcome("failed", str(error))
    return asyncio.run(_within_deadline(read, destination, body, headers))


async def _within_deadline(
    url: httpx.URL, destination: Destination, body: bytes, headers: Mapping[str, str]
) -> Outcome:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _post(url, destination, body, headers)
    except TimeoutError:
        return Outcome("failed", f"no whole answer within {DEADLINE_S:.0f} s")


async def _post(url: httpx.URL, destination: Destination, body: bytes, headers: Mapping[str, str]) -> Outcome:
    said = Outcome("failed", "not tried")
    # No proxy of the environment: it would look the name up again. No redirect: it would lead elsewhere.
    timeout = httpx.Timeout(DEADLINE_S, connect=_CONNECT_S)
    async with httpx.AsyncClient(
        verify=trusted(), timeout=timeout, trust_env=False, follow_redirects=False
    ) as web:
        for address in destination.addresses:
            request = web.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers={**headers, "Host": url.netloc.decode("ascii")},
                # The certificate must be that of the name, not of the address.
                extensions={"sni_hostname": destination.host},
            )
            try:
                return await _send(web, request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                said = Outcome("failed", f"cannot connect to {destination.host}: {_cause(error)}")
            except httpx.HTTPError as error:
                return Outcome("failed", f"{destination.host}: {_cause(error)}")
    return said


async def _send(web: httpx.AsyncClient, request: httpx.Request) -> Outcome:
    response = await web.send(request, stream=True)
    try:
        shown = b""
        async for chunk in response.aiter_raw(_SHOWN_BYTES):
            shown += chunk
            if len(shown) >= _SHOWN_BYTES:
                break
    finally:
        await response.aclose()
    return answered(response.status_code, response.headers, shown[:_SHOWN_BYTES])


def answered(status: int, headers: Mapping[str, str], shown: bytes) -> Outcome:
    """Return what an HTTP answer means for the message."""
    if 200 <= status < 300:
        return Outcome("sent", f"HTTP {status}")
    said = " ".join(shown.decode("utf-8", "replace").split())
    detail = f"HTTP {status}" + (f": {said}" if said.isprintable() and said else "")
    if 300 <= status < 400:
        return Outcome("refused", f"HTTP {status}: redirects are not followed; give the final URL")
    if 400 <= status < 500 and status not in _MAY_PASS_LATER:
        return Outcome("refused", detail)
    return Outcome("failed", detail, _seconds(headers.get("Retry-After", "")))


def _seconds(retry_after: str) -> float | None:
    # The other form, a date, would need to trust the receiver's clock.
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
