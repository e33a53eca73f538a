"""The channel between node and jail: frames of a length and a body; on the node's side each with a deadline."""

from __future__ import annotations

import socket
import struct
import time

HEADER = struct.Struct("<Q")  # the length of what follows


def send(channel: socket.socket, body: bytes, deadline: float) -> None:
    """Send one frame; *deadline* is on the monotonic clock, and TimeoutError is raised past it."""
    _until(channel, deadline)
    channel.sendall(HEADER.pack(len(body)) + body)


def length(channel: socket.socket, deadline: float) -> int:
    """The length that the next frame announces."""
    return int(HEADER.unpack(body(channel, HEADER.size, deadline))[0])


def body(channel: socket.socket, size: int, deadline: float) -> bytes:
    """The next *size* bytes; ConnectionError where the jail is gone before."""
    received = bytearray(size)
    rest = memoryview(received)
    while rest:
        _until(channel, deadline)
        count = channel.recv_into(rest)
        if not count:
            raise ConnectionError("the channel is closed")
        rest = rest[count:]
    return bytes(received)


def is_quiet(channel: socket.socket) -> bool:
    """Whether nothing lies unread in the channel."""
    channel.setblocking(False)
    try:
        if not channel.recv(1, socket.MSG_PEEK):
            raise ConnectionError("the channel is closed")
    except BlockingIOError:
        return True
    return False


def _until(channel: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)
