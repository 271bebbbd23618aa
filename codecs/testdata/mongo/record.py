#!/usr/bin/env python3
"""Records what clients and a server say to each other, for the tests of tenantsdb-codecs.

    record.py NAME LISTEN_PORT SERVER_PORT COMMENT -- CLIENT [ARGS]

Runs CLIENT, which is to connect to 127.0.0.1:LISTEN_PORT without TLS, and passes on to SERVER_PORT.
Beside this script: NAME.hex, a line for each message, > of the client and < of the server; of the
connection with the most messages of a login (a driver has others, to watch the server).
"""
import pathlib
import socket
import struct
import subprocess
import sys
import threading

NAME, LISTEN, SERVER, COMMENT, _, *CLIENT = sys.argv[1:]
connections = []


def message(peer):
    header = b""
    while len(header) < 4:
        part = peer.recv(4 - len(header))
        if not part:
            return None
        header += part
    (length,) = struct.unpack("<i", header)
    while len(header) < length:
        part = peer.recv(length - len(header))
        if not part:
            return None
        header += part
    return header


def pump(source, target, mark, lines):
    try:
        while (found := message(source)) is not None:
            lines.append(f"{mark} {found.hex()}")
            target.sendall(found)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


listener = socket.create_server(("127.0.0.1", int(LISTEN)))


def accept():
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", int(SERVER)))
        lines = []
        connections.append(lines)
        for source, target, mark in ((client, server, ">"), (server, client, "<")):
            arguments = (source, target, mark, lines)
            threading.Thread(target=pump, args=arguments, daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
subprocess.run(CLIENT, check=True)


def of_login(lines):
    return sum(b"sasl".hex() in line for line in lines), len(lines)


lines = max(connections, key=of_login)
path = pathlib.Path(__file__).parent / f"{NAME}.hex"
path.write_text("\n".join([f"# {COMMENT}", *lines]) + "\n")
print(path, len(lines), "messages")
