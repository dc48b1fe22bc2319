"""The same as handler.py, as a worker of --persistent."""
import os
import socket

dispatcher = socket.socket(fileno=0)
while True:
    _, descriptors, _, _ = socket.recv_fds(dispatcher, 4096, 1)
    if not descriptors:
        break
    os.write(descriptors[0], b"ok\n")
    os.close(descriptors[0])
    os.write(0, b"\0")
