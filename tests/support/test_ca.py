#!/usr/bin/python3
"""A CA for tests, which signs as well or as oddly as it is told: one JSON object a line in, one a line out.

  {"do": "chain"}                 -> {"root": PEM, "intermediate": PEM, …}: the certificates of every issuer below
  {"do": "sign", "csr": PEM, …}   -> {"pem": PEM, "der": base64}
  {"do": "mesh", "size": N}       -> {"root": PEM, "certificates": [PEM, …]}: N CAs, each cross-signed by each other, those
                                     of the root's own first; the root is the last one's, "mesh" is an issuer from then on
  {"do": "deep", "size": N}       -> {"certificates": [PEM, …]}: N CAs, each issued by the one before it, the root first

"sign" copies the request's subject, names and usages, and changes what it is asked to:
  issuer    one of ISSUERS (default "intermediate")
  begin, end          days from now (default -1, 365)
  digest              "sha1", "sha256"
  subject             a common name instead of the request's subject
  sans                the names instead of the request's ("DNS:a"); [] for none
  ku, eku             usages instead of the request's (names of python3-cryptography; OIDs)
  ca, path            basicConstraints
  key                 another key than the request's: "rsa-1024", "dsa", …
  odd                 one of ODD: a change of the DER, signed again
  raw                 one of RAW: a change of the signed octets
"""
import base64
import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from certs import der_tree, issue, odd
from certs.der_tree import ALGORITHM, EXTENSIONS, SERIAL, SPKI, SUBJECT, VALIDITY, VERSION, Node

NOW = datetime.datetime.utcnow().replace(microsecond=0)
CN = "2.5.4.3"


def days(n):
    return NOW + datetime.timedelta(days=n)


class Issuer:
    def __init__(self, title, parent=None, begin=-30, end=3650, **kwargs):
        self.key = issue.new_key()
        self.cert = issue.make(issue.name(title, "Test CA"), self.key.public_key(), parent and parent.cert,
                            parent.key if parent else self.key, ca=True, begin=days(begin), end=days(end), **kwargs)

    def pem(self):
        return self.cert.public_bytes(issue.PEM).decode()


def issuers():
    root = Issuer("Root")
    constrained = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
    return {
        "root": root,
        "intermediate": Issuer("Intermediate", root, path=0),
        "second": Issuer("Second", root),
        "constrained": Issuer("Constrained", root, constraints=constrained),
        "short": Issuer("Short", root, end=30),
        "unknown": Issuer("Nobody's"),
        "twin": Issuer("Intermediate"),  # the intermediate's name, another key
    }


def put(i, node):
    return lambda tbs: tbs.content.__setitem__(i, node)


def subject(*rdns):
    return put(SUBJECT, Node(0x30, list(rdns)))


def text(tag, value):
    return subject(der_tree.attribute(CN, tag, value))


def more(*extensions):
    return lambda tbs: tbs[EXTENSIONS][0].content.extend(extensions)


def many_names(n):
    value = Node(0x30, [Node(0x82, b"h%d.example.com" % i) for i in range(n)]).dump()

    def change(tbs):
        kept = [e for e in tbs[EXTENSIONS][0].content if e[0].content != der_tree.encode_oid("2.5.29.17")]
        tbs[EXTENSIONS].content[0] = Node(0x30, kept + [der_tree.extension("2.5.29.17", value)])
    return change


def name_octets(octets):
    value = Node(0x30, [Node(0x82, octets)]).dump()

    def change(tbs):
        kept = [e for e in tbs[EXTENSIONS][0].content if e[0].content != der_tree.encode_oid("2.5.29.17")]
        tbs[EXTENSIONS].content[0] = Node(0x30, kept + [der_tree.extension("2.5.29.17", value)])
    return change


def compressed(tbs):
    point = tbs[SPKI][1].content[1:]
    x, y = point[1:33], point[33:]
    tbs[SPKI].content[1] = Node(3, b"\0" + bytes([2 + (y[-1] & 1)]) + x)


def explicit(tbs):
    """The request's own point, with P-256 spelled out instead of named (RFC 3279 §2.3.5)."""
    p = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    g = bytes.fromhex("046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
                      "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5")
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

    def integer(v):
        return Node(2, v.to_bytes(v.bit_length() // 8 + 1, "big"))
    curve = Node(0x30, [Node(4, (p - 3).to_bytes(32, "big")), Node(4, b.to_bytes(32, "big"))])
    field = Node(0x30, [der_tree.oid("1.2.840.10045.1.1"), integer(p)])
    tbs[SPKI][0].content[1] = Node(0x30, [integer(1), field, curve, Node(4, g), integer(n), integer(1)])


def rsa_numbers(n, e):
    def integer(v):
        return Node(2, v.to_bytes(v.bit_length() // 8 + 1, "big"))
    key = Node(3, b"\0" + Node(0x30, [integer(n), integer(e)]).dump())
    return put(SPKI, Node(0x30, [Node(0x30, [der_tree.oid("1.2.840.113549.1.1.1"), Node(5, b"")]), key]))


def weak_rsa(wish):
    key = rsa.generate_private_key(65537, 2048)
    n, p = key.public_key().public_numbers().n, key.private_numbers().p
    return {
        "rsa-e1": lambda: rsa_numbers(n, 1),
        "rsa-e3": lambda: rsa_numbers(n, 3),
        "rsa-2049": lambda: rsa_numbers((1 << 2048) | n, 65537),
        "rsa-16384": lambda: rsa_numbers((1 << 16383) | 0x1234567, 65537),
        "rsa-fermat": lambda: rsa_numbers(p * odd.next_prime(p + 2), 65537),
        "rsa-roca": lambda: rsa_numbers(odd.roca_prime(971) * odd.roca_prime(977), 65537),
    }[wish]()


ODD = {
    "serial-zero": put(SERIAL, Node(2, b"\0")),
    "serial-negative": put(SERIAL, Node(2, b"\x85\x11")),
    "serial-21": put(SERIAL, Node(2, b"\x11" * 21)),
    "version-2-extensions": put(VERSION, Node(0xA0, [Node(2, b"\1")])),
    "version-1": lambda t: (t.content.pop(EXTENSIONS), t.content.pop(VERSION)),
    "inverted": lambda t: t[VALIDITY].content.reverse(),
    "unknown-critical": more(der_tree.extension("1.2.3.4.5", b"\x05\0", True)),
    "duplicate-extension": lambda t: t[EXTENSIONS][0].content.append(t[EXTENSIONS][0][0]),
    "algorithm-mismatch": lambda t: t[ALGORITHM].content.__setitem__(0, der_tree.oid("1.2.840.10045.4.3.3")),
    "subject-nul": text(0x0C, b"bank.com\0.evil"),
    "subject-newline": text(0x0C, b"a\nb\x1b[31m"),
    "subject-invalid-utf8": text(0x0C, b"a\xff\xfe"),
    "subject-bmp-odd": text(0x1E, b"\0a\0"),
    "subject-bmp": text(0x1E, "Zoë of Sales".encode("utf-16-be")),
    "subject-teletex": text(0x14, b"Zo\xeb of Sales"),
    "subject-1000-rdns": subject(*[der_tree.attribute(CN, 0x0C, b"a")] * 1000),
    "subject-32768": text(0x0C, b"a" * 32768),
    "subject-multi": subject(Node(0x31, [Node(0x30, [der_tree.oid("2.5.4.10"), Node(0x0C, b"O")]),
                                         Node(0x30, [der_tree.oid("2.5.4.11"), Node(0x0C, b"U")])])),
    "san-101": many_names(101),
    "san-100000": many_names(100000),
    "san-nul": name_octets(b"a.example.com\0.evil"),
    "ec-compressed": compressed,
    "ec-explicit": explicit,
    "ec-off-curve": lambda t: t[SPKI].content.__setitem__(1, Node(3, b"\0\4" + b"\x11" * 64)),
    "ec-infinity": lambda t: t[SPKI].content.__setitem__(1, Node(3, b"\0\0")),
    "key-gost": lambda t: t[SPKI][0].content.__setitem__(0, der_tree.oid("1.2.643.7.1.1.1.1")),
}


def inner(der):
    return b"".join(c.dump() for c in der_tree.parse(der)[0].content)


RAW = {
    "flipped": lambda der: der[:-1] + bytes([der[-1] ^ 1]),
    "trailing": lambda der: der + b"\x05\0",
    "ber-indefinite": lambda der: b"\x30\x80" + inner(der) + b"\0\0",
    "ber-long-length": lambda der: b"\x30\x83" + len(inner(der)).to_bytes(3, "big") + inner(der),
    "ber-4gib": lambda der: b"\x30\x84\xff\xff\xff\xff" + inner(der),
    "ber-5-byte-length": lambda der: b"\x30\x85\x01\0\0\0\0" + inner(der),
}

KEYS = {
    "rsa-512": lambda: rsa.generate_private_key(65537, 512),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ec-p256": issue.new_key,
    "ec-p224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "dsa": lambda: dsa.generate_private_key(2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def general_name(san):
    kind, value = san.split(":", 1)
    return {"DNS": x509.DNSName, "email": x509.RFC822Name, "URI": x509.UniformResourceIdentifier}[kind](value)


def sign(known, wish):
    request = x509.load_pem_x509_csr(wish["csr"].encode())
    asked = {e.oid: e.value for e in request.extensions}
    issuer = known[wish.get("issuer", "intermediate")]
    public = KEYS[wish["key"]]().public_key() if "key" in wish else request.public_key()
    name = request.subject
    if "subject" in wish:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, wish["subject"])])
    usages = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign"]
    ku = asked.get(x509.ExtensionOID.KEY_USAGE)
    ku = wish.get("ku", [u for u in usages if ku and getattr(ku, u)])
    eku = asked.get(x509.ExtensionOID.EXTENDED_KEY_USAGE)
    eku = [x509.ObjectIdentifier(o) for o in wish.get("eku", [u.dotted_string for u in eku or []])]
    sans = asked.get(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    sans = [general_name(s) for s in wish["sans"]] if "sans" in wish else list(sans or [])
    digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[wish.get("digest", "sha256")]()
    der = issue.make(name, public, issuer.cert, issuer.key, ca=wish.get("ca", False), path=wish.get("path"), sans=sans,
                  eku=eku, ku=tuple(ku), begin=days(wish.get("begin", -1)), end=days(wish.get("end", 365)),
                  digest=digest).public_bytes(issue.DER)
    if "odd" in wish:
        change = ODD.get(wish["odd"]) or weak_rsa(wish["odd"])
        der = der_tree.changed(der, issuer.key, change, digest)
    if "raw" in wish:
        der = RAW[wish["raw"]](der)
    body = base64.encodebytes(der).decode()
    return {"pem": "-----BEGIN CERTIFICATE-----\n" + body + "-----END CERTIFICATE-----\n",
            "der": base64.b64encode(der).decode()}


def self_signed(wish):
    """A certificate that a node might bring: for pinned entries."""
    key = issue.new_key()
    cert = issue.make(issue.name(wish["subject"]), key.public_key(), None, key, sans=[x509.DNSName(wish["subject"])],
                   ku=("digital_signature",), begin=days(-1), end=days(365))
    key_pem = key.private_bytes(issue.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"pem": cert.public_bytes(issue.PEM).decode(), "key": key_pem.decode()}


def authority(title, public, issuer_name, issuer_key):
    issuer = issue.make(issue.name(issuer_name), issuer_key.public_key(), None, issuer_key, ca=True)
    return issue.make(issue.name(title), public, issuer, issuer_key, ca=True, begin=days(-1), end=days(365))


def pem(certificate):
    return certificate.public_bytes(issue.PEM).decode()


def mesh(known, size):
    titles = ["Mesh %d" % i for i in range(size)]
    keys = [issue.new_key() for _ in titles]
    pairs = [(i, j) for j in reversed(range(size)) for i in range(size) if i != j]
    known["mesh"] = Issuer("Mesh 0")
    known["mesh"].key = keys[0]
    known["mesh"].cert = authority(titles[0], keys[0].public_key(), titles[-1], keys[-1])
    root = issue.make(issue.name(titles[-1]), keys[-1].public_key(), None, keys[-1], ca=True, begin=days(-1),
                      end=days(365))
    return {"root": pem(root),
            "certificates": [pem(authority(titles[i], keys[i].public_key(), titles[j], keys[j])) for i, j in pairs]}


def deep(size):
    key = issue.new_key()
    chain = [issue.make(issue.name("Deep 0"), key.public_key(), None, key, ca=True, begin=days(-1), end=days(365))]
    for i in range(1, size):
        below = issue.new_key()
        chain.append(authority("Deep %d" % i, below.public_key(), "Deep %d" % (i - 1), key))
        key = below
    return {"certificates": [pem(certificate) for certificate in chain]}


def main():
    known = issuers()
    for line in sys.stdin:
        wish = json.loads(line)
        if wish["do"] == "chain":
            answer = {title: issuer.pem() for title, issuer in known.items()}
        elif wish["do"] == "self-signed":
            answer = self_signed(wish)
        elif wish["do"] == "mesh":
            answer = mesh(known, wish["size"])
        elif wish["do"] == "deep":
            answer = deep(wish["size"])
        else:
            answer = sign(known, wish)
        print(json.dumps(answer), flush=True)


main()
