"""A collector of traces: takes OTLP over HTTP in JSON, and is strict about it."""
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .wait import wait_until

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
HEX = re.compile("[0-9a-f]+")


def values(attributes):
    """{key: value} of a list of OTLP's attributes."""
    found = {}
    for attribute in attributes:
        (kind, value), = attribute["value"].items()
        assert kind == "stringValue" or (kind == "intValue" and isinstance(value, str)), attribute
        assert attribute["key"] not in found, attribute
        found[attribute["key"]] = int(value) if kind == "intValue" else value
    return found


class Span:
    def __init__(self, resource, raw):
        self.service = resource["service.name"].removeprefix("unreel-")
        self.resource = resource
        self.trace_id, self.id, self.parent = raw["traceId"], raw["spanId"], raw.get("parentSpanId")
        for text, length in ((self.trace_id, 32), (self.id, 16), (self.parent or "0" * 16, 16)):
            assert len(text) == length and HEX.fullmatch(text), raw
        self.name, self.kind = raw["name"], KINDS[raw["kind"]]
        assert isinstance(raw["startTimeUnixNano"], str) and isinstance(raw["endTimeUnixNano"], str), raw
        self.began, self.ended = int(raw["startTimeUnixNano"]) / 1e9, int(raw["endTimeUnixNano"]) / 1e9
        self.attributes = values(raw["attributes"])
        self.is_failed = raw.get("status", {}).get("code") == 2

    def __repr__(self):
        return f"<{self.service} {self.kind} {self.name} {self.id} of {self.parent} {self.attributes}>"


class Collector:
    def __init__(self):
        self.spans, self.faults, self.posts = [], [], 0
        self.lock = threading.Lock()
        self.answers = threading.Event()  # cleared: it takes connections and says nothing
        self.answers.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.lock:
                    collector.posts += 1
                if not collector.answers.wait(60):
                    return
                collector.take(self.path, self.headers, body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that did not wait for the answer

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def settings(self):
        """The same for each service of a stack."""
        return {name: {"UNREEL_OTLP_URL": self.url} for name in ("auth", "gateway", "converter", "notifier")}

    def take(self, path, headers, body):
        """Runs in a thread of the server's, where an assertion would be lost: faults are kept."""
        try:
            assert path == "/v1/traces" and headers["Content-Type"] == "application/json", path
            found = []
            for batch in json.loads(body)["resourceSpans"]:
                resource = values(batch["resource"]["attributes"])
                scope, = batch["scopeSpans"]
                assert scope["scope"]["name"] == "unreel" and scope["schemaUrl"]
                found += [Span(resource, raw) for raw in scope["spans"]]
            with self.lock:
                self.spans += found
        except (AssertionError, LookupError, TypeError, ValueError) as fault:
            self.faults.append(f"{fault!r}: {body[:2000]}")

    def of(self, trace_id):
        with self.lock:
            return [span for span in self.spans if span.trace_id == trace_id]

    def wait_spans(self, trace_id, names, timeout=30):
        """The trace's spans once there are as many of each name as `names` has."""
        def complete():
            assert not self.faults, self.faults
            found = self.of(trace_id)
            return found if all([span.name for span in found].count(name) >= names.count(name) for name in names) else None

        try:
            return wait_until(complete, timeout)
        except AssertionError:
            raise AssertionError(f"not all of {names} in {self.of(trace_id)}; faults: {self.faults}") from None

    def stop(self):
        self.answers.set()
        self.server.shutdown()
        self.server.server_close()
