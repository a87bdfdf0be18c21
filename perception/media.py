"""What a file holds, told by its content: names and endings are often missing or wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import av

MOST_BARREN = 1000  # packets without a frame; encoders look ahead some 60
Track = Literal["audio", "video"]
# How the containers that may hold sound, pictures, or both begin: Matroska, ASF, FLV, MPEG programs, AMR, ...
_BEGINNINGS = (
    b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"FLV", b"\0\0\1\xba", b"\0\0\1\xb3", b"#!AMR", b"fLaC", b"OggS", b"ID3",
    b".snd", b"caff", b"FORM", b"RF64", b"GIF8", b"riff", b"\xff\xf1", b"\xff\xf9", b"\xff\xfb", b"\xff\xf3",
)  # fmt: skip
_FORMATS = (
    "matroska,webm,mov,mp4,m4a,3gp,ogg,mp3,aac,flac,wav,w64,aiff,caf,amr,au,mpeg,mpegts,mpegvideo,asf,avi,flv,gif"
)


def is_container(head: bytes) -> bool:
    """Whether a file that begins so (400 bytes are enough) may hold sound or moving pictures."""
    if head.startswith(_BEGINNINGS) or head[4:8] == b"ftyp":
        return True
    if head[:4] == b"RIFF":
        return head[8:12] in (b"WAVE", b"AVI ")
    # MPEG transport streams repeat a byte every 188; cameras put four more before each packet.
    return head[:1] == head[188:189] == b"G" or head[4:5] == head[196:197] == b"G"


def holds(path: Path, track: Track) -> bool:
    """Whether a file has a track of sound or of pictures, whatever it is called; False where it cannot be opened.

    Raises:
        OSError: it cannot be read.
    """
    import av

    with path.open("rb") as handle:
        if not is_container(handle.read(400)):
            return False
        handle.seek(0)
        try:
            options = {"format_whitelist": _FORMATS, "protocol_whitelist": ""}
            with av.open(handle, mode="r", options=options, metadata_errors="ignore") as container:
                return bool(container.streams.audio if track == "audio" else container.streams.video)
        except (av.FFmpegError, ValueError):
            return False


def decoded(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
    error: type[ValueError],
    label: str,
    stop: threading.Event | None = None,
) -> Iterator[Any]:
    """Decode a track packet by packet (frames of PyAV), no further than `stop`, which packets of other tracks heed too.

    Raises:
        error: stopped, or too many packets in a row hold nothing.
    """
    barren = 0
    for packet in container.demux():
        if stop is not None and stop.is_set():
            raise error(f"nobody waits for {label} any more")
        if packet.stream_index == stream.index:
            frames = packet.decode()
            barren = 0 if frames else barren + 1
            if barren > MOST_BARREN:
                raise error(f"{label} is damaged: {MOST_BARREN} packets in a row hold nothing. Export it again.")
            yield from frames
