#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Passes on what a client and a server say to each other, and what the server says only up to so
many bytes, until SIGUSR1.

  gate.py PORT SERVER_PORT BYTES STATE

Writes "open" to the file STATE when it listens, and "closed" when there is more from the server.
"""
import os
import select
import signal
import socket
import sys

port, server_port, left, state = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def say(text):
    with open(state + ".new", "w") as f:
        f.write(text + "\n")
    os.rename(state + ".new", state)


def open_gate(*_):
    global left
    left = sys.maxsize


signal.signal(signal.SIGUSR1, open_gate)
listener = socket.create_server(("127.0.0.1", port))
say("open")
client, _ = listener.accept()
server = socket.create_connection(("127.0.0.1", server_port))
while True:
    if not left:
        say("closed")
        while not left:
            select.select([client], [], [], 0.1)
    ready, _, _ = select.select([client, server], [], [], 0.1)
    for sock in ready:
        data = sock.recv(min(left, 65536) if sock is server else 65536)
        if not data:
            sys.exit(0)
        if sock is server:
            left -= len(data)
        (client if sock is server else server).sendall(data)
