"""Chains and webs of certificates, right ones and wrong ones."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU

from certs.der_tree import EXTENSIONS, Node, SERIAL, VERSION, changed
from certs.issue import DER, HOST, LATER, PEM, TLS, make, name, new_key, save, write


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
    weak_key = rsa.generate_private_key(65537, 1024)
    save("rsa-1024-root", make(name("Weak Root"), weak_key.public_key(), None, weak_key, ca=True, end=LATER))
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
    crowd(leaf_key)
    one_name()
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


def crowd(leaf_key):
    """Fifty roots of one name, and a leaf that the last of them signed."""
    out = b""
    for _ in range(50):
        key = new_key()
        root = make(name("Crowd"), key.public_key(), None, key, ca=True, end=LATER)
        out += root.public_bytes(PEM)
    write("crowd.pem", out)
    save("crowd-leaf", make(name("a.example.com"), leaf_key.public_key(), root, key, sans=HOST, eku=TLS))


def one_name():
    """Two thousand CAs of one name and twenty keys that sign each other, with key ids that help nobody."""
    keys_ = [new_key() for _ in range(20)]
    subject = name("One name")
    root = make(subject, keys_[0].public_key(), None, keys_[0], ca=True, end=LATER)
    useless = [(x509.AuthorityKeyIdentifier(b"nobody's key id", None, None), False)]
    out = root.public_bytes(PEM)
    for i in range(1, 2000):
        signer = keys_[i // 20 % 20]
        out += make(subject, keys_[i % 20].public_key(), root, signer, ca=True, ids=False, end=LATER,
                    extra=useless).public_bytes(PEM)
    write("one-name.pem", out)


def policies(root, root_key, leaf_key):
    """A CA that requires explicit policies and a leaf without any."""
    key = new_key()
    ca = make(name("Explicit policy"), key.public_key(), root, root_key, ca=True, end=LATER,
              extra=[(x509.PolicyConstraints(0, None), True)])
    save("policy-ca", ca)
    save("policy-leaf", make(name("a.example.com"), leaf_key.public_key(), ca, key, sans=HOST))
