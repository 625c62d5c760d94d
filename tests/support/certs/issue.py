"""Issuing certificates with python3-cryptography, and where they are written."""
import datetime
import os
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU
from cryptography.x509.oid import NameOID

OUT = sys.argv[1] if len(sys.argv) > 1 else ""
BEGIN = datetime.datetime(2026, 1, 1)
END = datetime.datetime(2027, 1, 1)
LATER = datetime.datetime(2036, 1, 1)
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
TLS = [EKU.SERVER_AUTH, EKU.CLIENT_AUTH]
HOST = [x509.DNSName("a.example.com")]


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def openssl(*args, **kwargs):
    subprocess.run(["openssl", *args], check=True, cwd=OUT, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **kwargs)


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


def save_key(file, key):
    write(file + ".key", key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def save(file, cert):
    write(file + ".der", cert if isinstance(cert, bytes) else cert.public_bytes(DER))
