#!/usr/bin/python3
"""A server that speaks TLS well or oddly, for tests of what looks at servers.

  tls_peers.py MODE [CERTIFICATE KEY]    listens on a port of 127.0.0.1 that the system chooses

Prints "port N", then a line for each thing that it noticed: "sni NAME", "said BYTES" (before TLS),
"after BYTES" (what came over TLS until the client's close).
"""
import itertools
import socket
import ssl
import struct
import sys
import threading
import time

MODE = sys.argv[1]
FILES = sys.argv[2:]
FEATURES = ("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
            "<stream:features>%s<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>"
            "</mechanisms></stream:features>")
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
OK = bytes.fromhex("300c02010178070a010004000400")
# The same with long lengths and the optional name, as a directory of another maker writes it.
OK_LONG = bytes.fromhex("308400000028020101788400 00001f0a010004000400".replace(" ", "")) + b"\x8a\x16" + b"1.3.6.1.4.1.1466.20037"
REFUSED = bytes.fromhex("300c02010178070a010204000400")

# What is sent at once, then (until, answer) pairs; None: TLS begins.
PREAMBLES = {
    "tls": (b"", []),
    "smtp": (b"220-mail.example\r\n220 ESMTP\r\n",
             [(b"\r\n", b"250-mail.example\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"), (b"\r\n", b"220 go\r\n")]),
    "smtp-none": (b"220 mail.example\r\n", [(b"\r\n", b"250-mail.example\r\n250 SIZE\r\n")]),
    "smtp-busy": (b"421 too many connections\x1b[2J\r\n", []),
    "smtp-inject": (b"220 mail.example\r\n",
                    [(b"\r\n", b"250-mail.example\r\n250 STARTTLS\r\n"), (b"\r\n", b"220 go\r\n250 forged\r\n")]),
    "smtp-endless": (b"220-" + b"x" * 70 + b"\r\n", None),
    "xmpp": (b"", [(b"version='1.0'>", (FEATURES % STARTTLS).encode()), (b"/>", PROCEED.encode())]),
    "xmpp-none": (b"", [(b"version='1.0'>", (FEATURES % "").encode())]),
    "xmpp-failure": (b"", [(b"version='1.0'>", (FEATURES % STARTTLS).encode()),
                           (b"/>", b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")]),
    "xmpp-unknown": (b"", [(b"version='1.0'>", b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>"
                            b"<stream:error><host-unknown/></stream:error></stream:stream>")]),
    "ldap": (b"", [(b"20037", OK)]),
    "ldap-long": (b"", [(b"20037", OK_LONG)]),
    "ldap-refused": (b"", [(b"20037", REFUSED)]),
    "ldap-extra": (b"", [(b"20037", OK + b"\x00")]),
    "ldap-zeros": (b"", [(b"20037", b"\x30\xff" + b"\x00" * 14)]),
    "ldap-huge": (b"", [(b"20037", b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01")]),
}


def say(*words):
    print(*words, flush=True)


def record(kind, body):
    return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body


def message(kind, size, body=b""):
    return bytes([kind]) + size.to_bytes(3, "big") + body


def server_hello():
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2f" + b"\x00" + b"\x00\x05\xff\x01\x00\x01\x00"
    return record(22, message(2, len(body), body))


def pour(connection, block):
    for _ in itertools.repeat(None, 1 << 16):
        connection.sendall(block)


def bytewise(connection, context, pause):
    """A TLS handshake whose octets leave one at a time."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(into, out, server_side=True)
    while True:
        done = True
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        for octet in out.read():
            connection.sendall(bytes([octet]))
            time.sleep(pause)
        if done:
            return connection.recv(1)
        into.write(connection.recv(65536))


def speak_tls(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*FILES)
    context.sni_callback = lambda _, name, __: say("sni", name)
    if MODE.startswith("drip"):
        return bytewise(connection, context, 0.05 if MODE == "drip-slow" else 0)
    with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
        say("after", tls.recv(4096))


def odd(connection):
    if MODE == "silent":
        return time.sleep(60)
    if MODE == "close":
        return None
    if MODE == "banner":  # speaks first, and it is not TLS
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        return connection.recv(4096)
    connection.recv(4096)
    if MODE == "http":
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    elif MODE == "garbage":
        pour(connection, bytes(range(255, -1, -1)) * 64)
    elif MODE == "tls-garbage":
        connection.sendall(record(22, bytes(range(255, -1, -1))))
    elif MODE == "alert":
        connection.sendall(record(21, b"\x02\x28"))
    elif MODE == "endless-certificate":  # of 16 MiB, the most that its length can say
        connection.sendall(server_hello() + record(22, message(11, 0xFFFFFF)))
        pour(connection, record(22, bytes(16384)))
    elif MODE == "endless-messages":
        connection.sendall(server_hello())
        pour(connection, record(22, message(0, 0)) * 64)
    elif MODE == "endless-list":  # a certificate list just below the limit, one octet a record
        connection.sendall(server_hello() + record(22, message(11, 262000)))
        pour(connection, record(22, b"\x00") * 256)
    return None


def serve(connection):
    try:
        if MODE not in PREAMBLES and not MODE.startswith("drip"):
            return odd(connection)
        first, turns = PREAMBLES.get(MODE, (b"", []))
        connection.sendall(first)
        if turns is None:
            return pour(connection, first)
        for until, answer in turns:
            said = b""
            while until not in said:
                got = connection.recv(4096)
                if not got:
                    return None
                said += got
            say("said", said)
            connection.sendall(answer)
        if FILES:
            speak_tls(connection)
        else:
            connection.recv(1)
    except OSError as error:
        say("error", error)
    finally:
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
say("port", listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
