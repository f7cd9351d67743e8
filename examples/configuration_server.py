"""Tells devices where to connect: a configuration endpoint for trying Keepline in your own network.

python examples/configuration_server.py ws://192.168.1.10:8000/xiaozhi/v1/ TOKEN

Whoever can reach this port learns the token. Run it where you know everybody, for as long as you
set devices up.
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8002


def make_server(url: str, token: str, port: int = PORT) -> ThreadingHTTPServer:
    """Return a server that answers every device's POST with `url` and `token`."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = configuration(url, token)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(("", port), Answer)


def configuration(url: str, token: str) -> bytes:
    """Return the answer the firmware reads; it keeps `websocket` in its flash."""
    return json.dumps(
        {
            "server_time": {"timestamp": int(time.time() * 1000), "timezone_offset": 0},
            "firmware": {"version": "", "url": ""},
            "websocket": {"url": url, "token": token, "version": 1},
        }
    ).encode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where devices connect, ws://HOST:PORT/xiaozhi/v1/")
    parser.add_argument("token", help="what `keepline serve --token` was given")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    make_server(options.url, options.token, options.port).serve_forever()
