#!/usr/bin/python3
"""A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md."""

import http.server
import json
import os
import urllib.parse

import redis

from sluice import Sluice, Undecided

HOST, _, PORT = os.environ.get("SLUICE_ADDRESS", "127.0.0.1:6479").rpartition(":")
PATIENCE_S = int(os.environ.get("SHOP_PATIENCE_MS", "10000")) / 1000
BODY_BYTES_MAX = 4096
sluice = Sluice(HOST, int(PORT), PATIENCE_S)


def buy(form):
    return sluice.buy(form["item"], form["user"], form["req"])


def pay(form):
    return sluice.pay(form["item"], form["user"], form["order_id"])


def cancel(form):
    return sluice.cancel(form["item"], form["user"], form["order_id"])


def order(form):
    item, user = form["item"], form["user"]
    if "req" in form:
        return sluice.order(item, user, "REQ", form["req"])
    if "wait" in form:
        waited = sluice.wait_for_mysql(item, user, form["order_id"], int(form["wait"]))
        if waited["outcome"] == "DEADLETTER":
            return waited
    return sluice.order(item, user, form["order_id"])


ROUTES = {("POST", "/buy"): buy, ("POST", "/pay"): pay, ("POST", "/cancel"): cancel,
          ("GET", "/order"): order}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self):
        self._handle("")

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX)
        self._handle(self.rfile.read(length).decode())

    def _handle(self, body):
        url = urllib.parse.urlsplit(self.path)
        route = ROUTES.get((self.command, url.path))
        if route is None:
            return self._reply(404, {"error": "no such page"})
        form = dict(urllib.parse.parse_qsl(url.query) + urllib.parse.parse_qsl(body))
        try:
            self._reply(200, route(form))
        except (KeyError, ValueError) as error:
            self._reply(400, {"error": f"missing or wrong: {error}"})
        except redis.ResponseError as error:
            self._reply(400, {"error": str(error)})
        except Undecided as error:
            self._reply(503, {"error": f"not known yet, ask with the same req: {error}"})

    def _reply(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    port = int(os.environ.get("SHOP_PORT", "8080"))
    print(f"shop: http://127.0.0.1:{port}, Sluice at {HOST}:{PORT}", flush=True)
    Server(("127.0.0.1", port), Handler).serve_forever()
