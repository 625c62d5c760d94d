"""Revocation lists, right ones and wrong ones."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.issue import DER, HOST, LATER, PEM, make, name, new_key, save, write

SOON = datetime.datetime(2026, 12, 31)


def revoked(serial):
    return (x509.RevokedCertificateBuilder().serial_number(serial)
            .revocation_date(datetime.datetime(2026, 2, 1)).build())


def make_list(issuer, key, serials=(), number=1, begin=datetime.datetime(2026, 1, 1), end=SOON, digest=hashes.SHA256(),
              extra=()):
    b = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(begin).next_update(end)
    for serial in serials:
        b = b.add_revoked_certificate(revoked(serial))
    if number is not None:
        b = b.add_extension(x509.CRLNumber(number), False)
    for e in extra:
        b = b.add_extension(*e)
    return b.sign(key, digest)


def lists(root, root_key, int1, int1_key, int2, int2_key, leaf, leaf_key):
    def of_int2(file, key=int2_key, **kwargs):
        out = make_list(int2.subject, key, **kwargs)
        write(file + ".crl", out.public_bytes(DER))
        return out

    good = [make_list(root.subject, root_key), make_list(int1.subject, int1_key)]
    write("above.crl", b"".join(c.public_bytes(PEM) for c in good))
    good2 = of_int2("good")
    of_int2("revoking", serials=[leaf.serial_number])
    of_int2("other-serial", serials=[leaf.serial_number + 1])
    of_int2("no-number", number=None)
    of_int2("old", end=datetime.datetime(2026, 2, 1))
    of_int2("forged", key=new_key())
    of_int2("unknown-critical", extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)])
    point = x509.IssuingDistributionPoint([x509.UniformResourceIdentifier("http://h%d.test/" % i) for i in range(17)],
                                          None, False, False, None, False, False)
    of_int2("many-points", extra=[(point, True)])
    write("trailing.crl", good2.public_bytes(DER) + b"\0")
    write("damaged.crl", good2.public_bytes(PEM).replace(b"A", b"!", 40))
    write("mixed.crl", good2.public_bytes(PEM) + leaf.public_bytes(PEM))
    body = good2.public_bytes(DER)  # BER: the outermost length with an octet too many
    write("ber.crl", body[:1] + b"\x83\x00" + body[2:] if body[1] == 0x82 else body[:1] + b"\x82\x00" + body[2:])
    # A CA whose lists are signed with SHA-1, and one that may not sign any.
    rsa_key = rsa.generate_private_key(65537, 2048)
    old_ca = make(name("Old lists"), rsa_key.public_key(), root, root_key, ca=True, end=LATER)
    save("old-lists", old_ca)
    save("under-old-lists", make(name("a.example.com"), leaf_key.public_key(), old_ca, rsa_key, sans=HOST))
    write("sha1.crl", make_list(old_ca.subject, rsa_key, digest=hashes.SHA1()).public_bytes(DER))
    key = new_key()
    mute = make(name("No lists"), key.public_key(), root, root_key, ca=True, end=LATER, ku=("key_cert_sign",))
    save("no-lists", mute)
    save("under-no-lists", make(name("a.example.com"), leaf_key.public_key(), mute, key, sans=HOST))
    write("no-lists.crl", make_list(mute.subject, key).public_bytes(DER))
    points = x509.CRLDistributionPoints([
        x509.DistributionPoint([x509.UniformResourceIdentifier("http://h%d.test/" % i)], None, None, None)
        for i in range(150)])
    save("many-points", make(name("a.example.com"), leaf_key.public_key(), int2, int2_key, sans=HOST,
                             extra=[(points, False)]))
