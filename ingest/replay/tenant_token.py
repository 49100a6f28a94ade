"""The token by which a sender shows for whom it sends."""

from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings


def tenant_token(settings: Settings, tenant: str) -> str:
    """Return the tenant's token; raise MillraceError when this stack does not know the tenant."""
    try:
        return load_secrets(settings).tenant_token(tenant)
    except KeyError:
        raise MillraceError(
            f"stack {settings.stack!r} has no tenant {tenant!r}",
            where="--tenant",
            mend=f"Use {settings.tenant!r}.",
        ) from None
