"""One grep by the trace id shows a job's life in all four services; and what no line may hold."""
import json
import secrets

import pytest
import requests
from harness import media, webhook
from harness.client import Client
from harness.stack import ADMIN
from harness.tokens import altered, signature
from harness.wait import wait_until

LEVELS = {"debug", "info", "warn", "error"}


def caller():
    """Headers of a client that keeps one trace from its login to its upload."""
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


def grep(stack, trace_id):
    """{service: its lines that the trace id is in}."""
    return {service.name: [json.loads(line) for line in service.log_text().splitlines() if trace_id in line]
            for service in stack.services}


def log_in(stack, headers):
    """A client whose login was part of the trace."""
    answer = requests.post(stack.gateway.url + "/login", auth=ADMIN, headers=headers, timeout=30)
    answer.raise_for_status()
    user = Client(stack.gateway.url)
    user.session.headers["Authorization"] = f"Bearer {answer.text.strip()}"
    return user


def submit(user, body, headers, **options):
    answer = user.post("/v1/jobs", data=body, params=options, headers={"Content-Type": "video/mp4", **headers})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_one_grep_shows_a_job_in_all_services(stack, mail, receiver):
    trace_id, headers = caller()
    user = log_in(stack, headers)
    job = submit(user, media.clip("m4a").read_bytes(), headers, webhook_url=receiver.url)
    done = user.wait_job(job["id"])
    mail.wait_mail(done["mp3_fid"])
    receiver.wait_event(job["id"])
    wait_until(lambda: any(line["msg"].startswith("webhook sent") for line in grep(stack, trace_id)["notifier"]))
    found = grep(stack, trace_id)
    told = {"auth": "login of", "gateway": "job accepted", "converter0": "job done", "notifier": "mail sent"}
    for name, beginning in told.items():
        line, = [line for line in found[name] if line["msg"].startswith(beginning)]
        assert line["trace_id"] == trace_id and line["level"] == "info", line
        assert line["service"] == "unreel-" + name.rstrip("0")
        assert line.get("job_id") == (None if name == "auth" else job["id"]), line
        assert line.get("attempt") == (1 if name in ("converter0", "notifier") else None), line
    users = {line["user_id"] for lines in found.values() for line in lines if "user_id" in line}
    assert len(users) == 1 and ADMIN[0] not in users
    for name in told:
        assert any("user_id" in line for line in found[name]), found[name]


def test_failure_has_its_code(stack, user):
    trace_id, headers = caller()
    job = submit(user, b"this is no film" * 100, headers)
    slug = user.wait_job(job["id"])["error"]["type"].removeprefix("urn:unreel:problem:")
    line, = [line for line in grep(stack, trace_id)["converter0"] if line["msg"].startswith("job failed")]
    assert line["error.code"] == slug and line["attempt"] == 1 and line["level"] == "warn"


def test_refused_login_has_its_code(stack):
    trace_id, headers = caller()
    assert requests.post(stack.gateway.url + "/login", auth=(ADMIN[0], "wrong"), headers=headers, timeout=30).status_code == 401
    assert [line["error.code"] for line in grep(stack, trace_id)["auth"]] == ["denied"]


def expired(stack, token):
    text = altered(token, {"exp": 1000000000, "iat": 999990000})
    return f"{text}.{signature(text, stack.signing_key)}"


@pytest.mark.parametrize("name, send, path", [("gateway", requests.get, "/v1/jobs"), ("auth", requests.post, "/validate")])
@pytest.mark.parametrize("make_token, code", [
    (lambda stack, token: None, "unauthenticated"),
    (lambda stack, token: "a.b.c", "denied"),
    (expired, "timeout"),
], ids=["none", "nonsense", "expired"])
def test_refused_token_leaves_one_line(stack, user, name, send, path, make_token, code):
    token = make_token(stack, user.token)
    trace_id, headers = caller()
    if token:
        headers["Authorization"] = "Bearer " + token
    assert send(getattr(stack, name).url + path, headers=headers, timeout=30).status_code == 401
    line, = grep(stack, trace_id)[name]
    assert line["error.code"] == code and line["level"] in ("info", "warn")


@pytest.mark.parametrize("verb, code", [("disable", "forbidden"), ("remove", "token-invalid")])
def test_token_of_an_account_that_is_no_more_leaves_one_line(stack, verb, code):
    address = f"{verb}d@example.com"
    token = stack.add_user(address).token
    stack.change_user(verb, address)
    trace_id, headers = caller()
    headers["Authorization"] = "Bearer " + token
    assert requests.post(stack.auth.url + "/validate", headers=headers, timeout=30).status_code in (401, 403)
    line, = grep(stack, trace_id)["auth"]
    assert line["error.code"] == code and line["user_id"]


@pytest.mark.parametrize("name", ["auth", "gateway", "converter0", "notifier"])
def test_lines_are_objects_without_secrets(stack, user, receiver, name):
    nasty = 'a"b\\c\n{"level":"error"}\x1b[31m' + "x" * 100
    job = user.submit(media.clip("m4a"), tag=nasty, webhook_url=receiver.url + "?key=SECRETQUERY")
    user.wait_job(job["id"])
    receiver.wait_event(job["id"])
    service, = [service for service in stack.services if service.name == name]
    raw = service.log_path.read_bytes()
    for line in raw.splitlines(keepends=True):
        assert line.endswith(b"\n") and len(line) <= 8192
        entry = json.loads(line)
        assert {"time", "level", "service", "msg"} <= set(entry) and entry["level"] in LEVELS
        assert entry["time"].endswith("Z") and len(entry["time"]) == 24
        assert set(entry) <= {"time", "level", "service", "source", "msg", "trace_id", "job_id", "user_id", "attempt",
                              "error.code"}
    for secret in (ADMIN[1], user.token, webhook.SECRET, "SECRETQUERY", ADMIN[0]):
        assert secret.encode() not in raw, secret
