#!/usr/bin/python3
"""Writes the certificates, odd and good, that the tests of keystore/x509 read: make_certs.py DIRECTORY.

Good ones come from python3-cryptography or the openssl command. Odd ones are good ones whose DER tree was changed and,
where the oddity is not the signature, signed again. All are made anew in each build; nothing of it is a secret.
"""
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.chains import chains
from certs.conformance import conformance
from certs.containers import containers, requests
from certs.der_tree import changed
from certs.issue import DER, HOST, LATER, OUT, PEM, TLS, make, name, new_key, save, write
from certs.lists import lists
from certs.odd import envelopes, keys, names


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
    conformance(root, root_key, int1, int1_key, leaf_key, by_int2)
    lists(root, root_key, int1, int1_key, int2, int2_key, leaf, leaf_key)


if __name__ == "__main__":
    main()
