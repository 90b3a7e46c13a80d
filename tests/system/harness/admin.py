"""Requests to a daemon's admin listener."""

import http.client
import json


class Answer:
    def __init__(self, status, content_type, text):
        self.status = status
        self.content_type = content_type
        self.text = text

    def json(self):
        return json.loads(self.text)


def request(method, port, path, headers=None, timeout_s=20):
    """Never raises for an HTTP status; OSError if nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheader("Content-Type", ""),
                      response.read().decode())
    finally:
        connection.close()


def metrics(port):
    """Prometheus text as {'name{labels}': value}."""
    answer = request("GET", port, "/metrics")
    assert answer.status == 200, answer.text
    samples = {}
    for line in answer.text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples
