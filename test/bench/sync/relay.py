"""Joins two network devices by user space with a delay each way: true TCP between two network namespaces.

Arguments: names of the two devices, milliseconds one way. Prints `ready`. Needs root and /dev/net/tun.
"""
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
TUN, NO_PI, VNET_HEADER = 0x0001, 0x1000, 0x4000
CHECKSUMS, BIG_TCP_PACKETS = 1, 2


def open_device(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), TUN | NO_PI | VNET_HEADER))
    # Packets of 64 KiB pass in one piece, as between a kernel and a good network card.
    fcntl.ioctl(device, TUNSETOFFLOAD, CHECKSUMS | BIG_TCP_PACKETS)
    return device


def main() -> None:
    ends = [open_device(name) for name in sys.argv[1:3]]
    delay = float(sys.argv[3]) / 1000
    print("ready", flush=True)
    waiting = {ends[0]: deque(), ends[1]: deque()}
    while True:
        due = min((queue[0][0] for queue in waiting.values() if queue), default=None)
        pause = None if due is None else max(0.0, due - time.monotonic())
        readable, _, _ = select.select(ends, [], [], pause)
        for end in readable:
            other = ends[1] if end == ends[0] else ends[0]
            try:
                for _ in range(64):
                    waiting[other].append((time.monotonic() + delay, os.read(end, 70_000)))
            except BlockingIOError:
                pass
        now = time.monotonic()
        for end, queue in waiting.items():
            while queue and queue[0][0] <= now:
                try:
                    os.write(end, queue.popleft()[1])
                except OSError:
                    pass  # A lost packet, as on any network; TCP sends it again.


main()
