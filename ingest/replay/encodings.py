"""Which encoding a text file has: named by the mapping, or found in its bytes."""

import codecs
import re
from pathlib import Path
from typing import IO, Final

from charset_normalizer import from_bytes

from ingest.replay.mapping import AUTO
from ingest.replay.table import BROKEN, broken_file, open_raw
from millrace.errors import MillraceError

_PIECE_BYTES: Final = 1 << 18
_HEAD_BYTES: Final = 4096
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that no text holds. A power cut leaves a few NULs: their rows are bad.
_BINARY: Final = re.compile(rb"[\x01-\x08\x0e-\x19\x1c-\x1f]")
_FALLBACK: Final = "cp1252"


def encoding_of(source: IO[bytes], path: Path, named: str) -> str:
    """Return the encoding to read a file by, and leave it at its begin.

    A byte order mark counts, else UTF-16 is seen by its NULs, else UTF-8 when all of it is, else cp1252.
    MillraceError when it is none of these, or another than the mapping says.
    """
    try:
        head = source.read(_HEAD_BYTES)
        source.seek(0)
        marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
        if named == AUTO:
            return marked or _unmarked(head, path) or _scanned(source, path)
    except BROKEN as error:
        raise broken_file(path, error) from None
    normal = codecs.lookup(named).name
    if marked and normal not in ("utf-8", marked, marked.removesuffix("-sig")) and "utf" not in normal:
        raise MillraceError(
            f"the file begins with the mark of {marked.removesuffix('-sig')}, and the mapping says {named}",
            where=f"{path}, line 1",
            mend="Leave `csv.encoding` out of the mapping, or correct it.",
        )
    return "utf-8-sig" if normal == "utf-8" else named


def _unmarked(head: bytes, path: Path) -> str | None:
    """Return the UTF-16 that NULs betray; MillraceError for what is no text at all."""
    low, high = head[0::2].count(0), head[1::2].count(0)
    if max(low, high) > len(head) * 0.3 and min(low, high) < len(head) * 0.05:
        return "utf-16-le" if high > low else "utf-16-be"
    found = _BINARY.search(head)
    if found or head.count(0) > len(head) * 0.1:
        shown = f" (byte 0x{found[0][0]:02x})" if found else ""
        raise MillraceError(
            f"the file is no text{shown}",
            where=f"{path}, line {head.count(10, 0, found.start() if found else head.find(0)) + 1}",
            mend="Give a CSV file, also .gz, or a workbook (.xlsx, .xls, .ods).",
        )
    return None


def _scanned(source: IO[bytes], path: Path) -> str:
    decoder, lines, plain = codecs.getincrementaldecoder("utf-8")(), 0, True
    try:
        while piece := source.read(_PIECE_BYTES):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                return _not_utf8(source, path, error, lines, plain)
            plain = plain and piece.isascii()
            lines += piece.count(b"\n")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _FALLBACK
    finally:
        source.seek(0)
    return "utf-8-sig"


def _not_utf8(source: IO[bytes], path: Path, error: UnicodeDecodeError, lines: int, plain: bool) -> str:
    """Return cp1252 when the whole file can be it, for a file that is not UTF-8."""
    wrong = error.object[error.start]
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    if not plain or not error.object[: error.start].isascii():
        raise MillraceError(
            f"byte 0x{wrong:02x} is no UTF-8, though text before it is",
            where=f"{path}, line {line}",
            mend="Correct the file, or name its encoding in `csv.encoding`.",
        )
    source.seek(0)
    try:
        decoder = codecs.getincrementaldecoder(_FALLBACK)()
        while piece := source.read(_PIECE_BYTES):
            decoder.decode(piece)
    except UnicodeDecodeError as other:
        raise MillraceError(
            f"byte 0x{other.object[other.start]:02x} is neither UTF-8 nor cp1252{_guess(other.object)}",
            where=f"{path}, line {_line_of_byte(path, _FALLBACK)}",
            mend="Name the file's encoding in `csv.encoding`.",
        ) from None
    return _FALLBACK


def _guess(piece: bytes) -> str:
    found = from_bytes(piece[: 1 << 15]).best()
    return f"; it looks like {found.encoding}" if found else ""


def undecodable(path: Path, encoding: str) -> MillraceError:
    """Say which byte of a file is not of its encoding."""
    with open_raw(path) as source:
        piece = source.read(1 << 15)
    return MillraceError(
        f"the file is not {encoding.removesuffix('-sig')}{_guess(piece)}",
        where=f"{path}, line {_line_of_byte(path, encoding)}",
        mend="Correct `csv.encoding` in the mapping, or leave it out: it is found then.",
    )


def _line_of_byte(path: Path, encoding: str) -> int:
    """Return the line of the first byte that an encoding does not have."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with open_raw(path) as source:
        while piece := source.read(_PIECE_BYTES):
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].decode(encoding, "ignore").count("\n")
    return line
