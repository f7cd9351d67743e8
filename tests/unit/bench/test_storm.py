"""A storm against a server that is only a few answers."""

from __future__ import annotations

import socket
import threading

from bench.load.device_bytes import Frames
from bench.load.storm import Storm
from bench.load.swarm import Target

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n\r\n"
HELLO = b'{"type":"hello"}'
ANSWERED = bytes((0x81, len(HELLO))) + HELLO


class Server:
    """Refuses the first, drops the second, and lets in all others."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.served = 0
        self.held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            sock, _ = self.socket.accept()
            if not sock.recv(4_096):
                sock.close()
                return  # the test is over
            self.served += 1
            if self.served == 1:
                sock.sendall(REFUSED)
                sock.close()
            elif self.served == 2:
                sock.close()
            else:
                sock.sendall(UPGRADED)
                sock.recv(4_096)
                sock.sendall(ANSWERED)
                self.held.append(sock)

    def close(self) -> None:
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(5)
        for sock in (self.socket, *self.held):
            sock.close()


def test_who_is_refused_or_dropped_comes_again_until_all_are_back() -> None:
    server = Server()
    storm = Storm(Target(server.port, "token"), Frames(1), first=1)
    try:
        blown = storm.blow(5, over_s=0.1, give_up_s=20)
        storm.leave()
    finally:
        server.close()
    assert (blown.refused, blown.dropped, blown.missing) == (1, 1, 0)
    assert len(blown.took_s) == 5
    assert max(blown.took_s) <= blown.over_s
    assert server.served == 7


def test_who_never_comes_back_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        storm = Storm(Target(silent.getsockname()[1], "token"), Frames(1), first=1)
        blown = storm.blow(3, over_s=0.0, give_up_s=0.2)
        storm.leave()
    assert (blown.missing, blown.took_s) == (3, [])
