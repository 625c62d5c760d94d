#!/usr/bin/python3
"""Writes revocation lists about one certificate, true ones and lies: make_lists.py DIRECTORY.

The players are leaf (names http://crl.test/a.crl), plain (names no point), sub (a CA), all of the CA `ca`.
"""
import datetime
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.der_tree import Node, changed
from certs.issue import BEGIN, DER, HOST, LATER, OUT, TLS, make, name, new_key, save, save_key, write

NOW = datetime.datetime(2026, 6, 1)
HOUR = datetime.timedelta(hours=1)
THIS, NEXT = NOW - 12 * HOUR, NOW + 36 * HOUR
ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
R = x509.ReasonFlags


def uri(url):
    return x509.UniformResourceIdentifier(url)


def entry(serial, reason=None, *extra):
    b = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 24 * HOUR)
    if reason:
        b = b.add_extension(x509.CRLReason(reason), False)
    for e in extra:
        b = b.add_extension(*e)
    return b.build()


def scope(names=None, relative=None, user=False, ca=False, reasons=None, indirect=False, attributes=False):
    return (x509.IssuingDistributionPoint(names, relative, user, ca, reasons, indirect, attributes), True)


class World:
    def __init__(self):
        self.root_key, self.key, self.leaf_key = new_key(), new_key(), new_key()
        self.root = make(name("Root"), self.root_key.public_key(), None, self.root_key, ca=True, end=LATER)
        self.ca = make(name("Issuing CA"), self.key.public_key(), self.root, self.root_key, ca=True, end=LATER)
        point = x509.DistributionPoint([uri("http://crl.test/a.crl")], None, None, None)
        partial = x509.DistributionPoint([uri("http://crl.test/part.crl")], None, frozenset([R.key_compromise]), None)
        self.leaf = self.issue("leaf", extra=[(x509.CRLDistributionPoints([point, partial]), False)])
        self.plain = self.issue("plain")
        self.sub = make(name("Sub"), self.leaf_key.public_key(), self.ca, self.key, ca=True, end=LATER)
        for file in ["root", "ca", "sub"]:
            save(file, getattr(self, file))
        save_key("ca", self.key)

    def issue(self, file, ca=None, key=None, **kwargs):
        cert = make(name(file), self.leaf_key.public_key(), ca or self.ca, key or self.key, sans=HOST, eku=TLS, end=LATER,
                    **kwargs)
        save(file, cert)
        return cert

    def says(self, file, *entries, key=None, issuer=None, this=THIS, next_=NEXT, extra=(), digest=hashes.SHA256(),
             change=None):
        b = (x509.CertificateRevocationListBuilder().issuer_name((issuer or self.ca).subject).last_update(this)
             .next_update(next_).add_extension(x509.CRLNumber(7), False))
        for e in entries:
            b = b.add_revoked_certificate(e)
        for e in extra:
            b = b.add_extension(*e)
        key = key or self.key
        der = b.sign(key, digest).public_bytes(DER)
        der = changed(der, key, change) if change else der
        write(file + ".crl", der)
        return der


def truths(w):
    serial, other = w.leaf.serial_number, w.plain.serial_number + 1
    w.says("good")
    w.says("good-others", entry(other, R.key_compromise), entry(serial + 1))
    w.says("revoked", entry(other), entry(serial))
    w.says("compromised", entry(serial, R.key_compromise))
    w.says("on-hold", entry(serial, R.certificate_hold))
    w.says("hold-then-revoked", entry(serial, R.certificate_hold), entry(serial, R.superseded))
    w.says("point", extra=[scope([uri("http://elsewhere.test/"), uri("http://crl.test/a.crl")])])
    w.says("user", extra=[scope(user=True)])
    w.says("of-cas", extra=[scope(ca=True)])
    w.says("reasons-revoked", entry(serial, R.key_compromise), extra=[scope(reasons=frozenset([R.key_compromise]))])
    w.says("odd", extra=[(ODD, False)])
    w.says("odd-entry", entry(other, None, (ODD, False)))

    def without_extensions(tbs):
        del tbs.content[0]
        del tbs.content[-1]
    w.says("version-1", change=without_extensions)
    w.says("no-next", change=lambda tbs: tbs.content.pop(4))


def lies(w):
    serial, other = w.leaf.serial_number, w.plain.serial_number + 1
    w.says("stale", this=NOW - 48 * HOUR, next_=NOW - HOUR)
    w.says("stale-revoked", entry(serial), this=NOW - 48 * HOUR, next_=NOW - HOUR)
    w.says("future", this=NOW + HOUR)
    w.says("next-before-this", change=lambda tbs: tbs.content.__setitem__(4, Node(0x17, b"260101000000Z")))
    w.says("forged", key=new_key())
    w.says("forged-revoked", entry(serial), key=new_key())
    w.says("by-root", issuer=w.root, key=w.root_key)
    w.says("by-leaf", issuer=w.leaf, key=w.leaf_key)
    w.says("critical", extra=[(ODD, True)])
    w.says("critical-revoked", entry(serial), extra=[(ODD, True)])
    w.says("critical-entry", entry(other, None, (ODD, True)))
    w.says("critical-own-entry", entry(serial, None, (ODD, True)))
    w.says("entry-of-another-ca", entry(other, None, (x509.CertificateIssuer([x509.DirectoryName(w.root.subject)]), True)))
    w.says("delta", extra=[(x509.DeltaCRLIndicator(3), True)])
    w.says("delta-not-critical", extra=[(x509.DeltaCRLIndicator(3), False)])
    w.says("remove", entry(serial, R.remove_from_crl))
    w.says("attributes", extra=[scope(attributes=True)])
    w.says("indirect", extra=[scope(indirect=True)])
    w.says("reasons", extra=[scope(reasons=frozenset([R.key_compromise]))])
    w.says("point-of-others", extra=[scope([uri("http://crl.test/b.crl")])])
    w.says("point-for-reasons", extra=[scope([uri("http://crl.test/part.crl")])])
    w.says("point-relative", extra=[scope(relative=x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")]))])
    w.says("version-1-extended", change=lambda tbs: tbs.content.pop(0))
    w.says("version-3", change=lambda tbs: tbs.content.__setitem__(0, Node(2, b"\x02")))
    good = w.says("good-again")
    write("trailing.crl", good + b"\0")
    write("empty.crl", b"")
    write("html.crl", b"<html><body>404</body></html>")
    write("large.crl", good + bytes(1 << 20))


def other_cas(w):
    """A CA each whose list can not be believed, and a leaf of it."""
    def play(file, key=None, digest=hashes.SHA256(), **kwargs):
        key = key or new_key()
        ca = make(name(file), key.public_key(), w.root, w.root_key, ca=True, **dict({"end": LATER}, **kwargs))
        save("ca-" + file, ca)
        w.issue("leaf-" + file, ca, key)
        w.says(file, issuer=ca, key=key, digest=digest)
    play("mute", ku=("key_cert_sign",))
    play("expired", end=NOW - HOUR, begin=BEGIN)
    play("sha1", digest=hashes.SHA1())
    play("sha1-rsa", key=rsa.generate_private_key(65537, 2048), digest=hashes.SHA1())
    play("short", key=rsa.generate_private_key(65537, 1024))
    play("other")


def main():
    os.makedirs(OUT, exist_ok=True)
    w = World()
    truths(w)
    lies(w)
    other_cas(w)


if __name__ == "__main__":
    sys.exit(main())
