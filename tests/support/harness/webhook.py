"""A webhook receiver that checks Standard Webhooks signatures."""
import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .wait import wait_until

KEY = b"a key that only the tests know!!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    def __init__(self):
        self.events, self.faults, self.tries, self.ids = [], [], 0, []
        self.traceparents = {}
        self.status, self.delay_s = 204, 0
        self.fails_first = False  # each event's first try gets 500, at once
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(self.headers, body)
                time.sleep(receiver.delay_s if status < 300 else 0)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def take(self, headers, body):
        """The status to answer. Runs in the server's thread, where an assertion would be lost: faults are kept."""
        self.tries += 1
        event_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        self.ids.append(event_id)
        self.traceparents[event_id] = headers["traceparent"]
        signed = f"{event_id}.{stamp}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        if expected not in headers["webhook-signature"].split():
            self.faults.append("wrong signature")
        if abs(time.time() - int(stamp)) > 60:
            self.faults.append("wrong timestamp")
        if headers["Content-Type"].split(";")[0] != "application/json":
            self.faults.append("wrong content type")
        status = 500 if self.fails_first and self.ids.count(event_id) == 1 else self.status
        if status < 300:
            self.events.append((event_id, json.loads(body)))
        return status

    def wait_event(self, job_id, timeout=30):
        found = wait_until(lambda: [event for event in self.events if event[1]["data"]["id"] == job_id], timeout,
                           what=f"a webhook about {job_id}")
        assert not self.faults, self.faults
        return found[0]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
