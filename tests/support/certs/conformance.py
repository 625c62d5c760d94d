"""Certificates that other projects' suites ask about: policies, names beside constraints, forms that CAs may not write."""
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU
from cryptography.x509.oid import NameOID

from certs.issue import HOST, LATER, PEM, TLS, make, name, new_key, save, write

BASIC_CONSTRAINTS = x509.ObjectIdentifier("2.5.29.19")
POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


def conformance(root, root_key, int1, int1_key, leaf_key, by_int2):
    policies(root, root_key, leaf_key)
    constraints(root, root_key, leaf_key)
    hostile(root, root_key, leaf_key)
    by_int2("no-key-ids", ids=False)
    by_int2("eku-critical", eku=None, extra=[(x509.ExtendedKeyUsage(TLS), True)])
    by_int2("san-critical", sans=None, extra=[(x509.SubjectAlternativeName(HOST), True)])
    by_int2("san-bare", subject=x509.Name([]))
    by_int2("cn-old-address", subject=name("192.168.001.001"))
    by_int2("cn-domain", subject=name("example.com"))
    by_int2("cn-beside-address", sans=[x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    by_int2("san-mail-odd", sans=HOST + [x509.RFC822Name._init_without_validation("a@b@example.com")])
    by_int2("san-mail", sans=[x509.RFC822Name("alice@example.com")], eku=[EKU.CLIENT_AUTH], subject=name("Alice"))
    by_int2("san-address", sans=HOST + [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    by_int2("wildcard-part", sans=HOST + [x509.DNSName("ba*.example.com")])
    by_int2("false-written-out", basic=False,
            extra=[(x509.UnrecognizedExtension(BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\x00"), True)])
    by_int2("path-length-leaf", basic=False,
            extra=[(x509.UnrecognizedExtension(BASIC_CONSTRAINTS, b"\x30\x03\x02\x01\x00"), True)])
    short = rsa.generate_private_key(65537, 1024)
    by_int2("short-key", public=short.public_key())
    # The same CA as int1, trusted for clients only.
    save("int1-for-clients", make(int1.subject, int1.public_key(), root, root_key, ca=True, end=LATER,
                                  eku=[EKU.CLIENT_AUTH]))
    key = new_key()
    save("root-for-servers", make(name("Servers"), key.public_key(), None, key, ca=True, end=LATER,
                                  eku=[EKU.SERVER_AUTH]))
    save("under-root-for-servers", make(name("a.example.com"), leaf_key.public_key(),
                                        make(name("Servers"), key.public_key(), None, key, ca=True), key, sans=HOST,
                                        eku=TLS))
    save("pinned-cert-sign", make(name("p.example.com"), key.public_key(), None, key,
                                  sans=[x509.DNSName("p.example.com")], ku=("digital_signature", "key_cert_sign")))
    save("int1-next", make(int1.subject, key.public_key(), int1, int1_key, ca=True, end=LATER))
    save("under-int1-next", make(name("a.example.com"), leaf_key.public_key(),
                                 make(int1.subject, key.public_key(), None, key, ca=True), key, sans=HOST, eku=TLS))


def hostile(root, root_key, leaf_key):
    """Many CAs below each other, each with many constraints and many names."""
    many = x509.NameConstraints(None, [x509.DNSName("h%d.test" % i) for i in range(1500)])
    hosts = [x509.DNSName("a%d.example.com" % i) for i in range(100)]
    issuer, issuer_key, pem = root, root_key, b""
    for i in range(13):
        key = new_key()
        issuer = make(name("Hostile %d" % i), key.public_key(), issuer, issuer_key, ca=True, end=LATER,
                      sans=hosts, constraints=many)
        issuer_key = key
        pem += issuer.public_bytes(PEM)
    write("hostile-names.pem", pem)
    save("hostile-names", make(name("a0.example.com"), leaf_key.public_key(), issuer, issuer_key, sans=hosts))


def policies(root, root_key, leaf_key):
    """A CA that requires an explicit policy, and a leaf that has one."""
    said = (x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), False)
    key = new_key()
    ca = make(name("Policy said"), key.public_key(), root, root_key, ca=True, end=LATER,
              extra=[said, (x509.PolicyConstraints(0, None), True)])
    save("policy-said-ca", ca)
    save("policy-said", make(name("a.example.com"), leaf_key.public_key(), ca, key, sans=HOST, extra=[said]))


def constraints(root, root_key, leaf_key):
    upn = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")
    for file, excluded in (("ex-dns", x509.DNSName("bar.example.com")), ("ex-other", upn),
                           ("ex-dot", x509.DNSName(".bar.example.com"))):
        key = new_key()
        ca = make(name("Excluding " + file), key.public_key(), root, root_key, ca=True, end=LATER,
                  constraints=x509.NameConstraints(None, [excluded]))
        save(file, ca)

        def issue(suffix, *sans):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Host of tests")])
            save(file + "-" + suffix, make(subject, leaf_key.public_key(), ca, key, sans=list(sans)))
        issue("wildcard", x509.DNSName("*.Example.com"))
        issue("deeper", x509.DNSName("*.a.example.com"))
        issue("plain", x509.DNSName("foo.example.com"))
        issue("other", x509.DNSName("foo.example.com"), upn)
