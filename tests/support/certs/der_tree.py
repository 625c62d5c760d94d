"""A DER tree, enough to change one place of a certificate and to sign it again."""
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, SPKI, EXTENSIONS = range(8)


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
