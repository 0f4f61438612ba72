"""One trace from the upload to the notices, in the words of OpenTelemetry; and a collector that is away costs nothing."""
import json
import secrets
import signal
import statistics
import time

import pytest
import requests
from harness import media
from harness.collector import Collector
from harness.stack import ADMIN
from harness.wait import wait_until

JOB = ["POST /v1/jobs", "publish video", "publish unreel.events:job.queued", "process video", "probe", "convert", "store",
       "publish mp3", "publish unreel.events:job.succeeded", "process mp3", "send mail", "POST"]


class Caller:
    """A client that traces too: what it sends names its own span."""

    def __init__(self, flags="01"):
        self.trace_id, self.id = secrets.token_hex(16), secrets.token_hex(8)
        self.headers = {"traceparent": f"00-{self.trace_id}-{self.id}-{flags}"}

    def submit(self, user, path, **options):
        answer = user.post("/v1/jobs", data=path.read_bytes(), params={"filename": path.name, **options},
                           headers={"Content-Type": "video/mp4", **self.headers})
        assert answer.status_code == 202, answer.text
        assert answer.json()["trace_id"] == self.trace_id
        return answer.json()


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.stop()
    assert not server.faults, server.faults


def named(spans, name):
    return [span for span in spans if span.name == name]


def only(spans, name):
    found = named(spans, name)
    assert len(found) == 1, (name, spans)
    return found[0]


def assert_within(spans):
    """Nobody begins before what caused it; parts end within the whole."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        cause = by_id.get(span.parent)
        assert span.began <= span.ended
        if cause is not None:
            assert cause.began <= span.began + 0.001, (cause, span)
            if span.kind in ("INTERNAL", "CLIENT") and span.service == cause.service:
                assert span.ended <= cause.ended + 0.001, (cause, span)


def test_one_upload_is_one_trace(make_stack, collector, mail, receiver):
    stack = make_stack(smtp_url=mail.url, **collector.settings)
    user, caller = stack.admin(), Caller()
    job = caller.submit(user, media.clip("m4a"), webhook_url=receiver.url)
    spans = collector.wait_spans(caller.trace_id, JOB)
    assert sorted(span.name for span in spans) == sorted(JOB)
    tree = [("gateway", "SERVER", "POST /v1/jobs", caller.id),
            ("gateway", "PRODUCER", "publish video", "POST /v1/jobs"),
            ("gateway", "PRODUCER", "publish unreel.events:job.queued", "POST /v1/jobs"),
            ("converter", "CONSUMER", "process video", "publish video"),
            ("converter", "INTERNAL", "probe", "process video"),
            ("converter", "INTERNAL", "convert", "process video"),
            ("converter", "INTERNAL", "store", "process video"),
            ("converter", "PRODUCER", "publish mp3", "process video"),
            ("converter", "PRODUCER", "publish unreel.events:job.succeeded", "process video"),
            ("notifier", "CONSUMER", "process mp3", "publish mp3"),
            ("notifier", "CLIENT", "send mail", "process mp3"),
            ("notifier", "CLIENT", "POST", "process mp3")]
    for service, kind, name, parent in tree:
        span = only(spans, name)
        parent_id = parent if parent == caller.id else only(spans, parent).id
        assert (span.service, span.kind, span.parent) == (service, kind, parent_id), span
        assert not span.is_failed, span
        assert span.resource["service.version"] and span.resource["service.instance.id"]
    assert_within(spans)
    post = only(spans, "POST")
    assert receiver.traceparents[f"evt_{job['id']}_succeeded"] == f"00-{caller.trace_id}-{post.id}-01"


def test_attributes_are_those_of_the_conventions(make_stack, collector, mail, receiver):
    stack = make_stack(smtp_url=mail.url, **collector.settings)
    user, caller = stack.admin(), Caller()
    job = caller.submit(user, media.clip("m4a"), webhook_url=receiver.url)
    spans = collector.wait_spans(caller.trace_id, JOB)
    server = only(spans, "POST /v1/jobs").attributes
    assert server == {"http.request.method": "POST", "url.scheme": "http", "url.path": "/v1/jobs", "http.route": "/v1/jobs",
                      "http.response.status_code": 202}
    system = "rabbitmq" if stack.engines.name == "servers" else "sqlite"
    for queue in ("video", "mp3"):
        sent, taken = only(spans, f"publish {queue}").attributes, only(spans, f"process {queue}").attributes
        assert sent.pop("messaging.message.id") == taken.pop("messaging.message.id") != ""
        both = {"messaging.system": system, "messaging.destination.name": queue,
                "messaging.rabbitmq.destination.routing_key": queue}
        assert sent == {**both, "messaging.operation.name": "publish", "messaging.operation.type": "send"}
        for name, value in {**both, "messaging.operation.name": "process", "messaging.operation.type": "process",
                            "unreel.job.id": job["id"]}.items():
            assert taken[name] == value
    assert only(spans, "process video").attributes["unreel.job.attempt"] == 1
    event = only(spans, "publish unreel.events:job.succeeded").attributes
    assert event["messaging.destination.name"] == "unreel.events:job.succeeded"
    assert event["messaging.rabbitmq.destination.routing_key"] == "job.succeeded"
    post = only(spans, "POST").attributes
    assert post == {"http.request.method": "POST", "server.address": "127.0.0.1", "server.port": receiver.server.server_port,
                    "http.response.status_code": 204}


def test_login_goes_through_the_gateway_to_auth(make_stack, collector):
    stack = make_stack(**collector.settings)
    caller = Caller()
    requests.post(stack.gateway.url + "/login", auth=ADMIN, headers=caller.headers, timeout=30).raise_for_status()
    spans = collector.wait_spans(caller.trace_id, ["POST /login", "POST", "POST /login"])
    outer, = [span for span in spans if span.parent == caller.id]
    call = only(spans, "POST")
    inner, = [span for span in spans if span.parent == call.id]
    assert (outer.service, outer.kind, call.parent, call.kind) == ("gateway", "SERVER", outer.id, "CLIENT")
    assert (inner.service, inner.kind, inner.name) == ("auth", "SERVER", "POST /login")


def test_failure_is_told(make_stack, collector, tmp_path):
    stack = make_stack(**collector.settings)
    user, caller = stack.admin(), Caller()
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"this is no film" * 100)
    job = caller.submit(user, bad)
    failed = user.wait_job(job["id"])
    slug = failed["error"]["type"].removeprefix("urn:unreel:problem:")
    spans = collector.wait_spans(caller.trace_id, ["process video", "probe", "process mp3"])
    attempt = only(spans, "process video")
    assert attempt.is_failed and attempt.attributes["error.type"] == slug
    assert attempt.attributes["unreel.job.state"] == "failed"
    assert only(spans, "probe").is_failed and not named(spans, "convert")


def test_what_is_given_back_is_the_request_s_again(make_stack, collector):
    """Drained in the middle of a job: what was held is sent at the end, and the next attempt is no part of the first."""
    stack = make_stack(**{**collector.settings, "converter": {"UNREEL_OTLP_URL": collector.url, "UNREEL_DRAIN_TIMEOUT_S": 0}})
    user, caller = stack.admin(), Caller()
    job = caller.submit(user, media.long_clip(900))
    user.wait_state(job["id"], ("running",))
    stack.converter.signal(signal.SIGTERM)
    stack.converter.wait_exit()
    assert len(named(collector.of(caller.trace_id), "process video")) == 1
    stack.converter.start(UNREEL_DRAIN_TIMEOUT_S=30)
    assert user.wait_job(job["id"], 120)["state"] == "succeeded"
    spans = collector.wait_spans(caller.trace_id, ["process video"] * 2 + ["process mp3"])
    server, sent, attempts = only(spans, "POST /v1/jobs"), named(spans, "publish video"), named(spans, "process video")
    assert [span.parent for span in sent] == [server.id] * 2, spans
    assert {span.parent for span in attempts} == {span.id for span in sent}, spans
    last = max(attempts, key=lambda span: span.began)
    assert only(spans, "publish mp3").parent == last.id
    assert_within(spans)


def test_what_is_published_again_is_in_the_trace(make_stack, collector):
    stack = make_stack(**{**collector.settings, "gateway": {"UNREEL_OTLP_URL": collector.url, "UNREEL_REPUBLISH_AFTER_S": 1}})
    stack.converter.stop()
    user, caller = stack.admin(), Caller()
    job = caller.submit(user, media.clip("m4a"))
    collector.wait_spans(caller.trace_id, ["publish video"] * 2)
    stack.converter.start()
    assert user.wait_job(job["id"])["state"] == "succeeded"
    spans = collector.wait_spans(caller.trace_id, ["process video"] * 2 + ["process mp3"])
    server, sent = only(spans, "POST /v1/jobs"), named(spans, "publish video")
    assert {span.parent for span in sent} == {server.id}
    taken = named(spans, "process video")
    assert {span.parent for span in taken} <= {span.id for span in sent}
    assert len({span.parent for span in taken}) == len(taken)
    assert_within(spans)


def test_unsampled_trace_leaves_no_span(make_stack, collector, receiver):
    stack = make_stack(**collector.settings)
    user, caller = stack.admin(), Caller(flags="00")
    job = caller.submit(user, media.clip("m4a"), webhook_url=receiver.url)
    receiver.wait_event(job["id"])
    assert receiver.traceparents[f"evt_{job['id']}_succeeded"] == caller.headers["traceparent"]
    for service in stack.services:
        service.stop()
    assert collector.of(caller.trace_id) == []
    assert collector.spans != []  # the waiting, which had traces of its own


def test_what_is_held_is_sent_at_the_end(make_stack, collector):
    stack = make_stack(**collector.settings)
    user = stack.admin()
    traces = []
    for _ in range(20):
        caller = Caller()
        assert user.get("/v1/jobs", headers=caller.headers).status_code == 200
        traces.append(caller.trace_id)
    stack.gateway.stop()
    for trace_id in traces:
        assert only(collector.of(trace_id), "GET /v1/jobs").service == "gateway"


def upload_times(stack, count=15):
    user, body, times = stack.admin(), media.clip("m4a", 1).read_bytes(), []
    for _ in range(count):
        began = time.monotonic()
        assert user.upload_raw(body).status_code == 202
        times.append(time.monotonic() - began)
    return times


def test_collector_that_hangs_costs_nothing(make_stack, collector):
    stack = make_stack(**collector.settings)
    collector.answers.clear()
    upload_times(stack, 3)
    wait_until(lambda: collector.posts > 0)
    slow = upload_times(stack)
    began = time.monotonic()
    for service in stack.services:
        service.stop()
        assert time.monotonic() - began < 12
        began = time.monotonic()
    for service in stack.services:
        service.start(wait=False, UNREEL_OTLP_URL=None)
    for service in stack.services:
        service.wait_ready()
    fast = upload_times(stack)
    assert statistics.median(slow) < 2 * statistics.median(fast) + 0.05 and max(slow) < 1, (slow, fast)


def test_collector_that_comes_back_is_used(make_stack, collector):
    stack = make_stack(**collector.settings)
    user = stack.admin()
    url, collector_port = stack.gateway.settings["UNREEL_OTLP_URL"], collector.server.server_port
    assert str(collector_port) in url
    collector.answers.clear()
    user.get("/v1/jobs")
    wait_until(lambda: any(line["msg"].startswith("spans are dropped") for line in stack.gateway.logs()))
    collector.answers.set()
    caller = Caller()
    user.get("/v1/jobs", headers=caller.headers)
    collector.wait_spans(caller.trace_id, ["GET /v1/jobs"])
    wait_until(lambda: any("takes spans again" in line["msg"] for line in stack.gateway.logs()))
    assert stack.gateway.metric("unreel_trace_spans_total") > 0
    text = json.dumps(stack.gateway.logs())
    assert text.count("spans are dropped") == 1
