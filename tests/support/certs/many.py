#!/usr/bin/python3
"""Writes many CA certificates that look like those of real trust stores, for benches and tests of large stores.

    many.py bundle COUNT FILE    COUNT certificates in one PEM: nine self-signed roots, then the next is an intermediate
                                 that one of the nine issued; RSA-2048 and P-256 in turns, from a pool of 30 keys;
                                 all subjects differ. Within each ten the order is mixed, so that an intermediate may
                                 stand before its root, and any whole number of tens is complete by itself.
    many.py lscs FILE GROUP…     certificates of endpoints that one CAPF (FILE.ca, PEM) issued, all with one P-256 key and
                                 each with a subject of its own. GROUP is COUNT:DAYS: so many that end that many days
                                 from now, a second apart; DAYS may be a fraction, or below zero.
    many.py chain FOLDER         rsa-root.der, rsa-int.der, rsa-leaf.der and the same with ec-: one chain a kind of key.
"""
import datetime
import os
import random
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGIN = datetime.datetime(2020, 1, 1)
END = datetime.datetime(2045, 1, 1)
CA_USAGE = x509.KeyUsage(key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
                         key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                         decipher_only=False)
LEAF_USAGE = x509.KeyUsage(key_cert_sign=False, crl_sign=False, digital_signature=True, content_commitment=False,
                           key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                           decipher_only=False)
COUNTRIES = ["DE", "FR", "IT", "ES", "US", "JP", "CH", "AT", "NL", "SE"]


class Key:
    def __init__(self, kind):
        self.private = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        self.public = self.private.public_key()
        self.ski = x509.SubjectKeyIdentifier.from_public_key(self.public)
        self.aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.ski)


def name(number, role):
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRIES[number % len(COUNTRIES)]),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trust Services %d Ltd" % (number // 7)),
        x509.NameAttribute(NameOID.COMMON_NAME, "%s %d" % (role, number)),
    ])


def issue(subject, key, issuer, issuer_key, ca=True, path=None, sans=()):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public)
               .serial_number(x509.random_serial_number()).not_valid_before(BEGIN).not_valid_after(END)
               .add_extension(x509.BasicConstraints(ca, path), True)
               .add_extension(CA_USAGE if ca else LEAF_USAGE, True)
               .add_extension(key.ski, False).add_extension(issuer_key.aki, False))
    if sans:
        builder = (builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(s) for s in sans]), False)
                   .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    return builder.sign(issuer_key.private, hashes.SHA256())


def lscs(path, groups):
    capf, phone = Key("ec"), Key("ec")
    capf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CAPF-" + os.urandom(4).hex())])
    now = datetime.datetime.utcnow().replace(microsecond=0)
    number = 0
    with open(path + ".ca", "wb") as out:
        out.write(issue(capf_name, capf, capf_name, capf, path=0).public_bytes(serialization.Encoding.PEM))
    with open(path + ".part", "wb") as out:
        for group in groups:
            count, days = group.split(":")
            for i in range(int(count)):
                end = now + datetime.timedelta(days=float(days), seconds=i)
                subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SEP%012X" % number),
                                     x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Phones")])
                number += 1
                builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(capf_name).public_key(phone.public)
                           .serial_number(number).not_valid_before(BEGIN).not_valid_after(end)
                           .add_extension(LEAF_USAGE, True).add_extension(capf.aki, False)
                           .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False))
                out.write(builder.sign(capf.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    os.rename(path + ".part", path)


def bundle(count, path):
    keys = [Key("ec" if i % 2 else "rsa") for i in range(30)]
    mixed = random.Random(1)
    with open(path + ".part", "wb") as out:
        for first in range(0, count, 10):
            tens = []
            for i in range(first, min(first + 9, count)):
                key = keys[i % len(keys)]
                tens.append(issue(name(i, "Root CA"), key, name(i, "Root CA"), key))
            if first + 9 < count:
                root = first + mixed.randrange(9)
                tens.append(issue(name(first + 9, "Issuing CA"), keys[mixed.randrange(len(keys))],
                                  name(root, "Root CA"), keys[root % len(keys)], path=0))
            mixed.shuffle(tens)
            for certificate in tens:
                out.write(certificate.public_bytes(serialization.Encoding.PEM))
    os.rename(path + ".part", path)


def chain(folder):
    for kind in ("rsa", "ec"):
        root_key, int_key, leaf_key = Key(kind), Key(kind), Key(kind)
        root = issue(name(1, "Root CA"), root_key, name(1, "Root CA"), root_key)
        middle = issue(name(2, "Issuing CA"), int_key, root.subject, root_key, path=0)
        leaf = issue(name(3, "Server"), leaf_key, middle.subject, int_key, ca=False,
                     sans=["www.example.com", "example.com"])
        for role, certificate in (("root", root), ("int", middle), ("leaf", leaf)):
            with open(os.path.join(folder, "%s-%s.der" % (kind, role)), "wb") as out:
                out.write(certificate.public_bytes(serialization.Encoding.DER))


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "bundle":
        bundle(int(sys.argv[2]), sys.argv[3])
    elif len(sys.argv) >= 4 and sys.argv[1] == "lscs":
        lscs(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 3 and sys.argv[1] == "chain":
        chain(sys.argv[2])
    else:
        sys.exit(__doc__)
