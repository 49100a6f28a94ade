"""One maintainer at a time."""

from catalog.locks import OnlyOne
from millrace.settings import Settings


class Alone(OnlyOne):
    """Holds the lock of the maintainer from `take` on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "maintainer")
