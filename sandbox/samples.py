"""Small files that the chat page offers to send."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Sample:
    media_type: str
    content: Callable[[], bytes]


@cache
def picture() -> bytes:
    """A PNG of a sun over hills, 320 by 200."""
    width, height = 320, 200
    rows = b"".join(b"\x00" + b"".join(_pixel(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _pixel(x: int, y: int) -> bytes:
    if (x - 232) ** 2 + (y - 62) ** 2 < 26**2:
        return bytes((255, 214, 120))
    if y > 150 + 14 * math.sin(x / 38):
        return bytes((52, 96, 88))
    if y > 122 + 20 * math.sin(x / 55 + 2):
        return bytes((92, 140, 122))
    return bytes((250 - y // 3, 196 - y // 8, 150 + y // 4))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def chime() -> bytes:
    """A WAV of three falling notes, two seconds."""
    rate = 8000
    notes = [659.3, 523.3, 392.0]
    samples = (
        int(
            9000
            * math.exp(-3 * (i % (rate * 2 // 3)) / rate)
            * math.sin(2 * math.pi * notes[i * 3 // (rate * 2)] * i / rate)
        )
        for i in range(rate * 2)
    )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue()


def note() -> bytes:
    return b"Meeting at ten.\nBring the figures of last week.\n"


SAMPLES = {
    "picture.png": Sample("image/png", picture),
    "voice.wav": Sample("audio/wav", chime),
    "notes.txt": Sample("text/plain; charset=utf-8", note),
}
