"""Damage to files as disks, networks, editors and bad will do it, drawn from a seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

_HEADER = 512  # bytes in which most formats tell their sizes
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)
_WORDS = (
    b"0", b"-1", b"nan", b"inf", b"-inf", b"1e309", b"1e-320", b"4294967295", b"99999999999999999999", b"9" * 5_000,
    b"", b"true", b"\xff", b"\x00", b"'", b'"', b"{", b"[" * 3_000, b"../../etc/passwd", b"A" * 20_000,
    b"1979-05-27T07:32:00Z",
)  # fmt: skip

Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]


def mutate(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Damage a file once, half of the time, or up to four times.

    Args:
        content: the file; one in which text can be found is damaged as text half of the time.
        others: files of its kind, of which pieces are put into it.
        rng: draws what is done and where.
    """
    for _ in range(min(int(rng.geometric(0.5)), 4)):
        textual = content[:4_000].isascii() and rng.random() < 0.5
        known = _OF_TEXT if textual else _OF_BYTES
        content = known[rng.integers(len(known))](content or b"\0", others[rng.integers(len(others))], rng)
    return content


def _place(content: bytes, rng: np.random.Generator) -> int:
    """A place anywhere, or half of the time in the header."""
    return int(rng.integers(min(len(content), _HEADER) if rng.random() < 0.5 else len(content)))


def _flip(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        damaged[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _cut(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)]


def _splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def _remove(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start = _place(content, rng)
    return content[:start] + content[start + int(rng.integers(1, 257)) :]


def _repeat(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, length = _place(content, rng), int(rng.integers(1, 257))
    return content[:start] + content[start : start + length] * int(rng.integers(2, 200)) + content[start + length :]


def _blank(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, length = _place(content, rng), int(rng.integers(1, 65))
    return content[:start] + (b"\xff" if rng.random() < 0.5 else b"\0") * length + content[start + length :]


def _extreme(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Put an extreme whole number of 1 to 8 bytes where a size may stand."""
    width, start = int(rng.choice([1, 2, 4, 8])), _place(content, rng)
    number = _EXTREMES[rng.integers(len(_EXTREMES))] & (1 << 8 * width) - 1
    written = number.to_bytes(width, "little" if rng.random() < 0.5 else "big")
    return content[:start] + written + content[start + width :]


def _number(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Write a word where a number stands."""
    found = list(_NUMBER.finditer(content))
    if not found:
        return _word(content, other, rng)
    at = found[rng.integers(min(len(found), 20) if rng.random() < 0.5 else len(found))]
    return content[: at.start()] + _WORDS[rng.integers(len(_WORDS))] + content[at.end() :]


def _word(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start = _place(content, rng)
    return content[:start] + _WORDS[rng.integers(len(_WORDS))] + content[start:]


def _lines(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Remove a line, say it often, or take one of another file in its place."""
    lines = content.splitlines(keepends=True) or [content]
    at = int(rng.integers(len(lines)))
    foreign = other.splitlines(keepends=True)
    instead = ([], lines[at : at + 1] * int(rng.integers(2, 2_000)), foreign[: int(rng.integers(1, 9))])
    return b"".join([*lines[:at], *instead[rng.integers(3)], *lines[at + 1 :]])


_OF_BYTES: tuple[Mutation, ...] = (_flip, _flip, _cut, _splice, _remove, _repeat, _blank, _extreme, _extreme)
_OF_TEXT: tuple[Mutation, ...] = (_number, _number, _number, _word, _lines, _lines, _cut, _splice)
