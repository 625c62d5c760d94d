"""Single certificates that are odd in their envelope, key or names."""
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from certs.der_tree import (ALGORITHM, EXTENSIONS, Node, SERIAL, SPKI, SUBJECT, VALIDITY, VERSION, attribute,
                            encode_oid, extension, length, oid, parse, signature)
from certs.issue import DER, OUT, PEM, name, openssl, save, write


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
    odd("rsa-square", rsa_numbers(p * p, 65537), rsa_der)
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
