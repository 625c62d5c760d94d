#!/usr/bin/env python3
"""keyd_seeds.py RECORDINGS FOLDER: seeds of fuzz_keyd from recorded clients, as streams and in pieces.

Handles of a recording are mixed with its connection's nonce; the fuzzer's connections have none."""
import base64
import hashlib
import json
import pathlib
import struct
import sys

# In the order of fuzz_keyd.cc.
CALLS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 18, 19, 24, 26, 27, 28, 42, 43, 44, 45, 22, 25, 59, 60, 61, 0x53470001]
FIND_OBJECTS = 27


def numbers(view):
    """What each object's handle is without a nonce."""
    def number(kind, what):
        return hashlib.sha256(kind + b":" + what).digest()[:8]

    for key in view["keys"]:
        own = bytes.fromhex(key["id"])
        yield number(b"private", own)
        yield number(b"public", own)
        for place, encoded in enumerate(key["certificates"]):
            label = key["label"] + (f"-ca{place}" if place else "")
            yield number(b"certificate", own + b":" + label.encode() + b":" + base64.b64decode(encoded))


def stream(lines, who):
    return b"".join(bytes.fromhex(line[2:]) for line in lines if line.startswith(who))


def bodies(octets):
    """(call, arguments) of each message."""
    octets = octets[1:]
    while len(octets) >= 12:
        _, options, size = struct.unpack(">III", octets[:12])
        body = octets[12 + options:12 + options + size]
        call, signature = struct.unpack(">II", body[:8])
        yield call, body[8 + signature:]
        octets = octets[12 + options + size:]


def handles(server):
    for call, arguments in bodies(server):
        if call == FIND_OBJECTS:
            for at in range(5, len(arguments), 8):
                yield arguments[at:at + 8]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def main():
    recordings, out = map(pathlib.Path, sys.argv[1:3])
    known = set(numbers(json.loads((recordings / "view.json").read_text())))
    for path in sorted(recordings.glob("*.txt")):
        lines = path.read_text().splitlines()
        client, seen = stream(lines, "C"), set(handles(stream(lines, "S")))
        for number in known:
            nonce = xor(next(iter(seen), number), number)
            if seen and all(xor(handle, nonce) in known for handle in seen):
                for handle in seen:
                    client = client.replace(handle, xor(handle, nonce))
                break
        management = path.name.startswith("management")
        (out / f"{path.stem}-stream").write_bytes(bytes([int(management)]) + client)
        pieces = b"".join(struct.pack(">BH", CALLS.index(call), len(arguments)) + arguments
                          for call, arguments in bodies(client) if call in CALLS)
        (out / f"{path.stem}-pieces").write_bytes(bytes([2 + int(management)]) + pieces)


main()
