"""A real terminal of so many columns, and a pipe, as standard output of what is called."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable
from unittest.mock import patch

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def shown_on_terminal(columns: int, call: Callable[[], object]) -> str:
    """Return what a call prints to a terminal of so many columns, without colours."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    parts: list[bytes] = []
    reader = threading.Thread(target=_read, args=(main, parts))
    reader.start()
    # Nothing else of the environment may say how wide a terminal is.
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    with (
        os.fdopen(side, "w", encoding="utf-8") as stream,
        patch.dict(os.environ, environment | {"TERM": "xterm"}, clear=True),
        patch.multiple(sys, stdout=stream, stdin=stream, stderr=stream),
    ):
        call()
    reader.join(10)
    os.close(main)
    return _COLOURS.sub("", b"".join(parts).decode().replace("\r\n", "\n"))


def _read(main: int, parts: list[bytes]) -> None:
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            return
        if not part:
            return
        parts.append(part)


def shown_in_pipe(call: Callable[[], object]) -> str:
    """Return what a call prints where there is no terminal."""
    stream = io.StringIO()
    with patch.object(sys, "stdout", stream):
        call()
    return stream.getvalue()
