#!/usr/bin/python3
"""Writes seeds for fuzz_starttls: starttls_seeds.py FOLDER. Answers as servers give them, in order, "~~" between."""
import pathlib
import sys

STREAM = b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
OFFER = (b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
         b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
OK = bytes.fromhex("300c02010178070a010004000400")
LONG = bytes.fromhex("3084000000280201017884000000" "1f0a010004000400") + b"\x8a\x16" + b"1.3.6.1.4.1.1466.20037"

# The first octet chooses the protocol: smtp, xmpp, xmpp-server, ldap.
SEEDS = {
    "smtp": (b"\0", [b"220-mail.example\r\n220 ESMTP\r\n", b"250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n",
                     b"220 go\r\n"]),
    "smtp-in-pieces": (b"\0", [b"22", b"0 mail\r", b"\n", b"250-a\r\n250 START", b"TLS\r\n", b"220 go\r\n"]),
    "smtp-refused": (b"\0", [b"220 mail.example\r\n", b"250 STARTTLS\r\n", b"454 later\r\n"]),
    "smtp-more": (b"\0", [b"220 mail.example\r\n", b"250 STARTTLS\r\n", b"220 go\r\n250 forged\r\n"]),
    "xmpp": (b"\1", [STREAM + OFFER, PROCEED]),
    "xmpp-in-pieces": (b"\1", [STREAM, OFFER[:60], OFFER[60:], PROCEED[:-2], b"/>"]),
    "xmpp-failure": (b"\1", [STREAM + OFFER, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"]),
    "xmpp-error": (b"\1", [STREAM + b"<stream:error><host-unknown/></stream:error></stream:stream>"]),
    "xmpp-server": (b"\2", [STREAM + OFFER, PROCEED]),
    "ldap": (b"\3", [OK]),
    "ldap-long": (b"\3", [LONG]),
    "ldap-in-pieces": (b"\3", [OK[:1], OK[1:5], OK[5:]]),
    "ldap-refused": (b"\3", [OK.replace(b"\x0a\x01\x00", b"\x0a\x01\x02")]),
    "ldap-huge": (b"\3", [bytes.fromhex("30847fffffff020101")]),
}

for name, (first, answers) in SEEDS.items():
    pathlib.Path(sys.argv[1], name).write_bytes(first + b"~~".join(answers))
