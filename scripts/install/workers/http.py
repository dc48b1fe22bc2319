#!/usr/bin/env python3
"""Answers HTTP requests: a worker for socket-burst-dampener --persistent.

    socket-burst-dampener --persistent --processes 8 --timeout 30 8080 ./http.py
"""
import os
import socket


def serve(client, variables):
    # Read the whole head: closing a connection with unread input resets it, and the client could
    # lose the answer.
    with client.makefile("rb") as request:
        line = request.readline(8192)
        while request.readline(8192).strip():
            pass
    body = b"Hello %s, you asked: %s\n" % (variables.get(b"REMOTE_ADDR", b"you"), line.strip())
    client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body)


dispatcher = socket.socket(fileno=0)
while True:
    try:
        block, descriptors, _, _ = socket.recv_fds(dispatcher, 4096, 1)
    except ConnectionResetError:  # the dispatcher has died
        break
    if not descriptors:  # end of file: the daemon needs this worker no longer
        break
    variables = dict(entry.split(b"=", 1) for entry in block.split(b"\0") if entry)
    with socket.socket(fileno=descriptors[0]) as client:
        try:
            serve(client, variables)
        except OSError:  # the client has left; the next one may stay
            pass
    try:
        os.write(0, b"\0")  # the connection is closed: ready for the next client
    except OSError:  # the dispatcher has died; the client was served
        break
