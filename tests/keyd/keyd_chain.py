#!/usr/bin/python3
"""Certificates for keys that live in a token: public keys in, each with a certificate by a CA below a root.

Reads lines "NAME SPKI" (DER, base64), writes one line each: the certificate, the CA's, the root's (DER, base64)."""
import base64
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DER = serialization.Encoding.DER
NOW = datetime.datetime.utcnow()


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(subject, public_key, issuer, issuer_key, ca):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - datetime.timedelta(days=1))
    builder = builder.not_valid_after(NOW + datetime.timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    return builder.sign(issuer_key, hashes.SHA256())


root_key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
root = issue("Keyd Root", root_key.public_key(), "Keyd Root", root_key, True)
ca = issue("Keyd CA", ca_key.public_key(), "Keyd Root", root_key, True)
for line in sys.stdin:
    subject, spki = line.split()
    public = serialization.load_der_public_key(base64.b64decode(spki))
    chain = [issue(subject, public, "Keyd CA", ca_key, False), ca, root]
    print(" ".join(base64.b64encode(c.public_bytes(DER)).decode() for c in chain))
