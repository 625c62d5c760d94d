"""PKCS#7, PKCS#12 and PEM files around certificates, and certificate requests."""
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs.issue import BEGIN, DER, END, OUT, PEM, make, name, new_key, openssl, write


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
