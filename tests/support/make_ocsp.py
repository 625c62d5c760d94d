#!/usr/bin/python3
"""Writes OCSP responses, true ones and lies, and the certificates they are about: make_ocsp.py DIRECTORY.

True ones come from python3-cryptography. Lies are those with their DER tree changed and, where the lie is not the
signature, signed again. All are made anew in each build; nothing of it is a secret. `lies` below has one line a lie.
"""
import datetime
import gzip
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU

from certs.der_tree import Node, extension, oid, parse, signature
from certs.issue import DER, HOST, LATER, OUT, PEM, TLS, make, name, new_key, save, save_key, write

NOW = datetime.datetime(2026, 6, 1)
HOUR = datetime.timedelta(hours=1)
THIS, NEXT, PRODUCED = NOW - 12 * HOUR, NOW + 36 * HOUR, NOW - 11 * HOUR
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
NO_CHECK = (x509.OCSPNoCheck(), False)
ODD = "1.3.6.1.4.1.55555.1"
NONCE, OTHER_NONCE = bytes(range(32)), bytes(range(1, 33))


def text(time):
    return time.strftime("%Y%m%d%H%M%SZ").encode()


# --- the tree of a response (RFC 6960 4.2.1) ----------------------------------------------------------------------
def taken_apart(der):
    response = parse(der)[0]
    octets = response[1][0][1]
    return response, octets, parse(octets.content)[0]


def put_together(response, octets, basic):
    octets.content = basic.dump()
    return response.dump()


def statements(tbs):
    return next(n for n in tbs.content if n.tag == 0x30)


def produced(tbs, value):
    at = next(i for i, n in enumerate(tbs.content) if n.tag == 0x18)
    tbs.content[at] = Node(0x18, value)


class Responder:
    """A certificate and its key that sign."""

    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def answer(self, about, issuer, status=GOOD, this=THIS, next_=NEXT, made=PRODUCED, by_key=False, embed=(),
               digest=hashes.SHA256(), id_hash=hashes.SHA1(), reason=None, extra=(), change=None, sign=None):
        """`change` gets the signed part's tree. `sign` is another key than the responder's own."""
        revoked_at = NOW - 24 * HOUR if status == REVOKED else None
        how = ocsp.OCSPResponderEncoding.HASH if by_key else ocsp.OCSPResponderEncoding.NAME
        b = (ocsp.OCSPResponseBuilder()
             .add_response(about, issuer, id_hash, status, this, next_, revoked_at, reason)
             .responder_id(how, self.cert))
        if embed:
            b = b.certificates(list(embed))
        for e in extra:
            b = b.add_extension(*e)
        response, octets, basic = taken_apart(b.sign(self.key, digest).public_bytes(DER))
        produced(basic[0], text(made))
        if change:
            change(basic[0])
        basic.content[2] = Node(3, b"\0" + signature(sign or self.key, basic[0].dump(), digest))
        return put_together(response, octets, basic)


def with_statements_of(*others):
    """Appends the statements of other responses."""
    def change(tbs):
        for der in others:
            statements(tbs).content.extend(statements(taken_apart(der)[2][0]).content)
    return change


def in_statement(change):
    return lambda tbs: change(statements(tbs)[0])


def in_id(member, content):
    def change(statement):
        statement[0].content[member].content = content(statement[0][member].content)
    return in_statement(change)


def flipped(octets):
    return bytes([octets[0] ^ 1]) + octets[1:]


def over_long(der):
    """BER: the outermost length with an octet too many."""
    return der[:1] + (bytes([der[1] + 1, 0]) if der[1] & 0x80 else bytes([0x81, der[1]])) + der[2:]


def unsigned_change(der, change):
    response, octets, basic = taken_apart(der)
    change(basic)
    return put_together(response, octets, basic)


def put(file, der):
    write(file + ".ocsp", der)


# --- those who play -----------------------------------------------------------------------------------------------
class World:
    def __init__(self):
        self.root_key, self.ca_key, self.leaf_key = new_key(), new_key(), new_key()
        self.root = make(name("Root"), self.root_key.public_key(), None, self.root_key, ca=True, end=LATER)
        self.ca = make(name("Issuing CA"), self.ca_key.public_key(), self.root, self.root_key, ca=True, end=LATER)
        self.leaf = self.issue("a.example.com", self.leaf_key, sans=HOST, eku=TLS)
        self.other = self.issue("b.example.com", self.leaf_key, sans=HOST, eku=TLS)
        self.by_ca, self.by_root = Responder(self.ca, self.ca_key), Responder(self.root, self.root_key)
        twin_key = new_key()
        twin = make(self.ca.subject, twin_key.public_key(), None, twin_key, ca=True, end=LATER)
        self.by_twin = Responder(twin, twin_key)
        for file in ["root", "ca", "leaf", "other"]:
            save(file, getattr(self, file))
            write(file + ".pem", getattr(self, file).public_bytes(PEM))
        save("twin", twin)
        for file, key in [("ca", self.ca_key), ("leaf", self.leaf_key)]:
            save_key(file, key)

    def issue(self, subject, key, by=None, **kwargs):
        """By the issuing CA unless `by` names another Responder; None as its certificate is self-signed."""
        issuer, issuer_key = (by.cert, by.key) if by else (self.ca, self.ca_key)
        return make(name(subject), key.public_key(), issuer, issuer_key, **dict({"end": LATER}, **kwargs))

    def delegate(self, subject, key=None, **kwargs):
        key = key or new_key()
        args = dict(eku=[EKU.OCSP_SIGNING], ku=("digital_signature",), extra=[NO_CHECK])
        return Responder(self.issue(subject, key, **dict(args, **kwargs)), key)

    def says(self, file, responder=None, about=None, issuer=None, **kwargs):
        """A response about the leaf by the issuing CA, unless said otherwise; delegates embed themselves."""
        responder = responder or self.by_ca
        if responder not in (self.by_ca, self.by_root, self.by_twin):
            kwargs.setdefault("embed", [responder.cert])
        der = responder.answer(about or self.leaf, issuer or self.ca, **kwargs)
        put(file, der)
        return der


def truths(w):
    w.says("good")
    w.says("good-by-key", by_key=True)
    w.says("good-sha256-id", id_hash=hashes.SHA256())
    w.says("good-delegate", w.delegate("Delegate"))
    w.says("good-delegate-by-key", w.delegate("Delegate"), by_key=True)
    w.says("good-delegate-to-be-checked", w.delegate("Unchecked", extra=()))
    w.says("good-delegate-non-repudiation", w.delegate("National", ku=("content_commitment",)))
    w.says("good-two-ids", change=with_statements_of(w.by_ca.answer(
        w.leaf, w.ca, id_hash=hashes.SHA256(), this=THIS - HOUR, next_=NEXT - HOUR)))
    w.says("good-among-others", change=with_statements_of(
        w.by_ca.answer(w.other, w.ca, status=REVOKED), w.by_ca.answer(w.root, w.root)))
    w.says("good-nonce", extra=[(x509.OCSPNonce(NONCE), False)])
    w.says("no-next", next_=None)
    w.says("revoked", status=REVOKED)
    w.says("revoked-compromised", status=REVOKED, reason=x509.ReasonFlags.key_compromise)
    w.says("on-hold", status=REVOKED, reason=x509.ReasonFlags.certificate_hold)
    w.says("unknown", status=UNKNOWN)
    key = new_key()
    designated = make(name("Designated"), key.public_key(), None, key, end=LATER, eku=[EKU.OCSP_SIGNING],
                      ku=("digital_signature",))
    save("designated", designated)
    w.says("designated", Responder(designated, key), embed=())
    plain = make(name("Plain"), key.public_key(), None, key, end=LATER, eku=TLS, ku=("digital_signature",))
    save("plain", plain)
    w.says("designated-without-usage", Responder(plain, key), embed=())


# --- lies ---------------------------------------------------------------------------------------------------------
def lies_about_ids(w):
    w.says("other-serial", about=w.other)
    w.says("other-issuer-name", change=in_id(1, flipped))
    w.says("other-issuer-key", change=in_id(2, flipped))
    w.says("other-hash", change=in_id(0, lambda _: parse(Node(0x30, [oid("2.16.840.1.101.3.4.2.1")]).dump())[0].content))
    w.says("of-twin", w.by_twin, issuer=w.by_twin.cert)


def lies_about_time(w):
    w.says("future", this=NOW + HOUR, made=NOW + HOUR)
    w.says("stale", this=NOW - 48 * HOUR, next_=NOW - HOUR, made=NOW - 48 * HOUR)
    w.says("stale-revoked", status=REVOKED, this=NOW - 48 * HOUR, next_=NOW - HOUR, made=NOW - 48 * HOUR)
    w.says("produced-in-future", made=NOW + HOUR)
    w.says("produced-after-next", made=NOW - HOUR, next_=NOW - 2 * HOUR)
    w.says("produced-before-this", made=THIS - HOUR)
    w.says("next-before-this", change=in_statement(
        lambda s: s.content.__setitem__(3, Node(0xA0, [Node(0x18, text(THIS - HOUR))]))))
    w.says("fractions", change=lambda tbs: produced(tbs, b"20260531130000.5Z"))
    w.says("no-such-day", change=lambda tbs: produced(tbs, b"20260231130000Z"))
    w.says("year-9999", change=in_statement(lambda s: s.content.__setitem__(2, Node(0x18, b"99991231235959Z"))))


def lies_about_responders(w):
    key = new_key()
    w.says("by-stranger", Responder(make(name("Stranger"), key.public_key(), None, key, end=LATER,
                                         eku=[EKU.OCSP_SIGNING], ku=("digital_signature",)), key))
    w.says("revoked-by-stranger", Responder(make(name("Stranger"), key.public_key(), None, key, end=LATER,
                                                 eku=[EKU.OCSP_SIGNING], ku=("digital_signature",)), key),
           status=REVOKED)
    w.says("by-nobody", Responder(w.other, w.leaf_key), embed=())
    w.says("by-twin", w.by_twin)
    w.says("by-twin-embedded", w.by_twin, embed=[w.by_twin.cert])
    w.says("by-root", w.by_root, embed=[w.root])
    w.says("by-delegate-of-root", w.delegate("Root's", by=w.by_root))
    w.says("by-delegate-of-twin", w.delegate("Twin's", by=w.by_twin))
    w.says("by-delegate-of-delegate", w.delegate("Second", by=w.delegate("First")))
    w.says("by-leaf", Responder(w.other, w.leaf_key))
    w.says("by-delegate-any-usage", w.delegate("Any", eku=[EKU.ANY_EXTENDED_KEY_USAGE]))
    w.says("by-delegate-no-usage", w.delegate("None", eku=None))
    w.says("by-delegate-expired", w.delegate("Old", end=NOW - HOUR))
    w.says("by-delegate-to-come", w.delegate("New", begin=NOW + HOUR))
    w.says("by-delegate-too-young", w.delegate("Young", begin=PRODUCED + HOUR))
    w.says("by-delegate-key-usage", w.delegate("Encipherer", ku=("key_encipherment",)))
    w.says("by-sub-ca", w.delegate("Sub CA", ca=True, ku=("digital_signature", "key_cert_sign")))
    w.says("by-delegate-critical", w.delegate("Odd", extra=[
        (x509.UnrecognizedExtension(x509.ObjectIdentifier(ODD), b"\x05\x00"), True)]))
    w.says("by-delegate-sha1", w.delegate("Sha1", digest=hashes.SHA1()))
    w.says("by-delegate-short", w.delegate("Short", key=rsa.generate_private_key(65537, 1024)))
    forged = w.delegate("Forged")
    tree = parse(forged.cert.public_bytes(DER))[0]
    tree[2].content = tree[2].content[:-1] + flipped(tree[2].content[-1:])
    forged.cert = x509.load_der_x509_certificate(tree.dump())
    w.says("by-forged-delegate", forged)
    w.says("about-itself", about=w.ca, issuer=w.root, embed=[w.ca])
    eager = w.delegate("Eager")
    save("eager", eager.cert)
    w.says("leaf-about-itself", eager, about=eager.cert)
    w.says("root-about-itself", w.by_root, about=w.root, issuer=w.root)


def lies_of_signatures(w):
    good = w.by_ca.answer(w.leaf, w.ca)

    def tamper(basic):
        basic[2].content = basic[2].content[:-1] + flipped(basic[2].content[-1:])
    put("tampered-signature", unsigned_change(good, tamper))
    revoked = w.by_ca.answer(w.leaf, w.ca, status=REVOKED)

    def absolve(basic):
        statements(basic[0])[0].content[1] = Node(0x80, b"")
    put("tampered-status", unsigned_change(revoked, absolve))
    put("no-signature", unsigned_change(good, lambda basic: basic.content.__setitem__(2, Node(3, b"\0"))))
    w.says("key-of-another", by_key=True, sign=new_key())
    w.says("sha1", digest=hashes.SHA1())
    key = rsa.generate_private_key(65537, 1024)
    short_ca = make(name("Short CA"), key.public_key(), w.root, w.root_key, ca=True, end=LATER)
    short_leaf = w.issue("c.example.com", w.leaf_key, by=Responder(short_ca, key), sans=HOST)
    save("short-ca", short_ca)
    save("short-leaf", short_leaf)
    w.says("short-key", Responder(short_ca, key), about=short_leaf, issuer=short_ca, embed=())


def lies_within(w):
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(ODD), b"\x05\x00")
    revoked = w.by_ca.answer(w.leaf, w.ca, status=REVOKED)
    w.says("good-then-revoked", change=with_statements_of(revoked))
    w.says("revoked-then-good", status=REVOKED, change=with_statements_of(w.by_ca.answer(w.leaf, w.ca)))
    w.says("good-then-revoked-by-other-id", change=with_statements_of(
        w.by_ca.answer(w.leaf, w.ca, status=REVOKED, id_hash=hashes.SHA256())))
    w.says("on-hold-then-revoked", status=REVOKED, reason=x509.ReasonFlags.certificate_hold,
           change=with_statements_of(w.by_ca.answer(w.leaf, w.ca, status=REVOKED, reason=x509.ReasonFlags.superseded)))
    w.says("good-then-unknown", change=with_statements_of(w.by_ca.answer(w.leaf, w.ca, status=UNKNOWN)))
    w.says("good-then-stale", change=with_statements_of(
        w.by_ca.answer(w.leaf, w.ca, status=REVOKED, this=NOW - 48 * HOUR, next_=NOW - HOUR)))
    w.says("critical", extra=[(odd, True)])
    w.says("not-critical", extra=[(odd, False)])
    w.says("critical-statement", change=in_statement(
        lambda s: s.content.append(Node(0xA1, [Node(0x30, [extension(ODD, b"\x05\x00", True)])]))))
    w.says("critical-certificate-issuer", change=in_statement(
        lambda s: s.content.append(Node(0xA1, [Node(0x30, [extension("2.5.29.29", b"\x30\x00", True)])]))))
    w.says("critical-revoked", status=REVOKED, extra=[(odd, True)])
    w.says("nonce-wrong", extra=[(x509.OCSPNonce(OTHER_NONCE), False)])

    def twice(tbs):
        tbs[-1][0].content.append(tbs[-1][0][0])
    w.says("nonce-twice", extra=[(x509.OCSPNonce(NONCE), False)], change=twice)
    w.says("version-2", change=lambda tbs: tbs.content.insert(0, Node(0xA0, [Node(2, b"\x01")])))
    w.says("version-written-out", change=lambda tbs: tbs.content.insert(0, Node(0xA0, [Node(2, b"\0")])))
    w.says("about-nothing", change=lambda tbs: setattr(statements(tbs), "content", []))
    w.says("about-many", change=lambda tbs: setattr(statements(tbs), "content", statements(tbs).content * 65))
    w.says("many-certificates", embed=[w.other] * 17)


def lies_of_form(w):
    for status in ["MALFORMED_REQUEST", "INTERNAL_ERROR", "TRY_LATER", "SIG_REQUIRED", "UNAUTHORIZED"]:
        der = ocsp.OCSPResponseBuilder.build_unsuccessful(getattr(ocsp.OCSPResponseStatus, status)).public_bytes(DER)
        put("status-" + status.lower().replace("_", "-"), der)
    put("status-trailing", b"\x30\x03\x0a\x01\x03\x00")
    put("status-unassigned", b"\x30\x03\x0a\x01\x09")
    put("success-without-response", b"\x30\x03\x0a\x01\x00")
    put("empty", b"")
    put("html", b"<html><body>503 Service Unavailable</body></html>\n")
    put("gzip", gzip.compress(b"\0" * 10_000_000, mtime=0))
    good = w.by_ca.answer(w.leaf, w.ca)
    put("trailing", good + b"\0")
    put("pem", b"-----BEGIN OCSP RESPONSE-----\nMAMKAQE=\n-----END OCSP RESPONSE-----\n")
    put("large", good + b"\0" * 65536)
    put("ber-outside", over_long(good))
    response, octets, basic = taken_apart(good)
    octets.content = over_long(basic.dump())
    put("ber-inside", response.dump())
    w.says("ber-name", change=lambda tbs: tbs.content.__setitem__(0, Node(0xA1, over_long(tbs[0][0].dump()))))
    response, octets, basic = taken_apart(good)
    response[1][0].content[0] = oid(ODD)
    put("another-type", put_together(response, octets, basic))


def main():
    os.makedirs(OUT, exist_ok=True)
    w = World()
    truths(w)
    for lies in [lies_about_ids, lies_about_time, lies_about_responders, lies_of_signatures, lies_within,
                 lies_of_form]:
        lies(w)


if __name__ == "__main__":
    sys.exit(main())
