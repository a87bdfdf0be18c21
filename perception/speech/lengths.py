"""How long sounds say that they are, and how long they are: decoders take of a part what is there, without a word."""

from __future__ import annotations

import io
import mmap
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice, pairwise
from typing import BinaryIO

MOST_CHUNKS = 1_000  # of a WAV file before its samples; programs write a handful
_STRAY = 4_096  # bytes that programs leave behind a sound without a word
_HEAD = 4_096
_FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_XING = re.compile(rb"(?:Xing|Info)\0\0\0[\1-\x0f]")
"""Behind the header of the first frame of an MP3: how many follow."""
_PAGE = re.compile(rb"OggS\0(.)", re.DOTALL)
_LONGEST_PAGE = 27 + 255 + 255 * 255
_FIRST = 2
"""Flag of the first page of a stream in Ogg."""


class LengthError(ValueError):
    """A sound is shorter or longer than its header says."""


def check_length(handle: BinaryIO, label: str) -> bool:
    """Find files of samples that were cut off, of which libsndfile would silently take what is there.

    Returns whether it is a WAV of length 0 although samples follow: programs that are killed, or write to a pipe, leave
    it so.

    Raises:
        LengthError: cut off, longer than it says, or a thousand chunks without samples.
    """
    head = handle.read(_HEAD)
    size = handle.seek(0, io.SEEK_END)
    if head.startswith((b"ID3", b"\xff")):
        told = _told_by_xing(handle, head)
    else:
        told = _told_by_page(handle, size) if head.startswith(b"OggS") else _told_length(head)
    handle.seek(0)
    if told is not None and told > size:
        raise LengthError(f"{label} is truncated: {size} of {told} bytes are there. Copy it again.")
    return _check_wav_length(handle, label)


def _told_length(head: bytes) -> int | None:
    """Bytes of the whole file by the header of AIFF, Sun/NeXT, W64, RF64, CAF or NIST; None where none is told."""
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return 8 + int.from_bytes(head[4:8], "big")
    if head[:4] == b".snd":
        length = int.from_bytes(head[8:12], "big")
        return None if length == 0xFFFF_FFFF else int.from_bytes(head[4:8], "big") + length
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return int.from_bytes(head[16:24], "little")
    if head[:4] == b"RF64" and head[12:16] == b"ds64":
        return 8 + int.from_bytes(head[20:28], "little")
    if head[:4] == b"caff":
        place = 8
        while 8 <= place < len(head) - 12 and head[place : place + 4] != b"data":
            place += 12 + int.from_bytes(head[place + 4 : place + 12], "big", signed=True)
        length = int.from_bytes(head[place + 4 : place + 12], "big", signed=True)
        return place + 12 + length if head[place : place + 4] == b"data" and length >= 0 else None
    if head[:7] == b"NIST_1A":
        fields = dict(re.findall(rb"^(sample_count|sample_n_bytes|channel_count) -i (\d{1,12})\s", head, re.MULTILINE))
        start = head[8:16].strip()
        if len(fields) == 3 and start.isdigit() and b"shorten" not in head:
            count, width, channels = (
                int(fields[name]) for name in (b"sample_count", b"sample_n_bytes", b"channel_count")
            )
            return int(start) + count * width * channels
    return None


def _told_by_xing(handle: BinaryIO, head: bytes) -> int | None:
    """Bytes of an MP3 to the end of its last frame, as its first one tells (Xing, LAME); None where it does not."""
    start = 0
    if head.startswith(b"ID3"):  # pictures of covers may stand there; each byte of the length has seven bits
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    handle.seek(start)
    first = handle.read(_HEAD)
    found = _XING.search(first[:200])
    if found is None or not first[found.end() - 1] & 2:
        return None
    at = found.end() + (4 if first[found.end() - 1] & 1 else 0)
    return start + int.from_bytes(first[at : at + 4], "big") * 49 // 50  # encoders count notes behind it, or not


def _told_by_page(handle: BinaryIO, size: int) -> int | None:
    """Bytes to the end of the last page of an Ogg; that the last one is missing, as of broadcasts, is no fault."""
    start = max(0, size - _LONGEST_PAGE)
    handle.seek(start)
    tail = handle.read()
    at = tail.rfind(b"OggS\0")
    if at < 0:
        return None
    sizes = tail[at + 27 : at + 27 + tail[at + 26]] if len(tail) > at + 26 else b""
    return start + at + 27 + len(sizes) + sum(sizes) if sizes else size + 1


def is_joined(handle: BinaryIO) -> bool:
    """Tell whether a FLAC, Ogg or MP3 holds several sounds behind one another, as `cat a.mp3 b.mp3` makes them."""
    head = handle.read(4)
    handle.seek(0)
    if not head.startswith((b"fLaC", b"OggS", b"ID3", b"\xff")):
        return False
    with _whole(handle) as content:
        if head == b"OggS":
            first = (bool(page[1][0] & _FIRST) for page in _PAGE.finditer(content))
            return any(now and not before for before, now in pairwise(first))
        begins = _FLAC if head == b"fLaC" else _XING
        return sum(1 for _ in islice(begins.finditer(content), 2)) > 1


@contextmanager
def _whole(handle: BinaryIO) -> Iterator[bytes | mmap.mmap]:
    """All that is in a file, which stays on the disk, or in memory."""
    if isinstance(handle, io.BytesIO):
        yield handle.getvalue()
    else:
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def _check_wav_length(handle: BinaryIO, label: str) -> bool:
    """Find WAV files that were cut off, of which libsndfile would silently take what is there.

    Returns whether the length is 0 although samples follow: programs that are killed, or write to a pipe, leave it so.

    Raises:
        LengthError: cut off, or a thousand chunks without samples.
    """
    head = handle.read(12)
    size = handle.seek(0, io.SEEK_END)
    position, chunks, to_the_end = 12, 0, False
    while head[:4] == b"RIFF" and head[8:] == b"WAVE" and position + 8 <= size:
        handle.seek(position)
        name, length = handle.read(4), int.from_bytes(handle.read(4), "little")
        if name == b"data":
            # Programs that write to a pipe leave the length at all ones, or at nearly 2 GiB.
            if position + 8 + length > size and length < 0x7FFF_0000:
                raise LengthError(
                    f"{label} is truncated: {size - position - 8} of {length} bytes of sound are there. Copy it again."
                )
            told = 0 < length < 0x7FFF_0000
            handle.seek(position + 8 + (length + length % 2 if told else 0))
            behind = size - handle.tell()
            if not _are_chunks(handle, size):
                if told and behind > _STRAY:
                    raise LengthError(
                        f"{label} goes on for {behind} bytes behind the {length} of its sound, and they are no chunks: "
                        "its length is wrong, or several files were joined. Export it again."
                    )
                to_the_end = length == 0
            break
        chunks += 1
        if chunks > MOST_CHUNKS:
            # Every decoder would walk through all of them: seconds of work for nothing.
            raise LengthError(
                f"{label} cannot be read as sound: no samples in its first {MOST_CHUNKS} chunks. Export it again."
            )
        position += 8 + length + length % 2
    handle.seek(0)
    return to_the_end


def with_au_length(handle: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Say "length unknown" in a copy of a Sun/NeXT file (.au) whose length is 0, at which every decoder stops."""
    head = handle.read(12)
    handle.seek(0)
    if head[:4] != b".snd" or head[8:] != bytes(4):
        return handle
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(handle, copy)
    copy.seek(8)
    copy.write(b"\xff" * 4)
    copy.seek(0)
    return copy


def _are_chunks(handle: BinaryIO, size: int) -> bool:
    """Whether what follows is nothing, or chunks with names of letters, up to the end of the file."""
    for _ in range(MOST_CHUNKS):
        head = handle.read(8)
        if not head:
            return True
        length = int.from_bytes(head[4:], "little")
        named = head[:4].strip().isalnum() and head[:4] not in (b"RIFF", b"RF64")
        if len(head) < 8 or not named or handle.tell() + length > size:
            return False
        handle.seek(length + length % 2, io.SEEK_CUR)
    return False
