"""Indexed PNG files: a palette with transparency, one, four or eight bits a pixel."""

from __future__ import annotations

import struct
import zlib

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["picture"]

# runs only: on flat pictures smaller than level 6, and four times as fast
STRATEGY = zlib.Z_RLE
MEMORY = 7  # 64 kB: less to clear per tile
SIGNATURE = b"\x89PNG\r\n\x1a\n"
INDEXED = 3


def picture(
    indices: NDArray[np.uint8], colours: NDArray[np.uint8], alphas: NDArray[np.uint8]
) -> bytes:
    """The PNG file of ``indices`` (h, w) into a palette of RGB triples (n, 3) and alphas (n,)."""
    height, width = indices.shape
    bits = next(b for b in (1, 4, 8) if len(alphas) <= 2**b)
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, STRATEGY)
    body = packer.compress(scanlines(indices, bits)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, INDEXED, 0, 0, 0)
    parts = [_chunk(b"IHDR", head), _chunk(b"PLTE", colours.tobytes())]
    parts += [_chunk(b"tRNS", alphas.tobytes()), _chunk(b"IDAT", body), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(name))
    return b"".join((struct.pack(">I", len(body)), name, body, struct.pack(">I", check)))


@numba.njit(cache=True, nogil=True)
def scanlines(indices, bits):  # type: ignore[no-untyped-def]
    """Rows of packed indices (width a multiple of 8), each behind its filter byte (0: as it is)."""
    height, width = indices.shape
    out = np.zeros((height, width * bits // 8 + 1), np.uint8)
    for row in range(height):
        if bits == 8:
            for px in range(width):
                out[row, 1 + px] = indices[row, px]
        elif bits == 4:
            for px in range(width // 2):
                out[row, 1 + px] = (indices[row, 2 * px] << 4) | indices[row, 2 * px + 1]
        else:
            for px in range(width):
                out[row, 1 + px // 8] |= indices[row, px] << (7 - px % 8)
    return out
