"""A socket that reads and writes in large pieces for a library that asks for single bytes."""

import socket
import time

READ_BYTES = 128 * 1024
_HANG_UP_S = 1.0


class BufferedSocket:
    """Wraps a connected non-blocking socket; what is sent leaves with `flush`."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._read = b""
        self._place = 0
        self._unsent = bytearray()

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; raises BlockingIOError when there is nothing to read."""
        if self._place >= len(self._read):
            self._read, self._place = self._plain.recv(READ_BYTES), 0
        piece = self._read[self._place : self._place + size]
        self._place += len(piece)
        return piece

    def pending(self) -> int:
        """Return how many bytes are read and not yet asked for."""
        return len(self._read) - self._place

    def send(self, piece: bytes | bytearray) -> int:
        """Keep bytes for the next `flush`."""
        self._unsent += piece
        return len(piece)

    def unsent(self) -> int:
        """Return how many bytes wait for the network."""
        return len(self._unsent)

    def flush(self) -> None:
        """Send what the network takes now; raises OSError when the connection is gone."""
        while self._unsent:
            try:
                sent = self._plain.send(self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._plain.fileno()

    def setblocking(self, flag: bool) -> None:
        """Switch the wrapped socket."""
        self._plain.setblocking(flag)

    def close(self) -> None:
        """Send what still goes out and let the other side hang up first, for up to a second."""
        # Closing with unread bytes resets the connection, and the other side loses our last words.
        try:
            self.flush()
            self._plain.shutdown(socket.SHUT_WR)
            self._plain.settimeout(_HANG_UP_S)
            self._discard()
        except OSError:
            self._unsent.clear()
        self._plain.close()

    def _discard(self) -> None:
        until_s = time.monotonic() + _HANG_UP_S
        while time.monotonic() < until_s and self._plain.recv(READ_BYTES):
            pass
