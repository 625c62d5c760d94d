#!/usr/bin/python3
"""A responder that knows many certificates, for bench_monitor: ocsp_peer.py FOLDER COUNT MILLISECONDS.

Writes FOLDER/ca.der and FOLDER/certificates.pem (COUNT, P-256), signs one answer for each, prints "port N", and answers
each question after that many milliseconds with what was signed before.
"""
import asyncio
import datetime
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

FOLDER, COUNT, DELAY = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000
NOW = datetime.datetime.utcnow()
HOUR = datetime.timedelta(hours=1)
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(subject, public, issuer, key, ca):
    return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(NOW - HOUR).not_valid_after(NOW + 1000 * HOUR)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject.replace(" ", "-") + ".example.com")]), False)
            .sign(key, hashes.SHA256()))


def make():
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = issue("Bench CA", key.public_key(), "Bench CA", key, True)
    answers = {}
    with open(os.path.join(FOLDER, "certificates.pem"), "wb") as out:
        for i in range(COUNT):
            leaf = issue("host %d" % i, leaf_key.public_key(), "Bench CA", key, False)
            out.write(leaf.public_bytes(PEM))
            answers[leaf.serial_number] = (
                ocsp.OCSPResponseBuilder()
                .add_response(leaf, ca, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, NOW - HOUR, NOW + 48 * HOUR, None, None)
                .responder_id(ocsp.OCSPResponderEncoding.HASH, ca).sign(key, hashes.SHA256()).public_bytes(DER))
    with open(os.path.join(FOLDER, "ca.der"), "wb") as out:
        out.write(ca.public_bytes(DER))
    return answers


async def main():
    answers = make()

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        serial = ocsp.load_der_ocsp_request(await reader.readexactly(size)).serial_number
        await asyncio.sleep(DELAY)
        body = answers[serial]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print("port %d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
