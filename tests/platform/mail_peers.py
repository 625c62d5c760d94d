#!/usr/bin/python3
"""A mail server, for tests of what sends mail: aiosmtpd, or one that behaves oddly.

  mail_peers.py MODE [CERTIFICATE KEY]    listens on a port of 127.0.0.1 that the system chooses

Prints "port N"; for each mail taken "mail JSON" (the envelope, and what Python's email module makes
of the content) and "taken"; "said LINE" for each line that an odd server was sent. Modes of aiosmtpd:
  plain      no TLS                      tls        TLS from the first octet
  starttls   STARTTLS wanted             auth       STARTTLS, then alice with "p4ss wörd; \\"x\\""
  auth-tls   TLS and log-in              others     see SCRIPTS
A recipient or sender NNN@... is answered with that code; the sender data-NNN@... has the mail itself
answered so.
"""
import asyncio
import email
import email.policy
import itertools
import json
import re
import socket
import ssl
import sys
import threading
import time

MODE = sys.argv[1]
FILES = sys.argv[2:]
USER, PASSWORD = b"alice", 'p4ss wörd; "x"'.encode()


def say(*words):
    print(*words, flush=True)


def code_in(address):
    found = re.match(r"(?:data-)?([45][0-9][0-9])@", address)
    return found.group(1) + " that is what was asked for\x1b[2J" if found else None


def described(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    lines = content.split(b"\r\n")
    head = content.split(b"\r\n\r\n", 1)[0]
    return {
        "headers": [[name, str(value)] for name, value in message.items()],
        "defects": [repr(defect) for part in message.walk() for defect in part.defects]
        + [repr(defect) for value in message.values() for defect in value.defects],
        "type": message.get_content_type(),
        "parts": [[part.get_content_type(), part.get_content_charset(), part.get_content().replace("\r\n", "\n")]
                  for part in message.iter_parts()],
        "longest_line": max(map(len, lines)),
        "longest_header": max(map(len, head.split(b"\r\n"))),
        "bare": any(b"\r" in line or b"\n" in line for line in lines),
        "ascii": content.isascii(),
        "controls": any(octet < 32 and octet not in (9, 10, 13) for octet in content),
    }


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        code = None if address.startswith("data-") else code_in(address)
        if code:
            return code
        envelope.mail_from = address
        return "250 sender fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        code = code_in(address)
        if code:
            return code
        envelope.rcpt_tos.append(address)
        return "250 " + address + " is known"

    async def handle_DATA(self, server, session, envelope):
        code = code_in(envelope.mail_from) if envelope.mail_from.startswith("data-") else None
        if code:
            return code
        mail = described(envelope.content)
        mail.update({"helo": session.host_name, "from": envelope.mail_from, "to": envelope.rcpt_tos,
                     "tls": session.ssl is not None, "user": bool(session.authenticated)})
        say("mail", json.dumps(mail) + "\ntaken")
        return "250 queued"


def authenticate(server, session, envelope, mechanism, data):
    from aiosmtpd.smtp import AuthResult
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD), handled=False)


async def serve_mail():
    from aiosmtpd.smtp import SMTP
    context = None
    if FILES:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*FILES)
    options = {"hostname": "mail.example", "data_size_limit": 1 << 24, "enable_SMTPUTF8": False}
    if MODE in ("starttls", "auth"):
        options.update(tls_context=context, require_starttls=True)
    if MODE.startswith("auth"):
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=MODE == "auth")
    implicit = context if MODE in ("tls", "auth-tls") else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), loop=loop, **options), "127.0.0.1", 0, ssl=implicit)
    say("port", server.sockets[0].getsockname()[1])
    await server.serve_forever()


# Answers in the order of the lines that come; the first is the greeting. The last one is repeated.
HELLO = b"250-odd.example\r\n250 SIZE\r\n"
SCRIPTS = {
    "busy": [b"421 too many\x1b[2J connections\r\n"],
    "closed-shop": [b"554 no mail\r\n"],
    "no-smtp": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "close": [],
    "close-later": [b"220 odd\r\n", HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"],
    "stripped": [b"220 odd\r\n", HELLO, b"500 what?\r\n"],
    "tls-refused": [b"220 odd\r\n", b"250-odd\r\n250 STARTTLS\r\n", b"502 not today\r\n"],
    "tls-later": [b"220 odd\r\n", b"250-odd\r\n250 STARTTLS\r\n", b"454 not now\r\n"],
    "inject": [b"220 odd\r\n", b"250-odd\r\n250 STARTTLS\r\n", b"220 go\r\n250-forged\r\n250 SIZE\r\n"],
    "silent": [b""],
    "mute-goodbye": [b"220 odd\r\n", HELLO, b"250 ok\r\n", b"250 yes\r\n", b"354 go\r\n", b"250-queued\r\n250 as 17\r\n", b""],
}


def odd(connection):
    try:
        if MODE == "drip":
            for octet in itertools.cycle(b"220-welcome\r\n"):
                connection.sendall(bytes([octet]))
                time.sleep(1)
        if MODE == "endless":
            while True:
                connection.sendall(b"220-welcome to the endless server\r\n" * 100)
        script = SCRIPTS[MODE]
        stream = connection.makefile("rb")
        for i, answer in enumerate(script):
            connection.sendall(answer)
            if i + 1 == len(script) and MODE in ("close-later", "inject"):
                break
            in_mail = answer.startswith(b"354")
            for line in stream:
                say("said", line)
                if not in_mail or line == b".\r\n":
                    break
        if script and MODE not in ("close-later", "inject"):
            time.sleep(60)
    except OSError as error:
        say("error", error)
    finally:
        connection.close()


if MODE in ("plain", "tls", "starttls", "auth", "auth-tls"):
    asyncio.run(serve_mail())
listener = socket.create_server(("127.0.0.1", 0))
say("port", listener.getsockname()[1])
while True:
    threading.Thread(target=odd, args=(listener.accept()[0],), daemon=True).start()
