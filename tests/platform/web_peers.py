#!/usr/bin/python3
"""A web server that behaves well or oddly, for tests of what fetches from servers of others.

  web_peers.py MODE [ARGUMENT...]    listens on a port of 127.0.0.1 that the system chooses

Prints "port N", then "asked BYTES" for each request (its head and body). Modes:
  answer HEAD [BODY]   that status line and header lines (\\n between them), the right length, that body
  to LOCATION...       redirects: the first caller to the first, and so on; then "200" with "here"
  https CERT KEY [LOCATION...]    the same over TLS
  others               see ODD
"""
import gzip
import itertools
import socket
import ssl
import sys
import threading
import time

MODE = sys.argv[1]
ARGUMENTS = sys.argv[2:]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n"
CALLS = itertools.count()


def say(*words):
    print(*words, flush=True)


def whole(body, head=OK):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def drip(connection, octets, pause):
    for octet in octets:
        connection.sendall(bytes([octet]))
        time.sleep(pause)


def chunks(connection):
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(1 << 16):
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def endless_headers(connection):
    connection.sendall(OK)
    for i in range(1 << 20):
        connection.sendall(b"X-%d: %s\r\n" % (i, b"y" * 100))


def endless_interim(connection):
    for _ in range(1 << 20):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")


BOMB = gzip.compress(bytes(10 << 20))
ODD = {
    "empty": lambda c: c.sendall(whole(b"")),
    "silent": lambda c: time.sleep(60),
    "close": lambda c: None,
    "early": lambda c: c.sendall(OK + b"Content-Length: 100\r\n\r\nhalf of it"),
    "until-close": lambda c: c.sendall(OK + b"\r\nto the end"),
    "no-http": lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.2\x1b[2J\r\n"),
    "http09": lambda c: c.sendall(b"just text"),
    "drip": lambda c: drip(c, whole(b"x" * 600), 1),
    "drip-body": lambda c: (c.sendall(OK + b"Content-Length: 600\r\n\r\n"), drip(c, b"x" * 600, 1)),
    "huge": lambda c: c.sendall(whole(b"x" * 70000)),
    "lying": lambda c: c.sendall(OK + b"Content-Length: 99999999999999\r\n\r\nx"),
    "chunks": chunks,
    "endless-headers": endless_headers,
    "endless-interim": endless_interim,
    "bomb": lambda c: c.sendall(whole(BOMB, OK + b"Content-Encoding: gzip\r\n")),
    "bomb-transfer": lambda c: c.sendall(OK + b"Transfer-Encoding: gzip\r\n\r\n" + BOMB),
    "bomb-both": lambda c: c.sendall(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(BOMB)
                                     + BOMB + b"\r\n0\r\n\r\n"),
    "cookie": lambda c: c.sendall(b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
    "redirect-huge": lambda c: (c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"),
                                c.sendall(b"x" * (1 << 22))),
}


def answer(connection):
    if MODE in ODD:
        return ODD[MODE](connection)
    if MODE == "answer":
        lines = ARGUMENTS[0].split("\n")
        head = "".join(line + "\r\n" for line in lines).encode()
        return connection.sendall(whole((ARGUMENTS + [""])[1].encode(), head))
    if MODE in ("to", "https"):
        places = ARGUMENTS[2:] if MODE == "https" else ARGUMENTS
        call = next(CALLS)
        if call < len(places):
            status, location = places[call].split(" ", 1)
            head = "HTTP/1.1 %s Elsewhere\r\nLocation: %s\r\n" % (status, location)
            return connection.sendall(whole(b"<html>moved</html>", head.encode()))
    return connection.sendall(whole(b"here"))


def ask(connection):
    said = b""
    while b"\r\n\r\n" not in said:
        got = connection.recv(65536)
        if not got:
            return said
        said += got
    head, body = said.split(b"\r\n\r\n", 1)
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def serve(connection):
    try:
        if MODE == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*ARGUMENTS[:2])
            connection = context.wrap_socket(connection, server_side=True)
        say("asked", ask(connection))
        answer(connection)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except OSError as error:
        say("error", error)
    finally:
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
say("port", listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
