#!/usr/bin/python3
"""Certificates that name a responder and distribution points, and the servers behind them: status_server.py FOLDER.

Makes the players and answers of make_ocsp.py in FOLDER, and certificates whose URLs lead here; listens on two ports of
127.0.0.1 (the second belongs to somebody else); prints "port N", "other N", "ready", then "asked PORT METHOD PATH" for
each request and "done PORT" after its answer. What is answered is decided by the path:

  /file/NAME          NAME.ocsp of make_ocsp.py, whatever was asked
  /live/NAME          an answer about what was asked, signed now with its nonce; SIGNERS and STATUSES by NAME
  /openssl/KNOWS      what the openssl CLI answers that knows that of the certificate, by ROWS; real time
  /list/NAME.crl      NAME.crl of FOLDER
  /http/STATUS        that status; /http/STATUS/SECONDS with Retry-After
  /slow/MS/...        the rest of the path, MS milliseconds later
  /age/CONTROL/...    the rest of the path, with that Cache-Control
  /once/TAG/...       the rest of the path the first time; the connection is closed ever after
  /odd/NAME           see ODD
"""
import asyncio
import base64
import gzip
import os
import sys
import urllib.parse

import make_ocsp as m
from certs.issue import DER, HOST, OUT, TLS, new_key, openssl, save, write
from certs.lists import make_list
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID as AIA

HOUR = m.HOUR
# Of the index of "openssl ca": state, end, revoked at and why.
ROWS = {
    "valid": "V\t360101000000Z\t",
    "revoked": "R\t360101000000Z\t260101000000Z,keyCompromise",
    "held": "R\t360101000000Z\t260101000000Z,holdInstruction,holdInstructionReject",
    "nothing": "",
}


def access(*urls):
    return (x509.AuthorityInformationAccess(
        [x509.AccessDescription(AIA.OCSP, x509.UniformResourceIdentifier(u)) for u in urls]), False)


def points(*urls, **kwargs):
    return (x509.CRLDistributionPoints([x509.DistributionPoint(
        [x509.UniformResourceIdentifier(u)], None, kwargs.get("reasons"), kwargs.get("issuer")) for u in urls]), False)


class Servers:
    def __init__(self):
        os.makedirs(OUT, exist_ok=True)
        self.world = m.World()
        m.truths(self.world)
        for lies in [m.lies_about_ids, m.lies_about_time, m.lies_about_responders, m.lies_of_signatures, m.lies_within,
                     m.lies_of_form]:
            lies(self.world)
        self.by_serial = {}
        self.replayed = None
        self.answered_once = set()

    # --- certificates whose URLs lead here
    def issue(self, file, *extra):
        cert = self.world.issue(file + ".example.com", self.world.leaf_key, sans=HOST, eku=TLS, extra=list(extra))
        self.by_serial[cert.serial_number] = cert
        save(file, cert)
        return cert

    def populate(self, here, there):
        w = self.world
        for cert in (w.leaf, w.other):
            self.by_serial[cert.serial_number] = cert
        self.issue("with-responder", access(here + "/live/good"))
        self.issue("with-both", access(here + "/live/unknown"), points(here + "/list/whole.crl"))
        self.issue("with-list", points(here + "/list/whole.crl"))
        revoked = self.issue("revoked-by-list", points(here + "/list/whole.crl"))
        self.issue("with-two-responders", access(here + "/live/unknown", here + "/live/good?second"))
        self.issue("with-odd-urls", access("ldap://127.0.0.1/x", "http://127.0.0.1:1@x/", here + "/live/good"))
        self.issue("with-dead-first", access(there + "/odd/close"), points(here + "/list/whole.crl"))
        self.issue("revoked-once", access(there + "/once/revoked/live/revoked"), points(here + "/list/older.crl"))
        self.issue("good-once", access(there + "/once/good/live/no-next"))
        self.issue("with-bad-list", points(here + "/list/forged.crl"))
        for file, path in {"stale": "/list/stale.crl", "html": "/odd/html", "huge": "/odd/large", "missing": "/http/404",
                           "failing": "/http/500", "cut": "/odd/early", "inside": "/odd/inside"}.items():
            self.issue("with-%s-list" % file, points(here + path))
        self.issue("with-point-of-another", points(here + "/list/whole.crl", issuer=[x509.DirectoryName(w.root.subject)]))
        self.issue("with-many-urls", access(*["http://h%d.test/" % i for i in range(6)]),
                   points(*["HTTP://l%d.test/" % i for i in range(6)], "ldap://x/"))
        self.issue("with-long-url", access("http://x/" + "y" * 5000, "https://z.test/"))
        for i in range(24):
            self.issue("slow-%d" % i, access(there + "/slow/400/live/good"))
            self.issue("quick-%d" % i, access(here + "/live/good"))
            self.issue("listed-%d" % i, points(here + "/slow/50/list/whole.crl"))
        signers = {
            "checked": [points(here + "/list/whole.crl")],
            "revoked": [points(here + "/list/whole.crl")],
            "uncheckable": [],
            "self-vouching": [access(here + "/live/by-self-vouching")],
            "vouching-a": [access(here + "/live/by-vouching-b")],
            "vouching-b": [access(here + "/live/by-vouching-a")],
            "by-ca": [access(here + "/live/good")],
        }
        self.signers = {}
        for file, extra in signers.items():
            self.signers[file] = w.delegate(file.title(), extra=extra)
            self.by_serial[self.signers[file].cert.serial_number] = self.signers[file].cert
        self.signers["no-check"] = w.delegate("No check")

        def of_ca(file, key=w.ca_key, **kwargs):
            times = dict({"begin": m.NOW - HOUR, "end": m.NOW + 24 * HOUR}, **kwargs)
            write(file + ".crl", make_list(w.ca.subject, key, **times).public_bytes(DER))
        of_ca("whole", serials=[revoked.serial_number, self.signers["revoked"].cert.serial_number])
        of_ca("older", begin=m.NOW - 48 * HOUR)
        of_ca("forged", key=new_key())
        of_ca("stale", begin=m.NOW - 48 * HOUR, end=m.NOW - HOUR)

    # --- answers
    def live(self, what, request):
        w = self.world
        cert = self.by_serial.get(request.serial_number)
        if cert is None:
            return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED).public_bytes(DER)
        nonces = [e.value for e in request.extensions if isinstance(e.value, x509.OCSPNonce)]
        extra = [(nonces[0], False)] if nonces else []
        status = {"revoked": m.REVOKED, "unknown": m.UNKNOWN}.get(what, m.GOOD)
        if what.startswith("by-"):
            signer = self.signers[what[3:]]
            return signer.answer(cert, w.ca, status=status, embed=[signer.cert], extra=extra)
        if what == "replay":
            self.replayed = self.replayed or w.by_ca.answer(cert, w.ca, extra=extra)
            return self.replayed
        if what == "short-lived":
            return w.by_ca.answer(cert, w.ca, extra=extra, next_=m.NOW + HOUR)
        if what == "no-next":
            return w.by_ca.answer(cert, w.ca, extra=extra, next_=None)
        return w.by_ca.answer(cert, w.ca, status=status, extra=extra)

    def by_openssl(self, knows, request):
        serial = "%X" % ocsp.load_der_ocsp_request(request).serial_number
        row = ROWS[knows] and "%s\t%s\tunknown\t/CN=x\n" % (ROWS[knows], serial.zfill(len(serial) + len(serial) % 2))
        write("index.txt", row.encode())
        write("request.der", request)
        openssl("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1",
                "-reqin", "request.der", "-respout", "response.der")
        return self.read("response.der")

    def read(self, file):
        with open(os.path.join(OUT, file), "rb") as f:
            return f.read()

    def body(self, path, request):
        parts = path.split("?")[0].strip("/").split("/")
        if parts[0] == "file":
            return self.read(parts[1] + ".ocsp")
        if parts[0] == "list":
            return self.read(parts[1])
        if not request:  # RFC 6960 A.1
            request = base64.b64decode(urllib.parse.unquote(parts[2]))
        if parts[0] == "openssl":
            return self.by_openssl(parts[1], request)
        return self.live(parts[1], ocsp.load_der_ocsp_request(request))


def whole(body, head=b"", status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


ODD = {
    "close": b"",
    "empty": whole(b""),
    "html": whole(b"<html><body>Sign in to the guest network</body></html>", b"Content-Type: text/html\r\n"),
    "huge": whole(b"x" * 70000),
    "large": whole(bytes((1 << 20) + 1)),
    "bomb": whole(gzip.compress(bytes(10 << 20)), b"Content-Encoding: gzip\r\n"),
    "no-http": b"220 ftp ready\r\n",
    "early": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
    "inside": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n",
    "loop": b"HTTP/1.1 302 Found\r\nLocation: /odd/loop\r\nContent-Length: 0\r\n\r\n",
}


class Server:
    def __init__(self, servers, label):
        self.servers, self.label = servers, label

    async def answer(self, path, request):
        head = b""
        while True:
            parts = path.split("/")
            if parts[1] == "slow":
                await asyncio.sleep(int(parts[2]) / 1000)
            elif parts[1] == "age":
                head += b"Cache-Control: %s\r\n" % urllib.parse.unquote(parts[2]).encode()
            elif parts[1] == "once":
                if parts[2] in self.servers.answered_once:
                    return ODD["close"]
                self.servers.answered_once.add(parts[2])
            else:
                break
            path = "/" + "/".join(parts[3:])
        if parts[1] == "http":
            wait = b"Retry-After: %s\r\n" % parts[3].encode() if len(parts) > 3 else b""
            return whole(b"<html>", wait, parts[2].encode() + b" Odd")
        if parts[1] == "odd":
            return ODD[parts[2]]
        return whole(self.servers.body(path, request), head)

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path = head.split(b" ")[:2]
            size = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            request = await reader.readexactly(size[0]) if size else b""
            print("asked", self.label, method.decode(), path.decode(), flush=True)
            if path == b"/odd/drip":
                for octet in whole(b"x" * 600):
                    writer.write(bytes([octet]))
                    await writer.drain()
                    await asyncio.sleep(1)
            elif path != b"/odd/silent":
                answer = await self.answer(path.decode(), request)
                print("done", self.label, flush=True)
                writer.write(answer)
                await writer.drain()
            else:
                await asyncio.sleep(60)
        except (OSError, asyncio.IncompleteReadError) as error:
            print("error", error, flush=True)
        except Exception as error:  # a defect of this file: tests must see it
            print("broken", repr(error), flush=True)
        finally:
            writer.close()


async def main():
    servers = Servers()
    ports = []
    listening = []
    for label in ["here", "there"]:
        server = await asyncio.start_server(Server(servers, label).serve, "127.0.0.1", 0, backlog=512)
        ports.append(server.sockets[0].getsockname()[1])
        listening.append(server)
    servers.populate(*["http://127.0.0.1:%d" % p for p in ports])
    print("port %d\nother %d\nready\n" % tuple(ports), flush=True)
    await asyncio.gather(*[server.serve_forever() for server in listening])


asyncio.run(main())
