#!/usr/bin/python3
"""Writes the certificates, odd and good, that the tests of keystore/x509 read: make_certs.py DIRECTORY.

Good ones come from python3-cryptography or the openssl command. Odd ones are good ones whose DER tree was changed and,
where the oddity is not the signature, signed again. All are made anew in each build; nothing of it is a secret.
"""
import datetime
import os
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU
from cryptography.x509.oid import NameOID

OUT = sys.argv[1] if len(sys.argv) > 1 else ""
BEGIN = datetime.datetime(2026, 1, 1)
END = datetime.datetime(2027, 1, 1)
LATER = datetime.datetime(2036, 1, 1)
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def openssl(*args, **kwargs):
    subprocess.run(["openssl", *args], check=True, cwd=OUT, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **kwargs)


# --- a DER tree, enough to change one place of a certificate -------------------------------------------------------
class Node:
    def __init__(self, tag, content):
        self.tag, self.content = tag, content  # content: bytes, or a list of Nodes

    def __getitem__(self, i):
        return self.content[i]

    def dump(self):
        body = self.content if isinstance(self.content, bytes) else b"".join(c.dump() for c in self.content)
        return bytes([self.tag]) + length(len(body)) + body


def length(n):
    if n < 128:
        return bytes([n])
    raw = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


def parse(data):
    nodes, i = [], 0
    while i < len(data):
        tag, size, i = data[i], data[i + 1], i + 2
        if size & 0x80:
            count = size & 0x7F
            size, i = int.from_bytes(data[i:i + count], "big"), i + count
        body = data[i:i + size]
        i += size
        nodes.append(Node(tag, parse(body) if tag & 0x20 else body))
    return nodes


def signature(key, data, digest):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest)
    return key.sign(data, ec.ECDSA(digest))


VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, SPKI, EXTENSIONS = range(8)


def changed(der, key, change, digest=hashes.SHA256()):
    """`change` gets the signed part's tree; the result is signed with `key` again."""
    cert = parse(der)[0]
    change(cert[0])
    cert.content[2] = Node(3, b"\0" + signature(key, cert[0].dump(), digest))
    return cert.dump()


def oid(text):
    return Node(6, x509.ObjectIdentifier(text) and encode_oid(text))


def encode_oid(text):
    parts = [int(p) for p in text.split(".")]
    out = bytes([parts[0] * 40 + parts[1]])
    for p in parts[2:]:
        chunk = [p & 0x7F]
        while p > 0x7F:
            p >>= 7
            chunk.insert(0, 0x80 | (p & 0x7F))
        out += bytes(chunk)
    return out


def attribute(type_oid, tag, value):
    return Node(0x31, [Node(0x30, [oid(type_oid), Node(tag, value)])])


def extension(ext_oid, value, critical=False):
    return Node(0x30, [oid(ext_oid)] + ([Node(1, b"\xff")] if critical else []) + [Node(4, value)])


# --- good certificates ----------------------------------------------------------------------------------------------
def name(cn, org=None):
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org)] if org else []
    return x509.Name(attributes + [x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def usage(*names):
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{n: n in names for n in every})


def make(subject, public, issuer=None, issuer_key=None, ca=False, path=None, sans=None, eku=None, ku=None,
         begin=BEGIN, end=END, digest=hashes.SHA256(), constraints=None, serial=None, basic=True, ids=True, extra=()):
    """issuer: a certificate, or None for self-signed with issuer_key."""
    issuer_name = issuer.subject if issuer else subject
    issuer_public = issuer.public_key() if issuer else public
    b = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(public)
         .serial_number(serial or x509.random_serial_number()).not_valid_before(begin).not_valid_after(end))
    if basic:
        b = b.add_extension(x509.BasicConstraints(ca, path), True)
    if ku is None:
        ku = ("key_cert_sign", "crl_sign") if ca else ("digital_signature", "key_encipherment")
    if ku:
        b = b.add_extension(usage(*ku), True)
    if eku:
        b = b.add_extension(x509.ExtendedKeyUsage(eku), False)
    if sans:
        b = b.add_extension(x509.SubjectAlternativeName(sans), False)
    if constraints:
        b = b.add_extension(constraints, True)
    if ids:
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), False)
    for e in extra:
        b = b.add_extension(*e)
    return b.sign(issuer_key, digest)


def save(file, cert):
    write(file + ".der", cert if isinstance(cert, bytes) else cert.public_bytes(DER))


TLS = [EKU.SERVER_AUTH, EKU.CLIENT_AUTH]
HOST = [x509.DNSName("a.example.com")]


def main():
    os.makedirs(OUT, exist_ok=True)
    root_key, int1_key, int2_key, leaf_key = new_key(), new_key(), new_key(), new_key()
    rsa_key = rsa.generate_private_key(65537, 2048)
    root = make(name("Root", "Example"), root_key.public_key(), None, root_key, ca=True, end=LATER)
    int1 = make(name("Intermediate 1"), int1_key.public_key(), root, root_key, ca=True, path=1, end=LATER)
    int2 = make(name("Intermediate 2"), int2_key.public_key(), int1, int1_key, ca=True, path=0, end=LATER)
    leaf = make(name("a.example.com", "Example"), leaf_key.public_key(), int2, int2_key, sans=HOST, eku=TLS)
    for file, cert in [("root", root), ("int1", int1), ("int2", int2), ("leaf", leaf)]:
        save(file, cert)
        write(file + ".pem", cert.public_bytes(PEM))
    der = leaf.public_bytes(DER)

    def by_int2(file, **kwargs):
        args = dict(sans=HOST, eku=TLS)
        args.update(kwargs)
        public = args.pop("public", leaf_key.public_key())
        cert = make(args.pop("subject", name("a.example.com")), public, int2, int2_key, **args)
        save(file, cert)
        return cert

    def odd(file, change, base=der, digest=hashes.SHA256()):
        save(file, changed(base, int2_key, change, digest))

    envelopes(der, leaf_key, int2_key, odd)
    keys(by_int2, odd, int2, int2_key)
    names(odd, by_int2)
    chains(root, root_key, int1, int1_key, int2, int2_key, leaf_key, by_int2)
    containers(leaf, root, int1, leaf_key, rsa_key)
    requests(leaf_key)


def envelopes(der, leaf_key, int2_key, odd):
    def put(tbs, i, node):
        tbs.content[i] = node

    odd("serial-zero", lambda t: put(t, SERIAL, Node(2, b"\0")))
    odd("serial-negative", lambda t: put(t, SERIAL, Node(2, b"\x85\x11")))
    odd("serial-21", lambda t: put(t, SERIAL, Node(2, b"\x11" * 21)))
    odd("serial-65", lambda t: put(t, SERIAL, Node(2, b"\x11" * 65)))
    odd("version-2-extensions", lambda t: put(t, VERSION, Node(0xA0, [Node(2, b"\1")])))
    odd("version-1", lambda t: (t.content.pop(EXTENSIONS), t.content.pop(VERSION)))
    odd("version-9", lambda t: put(t, VERSION, Node(0xA0, [Node(2, b"\x09")])))
    odd("inverted", lambda t: t[VALIDITY].content.reverse())
    odd("time-offset", lambda t: put(t, VALIDITY, Node(0x30, [Node(0x17, b"260101000000+0100"), t[VALIDITY][1]])))
    odd("unknown-critical", lambda t: t[EXTENSIONS][0].content.append(extension("1.2.3.4.5", b"\x05\0", True)))
    odd("duplicate-extension", lambda t: t[EXTENSIONS][0].content.append(t[EXTENSIONS][0][0]))
    odd("extension-ber", lambda t: t[EXTENSIONS][0].content.append(
        extension("2.5.29.18", b"\x30\x80\x82\x01a\0\0")))
    odd("extension-trailing", lambda t: t[EXTENSIONS][0].content.append(
        extension("2.5.29.18", b"\x30\x03\x82\x01a\x05\0")))

    def mismatch(tbs):
        tbs[ALGORITHM].content[0] = oid("1.2.840.10045.4.3.3")
    odd("algorithm-mismatch", mismatch)

    flipped = bytearray(der)
    flipped[-1] ^= 1
    save("flipped", bytes(flipped))
    save("trailing", der + b"\x05\0")
    body = parse(der)[0]
    inner = b"".join(c.dump() for c in body.content)
    save("ber-indefinite", b"\x30\x80" + inner + b"\0\0")
    save("ber-long-length", b"\x30\x83" + len(inner).to_bytes(3, "big") + inner)
    save("ber-4gib", b"\x30\x84\xff\xff\xff\xff" + inner)
    save("ber-5-byte-length", b"\x30\x85\x01\0\0\0\0" + inner)
    # A length inside of the signed part that is not minimal, and the signature over just these octets.
    tbs = body[0]
    serial = tbs[SERIAL].dump()
    raw = b"".join(c.dump() for c in tbs.content)
    raw = raw.replace(serial, serial[:1] + b"\x81" + serial[1:], 1)
    signed = b"\x30" + length(len(raw)) + raw
    content = signed + body[1].dump() + Node(3, b"\0" + signature(int2_key, signed, hashes.SHA256())).dump()
    save("ber-in-signed-part", b"\x30" + length(len(content)) + content)


def keys(by_int2, odd, int2, int2_key):
    by_int2("sha1", digest=hashes.SHA1())
    for bits in (512, 1024):
        by_int2("rsa-%d" % bits, public=rsa.generate_private_key(65537, bits).public_key())
    key = rsa.generate_private_key(65537, 2048)
    good = by_int2("rsa-2048", public=key.public_key())
    numbers = key.public_key().public_numbers()
    by_int2("rsa-e3", public=rsa.RSAPublicNumbers(3, numbers.n).public_key())
    rsa_der = good.public_bytes(DER)

    def rsa_numbers(n, e):
        def integer(v):
            return Node(2, v.to_bytes(v.bit_length() // 8 + 1, "big"))
        return lambda t: t[SPKI].content.__setitem__(
            1, Node(3, b"\0" + Node(0x30, [integer(n), integer(e)]).dump()))
    odd("rsa-e1", rsa_numbers(numbers.n, 1), rsa_der)
    odd("rsa-2049", rsa_numbers((1 << 2048) | numbers.n, 65537), rsa_der)
    odd("rsa-16384", rsa_numbers((1 << 16383) | 0x1234567, 65537), rsa_der)
    odd("rsa-huge-exponent", rsa_numbers(numbers.n, (1 << 100) | 1), rsa_der)
    p = key.private_numbers().p
    q = next_prime(p + 2)
    odd("rsa-fermat", rsa_numbers(p * q, 65537), rsa_der)
    odd("rsa-roca", rsa_numbers(roca_prime(971) * roca_prime(977), 65537), rsa_der)

    ec_der = int2.public_bytes(DER)
    by_int2("ec-p224", public=ec.generate_private_key(ec.SECP224R1()).public_key())
    for bits, curve in ((384, ec.SECP384R1()), (521, ec.SECP521R1())):
        by_int2("ec-p%d" % bits, public=ec.generate_private_key(curve).public_key())
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    by_int2("ec-plain", public=public)
    x962 = serialization.PublicFormat.CompressedPoint
    compressed = public.public_bytes(serialization.Encoding.X962, x962)

    def point(octets):
        return lambda t: t[SPKI].content.__setitem__(1, Node(3, b"\0" + octets))
    leaf = open(os.path.join(OUT, "ec-plain.der"), "rb").read()
    odd("ec-compressed", point(compressed), leaf)
    odd("ec-off-curve", point(b"\4" + b"\x11" * 64), leaf)
    odd("ec-infinity", point(b"\0"), leaf)
    del ec_der
    by_int2("dsa", public=dsa.generate_private_key(2048).public_key())
    by_int2("ed25519", public=ed25519.Ed25519PrivateKey.generate().public_key())
    odd("key-unknown", lambda t: t[SPKI][0].content.__setitem__(0, oid("1.2.643.7.1.1.1.1")))

    write("int2.key", int2_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-param_enc", "explicit", "-out", "explicit.key")
    openssl("req", "-x509", "-new", "-key", "explicit.key", "-subj", "/CN=a.example.com", "-days", "3650", "-outform",
            "DER", "-addext", "subjectAltName=DNS:a.example.com", "-out", "ec-explicit.der")
    openssl("genrsa", "-out", "pss.key", "2048")
    for file, salt in (("pss-good", "32"), ("pss-odd", "20")):
        openssl("req", "-x509", "-new", "-key", "pss.key", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                "rsa_pss_saltlen:" + salt, "-subj", "/CN=a.example.com", "-days", "3650", "-outform", "DER",
                "-addext", "subjectAltName=DNS:a.example.com", "-addext", "basicConstraints=critical,CA:FALSE",
                "-out", file + ".der")
    openssl("req", "-x509", "-new", "-key", "pss.key", "-md5", "-subj", "/CN=MD5 Root", "-days", "3650", "-outform",
            "DER", "-addext", "keyUsage=critical,keyCertSign", "-out", "md5-root.der")


def is_prime(n):
    if any(n % p == 0 for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for a in (2, 3, 5, 7, 11, 13, 17, 19):
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def next_prime(n):
    n |= 1
    while not is_prime(n):
        n += 2
    return n


def roca_prime(seed):
    """k·M + 65537^a mod M of 1024 bits, as the library of CVE-2017-15361 made them."""
    m = 1
    for p in [x for x in range(2, 168) if all(x % d for d in range(2, x))]:
        m *= p
    k = (1 << 1023) // m + (seed << 600)
    a = seed
    while True:
        candidate = k * m + pow(65537, a, m)
        if candidate.bit_length() == 1024 and is_prime(candidate):
            return candidate
        k += 1


def names(odd, by_int2):
    cn = "2.5.4.3"

    def subject(*rdns):
        return lambda t: t.content.__setitem__(SUBJECT, Node(0x30, list(rdns)))
    odd("subject-nul", subject(attribute(cn, 0x0C, b"bank.com\0.evil")))
    odd("subject-newline", subject(attribute(cn, 0x0C, b"a\nb\x1b[31m")))
    odd("subject-rtl", subject(attribute(cn, 0x0C, "a\u202egpj.exe".encode())))
    odd("subject-invalid-utf8", subject(attribute(cn, 0x0C, b"a\xff\xfe")))
    odd("subject-bmp", subject(attribute(cn, 0x1E, "Zoë".encode("utf-16-be"))))
    odd("subject-bmp-odd", subject(attribute(cn, 0x1E, b"\0a\0")))
    odd("subject-teletex", subject(attribute(cn, 0x14, b"Zo\xeb")))
    odd("subject-1000-rdns", subject(*[attribute(cn, 0x0C, b"a")] * 1000))
    odd("subject-32768", subject(attribute(cn, 0x0C, b"a" * 32768)))
    odd("subject-65", subject(attribute("2.5.4.10", 0x0C, b"o" * 65)))
    odd("subject-multi", subject(Node(0x31, [Node(0x30, [oid("2.5.4.10"), Node(0x0C, b"O")]),
                                             Node(0x30, [oid("2.5.4.11"), Node(0x0C, b"U")])])))
    odd("subject-spelling", subject(attribute("2.5.4.10", 0x13, b" EXAMPLE"),
                                    attribute(cn, 0x13, b"A.EXAMPLE.com")))

    def sans(*generals):
        value = Node(0x30, list(generals)).dump()

        def change(t):
            kept = [e for e in t[EXTENSIONS][0].content if e[0].content != encode_oid("2.5.29.17")]
            t[EXTENSIONS].content[0] = Node(0x30, kept + [extension("2.5.29.17", value)])
        return change

    def dns(text):
        return Node(0x82, text)
    odd("san-nul", sans(dns(b"a.example.com\0.evil"), dns(b"a.example.com")))
    odd("san-umlaut", sans(dns(b"a.example.com"), dns("ü.example.com".encode())))
    odd("san-underscore", sans(dns(b"a.example.com"), dns(b"under_score.example.com")))
    odd("san-bad-ip", sans(dns(b"a.example.com"), Node(0x87, b"\1\2\3")))
    odd("san-kinds", sans(dns(b"a.example.com"), Node(0x87, b"\x0a\0\0\1"), Node(0x81, b"x@example.com"),
                          Node(0x86, b"sip:a.example.com"), Node(0x88, encode_oid("1.2.3.4")),
                          Node(0x87, bytes.fromhex("20010db8" + "0" * 22 + "01")),
                          Node(0xA0, [oid("1.2.3.5"), Node(0xA0, [Node(0x0C, b"upn")])]),
                          Node(0xA4, [Node(0x30, [attribute(cn, 0x0C, b"dir")])])))
    odd("san-100", sans(dns(b"a.example.com"), *[dns(b"h%d.example.com" % i) for i in range(99)]))
    odd("san-101", sans(*[dns(b"h%d.example.com" % i) for i in range(101)]))
    odd("san-3000", sans(*[dns(b"h%d.example.com" % i) for i in range(3000)]))
    odd("san-100000", sans(*[dns(b"h%d.example.com" % i) for i in range(100000)]))
    by_int2("san-none", sans=None)
    by_int2("san-other", sans=[x509.DNSName("b.example.com")])
    by_int2("san-case", sans=[x509.DNSName("A.Example.COM")])
    by_int2("cn-words", subject=name("Alice of Sales"))


def chains(root, root_key, int1, int1_key, int2, int2_key, leaf_key, by_int2):
    by_int2("expired", begin=datetime.datetime(2024, 1, 1), end=datetime.datetime(2025, 1, 1))
    by_int2("future", begin=datetime.datetime(2030, 1, 1), end=datetime.datetime(2031, 1, 1))
    by_int2("outlives", end=datetime.datetime(2040, 1, 1))
    by_int2("ca-leaf", ca=True, ku=("digital_signature",))
    by_int2("cert-sign-leaf", ku=("digital_signature", "key_cert_sign"))
    by_int2("eku-any", eku=[EKU.ANY_EXTENDED_KEY_USAGE])
    by_int2("eku-code", eku=[EKU.CODE_SIGNING])
    by_int2("responder", sans=None, eku=[EKU.OCSP_SIGNING])
    by_int2("ec-encipherment", ku=("digital_signature", "key_encipherment"))
    by_int2("client", sans=None, eku=[EKU.CLIENT_AUTH], ku=("digital_signature",), subject=name("admin"))
    below_leaf = new_key()
    leaf_as_issuer = make(name("a.example.com", "Example"), leaf_key.public_key(), int2, int2_key, sans=HOST)
    save("leaf-issuer", leaf_as_issuer)
    save("under-leaf", make(name("b.example.com"), below_leaf.public_key(), leaf_as_issuer, leaf_key,
                            sans=[x509.DNSName("b.example.com")]))
    # Another CA with the root's name; a leaf whose issuer nobody has; a root whose self-signature is broken.
    twin_key = new_key()
    twin = make(name("Root", "Example"), twin_key.public_key(), None, twin_key, ca=True, end=LATER)
    save("root-twin", twin)
    save("int1-by-twin", make(int1.subject, int1_key.public_key(), twin, twin_key, ca=True, end=LATER))
    save("root-bad-signature", changed(root.public_bytes(DER), twin_key, lambda t: None))
    fraud_key = new_key()
    fraud = make(name("Root", "Example"), fraud_key.public_key(), None, fraud_key, ca=True, ids=False, end=LATER,
                 extra=[(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False)])
    save("root-fraud-ski", fraud)
    save("root-v1", changed(root.public_bytes(DER), root_key, lambda t: (t.content.pop(EXTENSIONS),
                                                                         t.content.pop(VERSION))))
    save("root-not-ca", make(name("Not CA"), twin_key.public_key(), None, twin_key, ca=False, ku=(), end=LATER))
    save("root-no-basic", make(name("No basic"), twin_key.public_key(), None, twin_key, basic=False, ku=(),
                               end=LATER))
    save("root-expired", make(name("Old Root"), twin_key.public_key(), None, twin_key, ca=True,
                              begin=datetime.datetime(2010, 1, 1), end=datetime.datetime(2020, 1, 1)))
    save("root-future", make(name("New Root"), twin_key.public_key(), None, twin_key, ca=True,
                             begin=datetime.datetime(2030, 1, 1), end=LATER))
    rsa_root = rsa.generate_private_key(65537, 2048)
    save("root-sha1", make(name("SHA-1 Root"), rsa_root.public_key(), None, rsa_root, ca=True, end=LATER,
                           digest=hashes.SHA1()))
    save("root-odd", changed(make(name("Odd Root"), twin_key.public_key(), None, twin_key, ca=True, ids=False,
                                  ku=("digital_signature",), end=LATER).public_bytes(DER), twin_key,
                             lambda t: t.content.__setitem__(SERIAL, Node(2, b"\0"))))
    new_root_key = new_key()
    save("root-rollover", make(name("Root", "Example"), new_root_key.public_key(), root, root_key, ca=True,
                               end=LATER))
    pinned_key = new_key()
    save("pinned", make(name("p.example.com"), pinned_key.public_key(), None, pinned_key,
                        sans=[x509.DNSName("p.example.com")]))
    # Path length: int2 has 0, so this CA below it is one too many.
    int3_key = new_key()
    int3 = make(name("Intermediate 3"), int3_key.public_key(), int2, int2_key, ca=True, end=LATER)
    save("int3", int3)
    save("leaf-under-int3", make(name("a.example.com"), leaf_key.public_key(), int3, int3_key, sans=HOST, eku=TLS))
    constrained(root, root_key, leaf_key)
    mesh(leaf_key)
    deep()
    policies(root, root_key, leaf_key)


def constrained(root, root_key, leaf_key):
    for file, tree in (("nc", x509.DNSName("example.com")), ("nc-unknown", None)):
        key = new_key()
        tree = tree or x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))
        ca = make(name("Constrained " + file), key.public_key(), root, root_key, ca=True, end=LATER,
                  constraints=x509.NameConstraints([tree], None))
        save(file, ca)
        for suffix, host in (("inside", "a.example.com"), ("outside", "a.evil.test")):
            save(file + "-" + suffix, make(name(host), leaf_key.public_key(), ca, key, sans=[x509.DNSName(host)]))
    # Many constraints times many names.
    key = new_key()
    many = [x509.DNSName("h%d.test" % i) for i in range(1500)]
    ca = make(name("Many constraints"), key.public_key(), root, root_key, ca=True, end=LATER,
              constraints=x509.NameConstraints(None, many))
    save("nc-many", ca)
    hosts = [x509.DNSName("a%d.example.com" % i) for i in range(100)]
    save("nc-many-leaf", make(name("a0.example.com"), leaf_key.public_key(), ca, key, sans=hosts))


def mesh(leaf_key):
    """Nine CAs, each cross-signed by each other; no root among them."""
    keys_ = [new_key() for _ in range(9)]
    for i in range(9):
        for j in range(9):
            if i != j:
                issuer = make(name("Mesh %d" % j), keys_[j].public_key(), None, keys_[j], ca=True)
                save("mesh-%d-%d" % (i, j), make(name("Mesh %d" % i), keys_[i].public_key(), issuer, keys_[j],
                                                 ca=True, end=LATER))
    anchor = make(name("Mesh 8"), keys_[8].public_key(), None, keys_[8], ca=True, end=LATER)
    save("mesh-root", anchor)
    first = make(name("Mesh 0"), keys_[0].public_key(), None, keys_[0], ca=True)
    save("mesh-leaf", make(name("a.example.com"), leaf_key.public_key(), first, keys_[0], sans=HOST))


def deep():
    """A chain of 20 CAs, root first in one PEM."""
    key = new_key()
    cert = make(name("Deep 0"), key.public_key(), None, key, ca=True, end=LATER)
    out = cert.public_bytes(PEM)
    for i in range(1, 20):
        below = new_key()
        cert = make(name("Deep %d" % i), below.public_key(), cert, key, ca=True, end=LATER)
        key = below
        out += cert.public_bytes(PEM)
    write("deep.pem", out)


def policies(root, root_key, leaf_key):
    """A CA that requires explicit policies and a leaf without any."""
    key = new_key()
    ca = make(name("Explicit policy"), key.public_key(), root, root_key, ca=True, end=LATER,
              extra=[(x509.PolicyConstraints(0, None), True)])
    save("policy-ca", ca)
    save("policy-leaf", make(name("a.example.com"), leaf_key.public_key(), ca, key, sans=HOST))


def containers(leaf, root, int1, leaf_key, rsa_key):
    plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    write("key-pkcs8.pem", rsa_key.private_bytes(PEM, pkcs8, plain))
    write("key-pkcs8.der", rsa_key.private_bytes(DER, pkcs8, plain))
    write("key-rsa.der", rsa_key.private_bytes(DER, traditional, plain))
    write("key-rsa.pem", rsa_key.private_bytes(PEM, traditional, plain))
    write("key-ec.der", leaf_key.private_bytes(DER, traditional, plain))
    write("key-ec.pem", leaf_key.private_bytes(PEM, traditional, plain))
    sealed = serialization.BestAvailableEncryption(b"secret")
    write("key-sealed.der", leaf_key.private_bytes(DER, pkcs8, sealed))
    write("key-sealed.pem", leaf_key.private_bytes(PEM, pkcs8, sealed))
    write("key-openssh.pem", leaf_key.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, plain))
    openssl("pkcs12", "-export", "-inkey", "key-ec.pem", "-in", "leaf.pem", "-passout", "pass:x", "-out", "bundle.p12")
    write("three.pem", b"".join(c.public_bytes(PEM) for c in (leaf, int1, root)))
    openssl("crl2pkcs7", "-nocrl", "-certfile", "three.pem", "-out", "three.p7b.pem")
    openssl("crl2pkcs7", "-nocrl", "-certfile", "three.pem", "-outform", "DER", "-out", "three.p7b")
    openssl("x509", "-in", "leaf.pem", "-trustout", "-out", "trusted.pem")
    write("message", b"hello")
    openssl("smime", "-sign", "-in", "message", "-signer", "leaf.pem", "-inkey", "key-ec.pem", "-outform", "DER",
            "-out", "signed.p7b")
    key = new_key()
    ca = make(name("CRL"), key.public_key(), None, key, ca=True)
    crl = (x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(BEGIN).next_update(END)
           .sign(key, hashes.SHA256()))
    write("crl.pem", crl.public_bytes(PEM))


def requests(leaf_key):
    write("request.cnf", b"""[req]
prompt=no
distinguished_name=dn
req_extensions=ext
attributes=attrs
[dn]
CN=a.example.com
O=Example
[attrs]
challengePassword=secret1234
unstructuredName=odd
[ext]
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:a.example.com,DNS:b.example.com
certificatePolicies=1.2.3.4
""")
    openssl("req", "-new", "-key", "key-ec.pem", "-config", "request.cnf", "-out", "request.pem")
    openssl("req", "-in", "request.pem", "-outform", "DER", "-out", "request.der")
    data = bytearray(open(os.path.join(OUT, "request.der"), "rb").read())
    write("request-trailing.der", bytes(data) + b"\0")
    data[-1] ^= 1
    write("request-flipped.der", bytes(data))
    openssl("genrsa", "-out", "weak.key", "1024")
    openssl("req", "-new", "-key", "weak.key", "-subj", "/CN=a.example.com", "-addext",
            "subjectAltName=DNS:a.example.com", "-outform", "DER", "-out", "request-weak.der")


if __name__ == "__main__":
    main()
