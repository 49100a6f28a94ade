"""The device that is forgotten, and where reports of it lie."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from millrace.errors import MillraceError
from millrace.settings import Settings

# Names are also parts of patterns: nothing in them may mean more than itself.
_TENANT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")


class Owner(NamedTuple):
    """A device of a tenant."""

    tenant: str
    device_id: str

    @property
    def key(self) -> str:
        """Its key in Kafka."""
        return f"{self.tenant}/{self.device_id}"


def owner_of(tenant: str, device_id: str) -> Owner:
    """Return a device by its names; MillraceError when they are no names."""
    if not _TENANT.match(tenant) or not _DEVICE.match(device_id):
        raise MillraceError(
            f"{tenant}/{device_id} is no device", where="device", mend="Check the names of tenant and device."
        )
    return Owner(tenant, device_id)


def reports_folder(config: Settings) -> Path:
    """Return where reports of a stack lie."""
    return config.folder / "forgotten"
