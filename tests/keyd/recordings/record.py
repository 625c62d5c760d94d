#!/usr/bin/python3
"""record.py LISTEN TARGET PREFIX: stands between clients of a Unix socket and its server, and writes what each says.

The n-th connection goes to PREFIX-n.txt, a line for each piece of the stream: "C HEX" from the client, "S HEX" back."""
import os
import socket
import sys
import threading

listen, target, prefix = sys.argv[1:4]


def pump(source, sink, log, lock, who):
    while data := source.recv(65536):
        with lock:
            log.write(f"{who} {data.hex()}\n")
            log.flush()
        sink.sendall(data)
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


server = socket.socket(socket.AF_UNIX)
if os.path.exists(listen):
    os.unlink(listen)
server.bind(listen)
server.listen(16)
print("ready", flush=True)
count = 0
while True:
    client, _ = server.accept()
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(target)
    log, lock = open(f"{prefix}-{count}.txt", "w"), threading.Lock()
    count += 1
    for one in ((client, upstream, log, lock, "C"), (upstream, client, log, lock, "S")):
        threading.Thread(target=pump, args=one, daemon=True).start()
