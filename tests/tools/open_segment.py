#!/usr/bin/env python3
"""Opens a sealed segment with its data key, by the text of C2SP chunked-encryption.

    open_segment.py HEADER BODY KEY-IN-HEXADECIMAL | zstd -dc

Needs the package `cryptography`; knows nothing of retentiond.
"""

import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16 * 1024
TAG = 16


def open_segment(header: bytes, body: bytes, data_key: bytes) -> bytes:
    salt, commitment, rest = body[:24], body[24:56], body[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + header
    derived = HKDFExpand(hashes.SHA512(), 32 + 12 + 32, info).derive(data_key)
    key, nonce, expected = derived[:32], int.from_bytes(derived[32:44], "big"), derived[44:]
    if commitment != expected:
        raise SystemExit("the key or the header does not belong to this segment")
    aead, plain, number = AESGCM(key), b"", 0
    while True:
        chunk, rest = rest[: CHUNK + TAG], rest[CHUNK + TAG :]
        opened = aead.decrypt((nonce ^ number).to_bytes(12, "big"), chunk, None)
        plain += opened
        number += 1
        if len(opened) < CHUNK:
            break
    if rest:
        raise SystemExit("something follows the last chunk")
    return plain


if __name__ == "__main__":
    header, body = (open(name, "rb").read() for name in sys.argv[1:3])
    sys.stdout.buffer.write(open_segment(header, body, bytes.fromhex(sys.argv[3])))
