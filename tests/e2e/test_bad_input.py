"""Bad input: each gets its problem, is logged, and leaves nothing behind."""
import base64
import json
import re
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests
from harness import media
from harness.client import problem_of
from harness.service import Service
from harness.stack import ADMIN
from harness.tokens import altered, base64url, signature
from harness.wait import wait_until


def logged_refusals(stack):
    return len(re.findall(r"upload (refused|broken off)", stack.gateway.log_text()))


@pytest.fixture
def nothing_left(stack):
    """A refused upload leaves no file, and a line in the log."""
    before, lines = stack.engines.blob_ids("videos"), logged_refusals(stack)
    yield
    wait_until(lambda: stack.engines.blob_ids("videos") <= before, 10, what="the removal of a refused upload")
    wait_until(lambda: logged_refusals(stack) == lines + 1, 10, what="a line about the refused upload")


def test_login_with_a_wrong_password_equals_an_unknown_user(stack):
    wrong, unknown = (requests.post(stack.gateway.url + "/login", auth=auth, timeout=30)
                      for auth in (("admin@example.com", "wrong"), ("nobody@example.com", "wrong")))
    assert wrong.status_code == unknown.status_code == 401
    assert problem_of(wrong) == problem_of(unknown) == "unauthenticated"
    said = [{name: value for name, value in answer.json().items() if name != "trace_id"} for answer in (wrong, unknown)]
    assert said[0] == said[1]


@pytest.mark.parametrize("header, problem", [
    (None, "unauthenticated"),
    ("Bearer", "unauthenticated"),
    ("Bearer nonsense", "token-invalid"),
    ("Bearer a.b.c", "token-invalid"),
    ("Bearer " + "A" * 6000, "token-invalid"),
])
def test_bad_token(stack, header, problem):
    headers = {"Authorization": header} if header else {}
    answer = requests.get(stack.gateway.url + "/v1/jobs", headers=headers, timeout=30)
    assert answer.status_code == 401 and problem_of(answer) == problem
    assert "WWW-Authenticate" in answer.headers


def with_token(stack, token):
    return requests.get(stack.gateway.url + "/v1/jobs", headers={"Authorization": "Bearer " + token}, timeout=30)


def test_token_of_another_user_cannot_be_forged(stack, user):
    token = altered(user.token, {"username": "root@example.com"}) + "." + user.token.split(".")[2]
    answer = with_token(stack, token)
    assert answer.status_code == 401 and problem_of(answer) == "token-invalid"


@pytest.mark.parametrize("changes, problem", [
    ({"exp": 1000000000, "iat": 999990000}, "token-expired"),
    ({"aud": "another"}, "token-invalid"),
    ({"iss": "another"}, "token-invalid"),
    ({}, None),
])
def test_signed_token_must_still_fit(stack, user, changes, problem):
    text = altered(user.token, changes)
    answer = with_token(stack, f"{text}.{signature(text, stack.signing_key)}")
    assert answer.status_code == (200 if problem is None else 401), answer.text
    assert problem is None or problem_of(answer) == problem


def test_unsigned_token_is_refused(stack, user):
    answer = with_token(stack, f"{base64url(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{user.token.split('.')[1]}.")
    assert answer.status_code == 401 and problem_of(answer) == "token-invalid"


@pytest.mark.parametrize("fid", ["0" * 24, "xyz", "../../etc/passwd", "%00", ""])
def test_foreign_id_is_not_found(stack, user, fid):
    answer = user.download(fid)
    assert answer.status_code in (400, 404)
    assert user.get(f"/v1/jobs/{fid or '0'}").status_code in (400, 404)


def test_download_before_the_end_says_when_to_come_back(stack, user):
    job = user.submit(media.long_clip())
    answer = user.download(job["id"])
    assert answer.status_code == 409 and problem_of(answer) == "job-not-finished"
    assert int(answer.headers["Retry-After"]) >= 1
    user.post(f"/v1/jobs/{job['id']}/cancel")


@pytest.mark.parametrize("send", [
    lambda user: user.post("/v1/jobs", data=b""),
    lambda user: user.post("/upload", files={"file": ("empty.mp4", b"", "video/mp4")}),
])
def test_empty_file(stack, user, nothing_left, send):
    answer = send(user)
    assert answer.status_code == 400 and problem_of(answer) == "empty-upload"


def test_two_files_in_one_form(stack, user, nothing_left):
    answer = user.post("/upload", files=[("file", ("a.mp4", b"x" * 100)), ("file", ("b.mp4", b"y" * 100))])
    assert answer.status_code == 400 and problem_of(answer) == "one-file-expected"


def test_form_without_a_file(stack, user, nothing_left):
    answer = user.post("/upload", files={"note": (None, "no file here")})
    assert answer.status_code == 400 and problem_of(answer) in ("one-file-expected", "invalid-option")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 90, ""])
def test_wrong_content_type_of_a_form(stack, user, nothing_left, kind):
    answer = user.post("/upload", data=b"--x\r\n\r\n--x--", headers={"Content-Type": kind})
    assert answer.status_code in (400, 415)
    assert problem_of(answer) in ("unsupported-media-type", "bad-request")


def test_broken_form(stack, user, nothing_left):
    answer = user.post("/upload", data=b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc",
                       headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert problem_of(answer) in ("bad-request", "upload-incomplete")


def test_the_limit_of_the_file_and_those_of_its_form(make_stack):
    """Which of them was passed is told, wherever in the body that was."""
    stack = make_stack(gateway={"UNREEL_MAX_UPLOAD_BYTES": 10000})
    user = stack.admin()
    file = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n%s\r\n"
    long_head = b"--x\r\nContent-Disposition: form-data; name=tag; other=" + b"o" * 5000 + b"\r\n\r\n\r\n"

    def problem(path, content_type, *pieces):
        answer = user.post(path, data=iter(pieces), headers={"Content-Type": content_type})
        return answer.status_code, problem_of(answer)

    form = "multipart/form-data; boundary=x"
    too_large, unreadable = (413, "input-too-large"), (400, "bad-request")
    assert problem("/v1/jobs", "video/mp4", b"v" * 20000) == too_large
    assert problem("/upload", form, file % (b"v" * 20000), b"--x--\r\n") == too_large
    assert problem("/upload", form, file % b"video", long_head, b"--x--\r\n") == unreadable
    assert problem("/upload", form, long_head, file % b"video", b"--x--\r\n") == unreadable


@pytest.mark.parametrize("query", ["bitrate=7", "bitrate=abc", "mode=mp4", "channels=6", "sample_rate=1", "quality=99", "preset=loud",
                                   "start=-1", "end=5&start=6", "track=x y", "fade_in=31",
                                   "nonsense=1", "webhook_url=ftp://x/", "tag=" + "t" * 200])
def test_bad_option(stack, user, nothing_left, query):
    answer = user.post("/v1/jobs?" + query, data=media.clip("m4a").read_bytes())
    assert answer.status_code == 400 and problem_of(answer) == "invalid-option"
    assert query.split("=")[0] in answer.json()["detail"]


def requests_by_code(service, code):
    counts = re.findall(rf'^unreel_http_requests_total{{.*code="{code}"}} (\d+)$', service.ops("/metrics").text, re.M)
    return sum(int(count) for count in counts)


def refusals(stack):
    """How many requests the gateway has refused."""
    return requests_by_code(stack.gateway, "4xx")


def test_body_over_the_limit(stack, user, nothing_left):
    def pieces():
        for _ in range(65):
            yield b"\0" * (1 << 20)

    before = refusals(stack)
    try:
        answer = user.post("/v1/jobs", data=pieces())
        assert answer.status_code == 413 and problem_of(answer) == "input-too-large"
    except requests.ConnectionError:
        pass  # the rest of the body was not wanted, and the answer was not waited for
    wait_until(lambda: refusals(stack) == before + 1, 10, what="the refusal")


def raw_request(stack, text, half_close=False):
    """What the gateway answers to bytes that no client library would send."""
    parts = urlsplit(stack.gateway.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as conversation:
        conversation.sendall(text)
        if half_close:
            conversation.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = conversation.recv(65536)
            if not received:
                break
            answer += received
    return answer


def test_announced_body_over_the_limit_is_refused_at_once(stack, user, nothing_left):
    answer = raw_request(stack, (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
                                 f"Content-Length: {1 << 40}\r\nExpect: 100-continue\r\n\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 413"), answer


def test_body_shorter_than_announced_leaves_nothing(stack, user, nothing_left):
    answer = raw_request(stack, (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
                                 "Content-Length: 500000\r\n\r\n").encode() + b"x" * 300000, half_close=True)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer


@pytest.mark.parametrize("name, path", [("gateway", "/v1/jobs"), ("auth", "/login")])
def test_client_that_goes_away_is_no_failure_of_the_service(stack, user, name, path):
    service = getattr(stack, name)
    gone, failed = requests_by_code(service, "none"), requests_by_code(service, "5..")
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as conversation:
        conversation.sendall((f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
                              "Content-Length: 4000\r\n\r\n").encode() + b"x" * 3000)
        time.sleep(0.2)
    wait_until(lambda: requests_by_code(service, "none") == gone + 1, 10, what="the end of the request")
    assert requests_by_code(service, "5..") == failed


@pytest.mark.parametrize("lines", [
    "Host: a\r\nHost: b\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: -1\r\n", "X-Folded: a\r\n b\r\n",
])
def test_smuggled_framing_is_refused(stack, lines):
    host = "" if lines.startswith("Host") else "Host: x\r\n"
    answer = raw_request(stack, f"POST /login HTTP/1.1\r\n{host}{lines}\r\nabc".encode())
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def cut_clip():
    whole = media.clip("fast").read_bytes()
    return whole[:len(whole) // 2]


def cut_without_index():
    whole = media.clip("tail").read_bytes()
    return whole[:len(whole) // 2]


@pytest.mark.parametrize("make, problems", [
    pytest.param(lambda: b"This is no video.\n" * 400, ["unsupported-format"], id="text"),
    pytest.param(lambda: bytes(range(256)) * 400, ["unsupported-format", "corrupt-input"], id="bytes"),
    pytest.param(cut_clip, ["corrupt-input"], id="cut with its index"),
    pytest.param(cut_without_index, ["corrupt-input", "unsupported-format"], id="cut without its index"),
    pytest.param(lambda: media.clip("silent").read_bytes(), ["no-audio-stream"], id="silent"),
    pytest.param(lambda: media.clip("encrypted").read_bytes(), ["encrypted-input", "unsupported-codec"], id="encrypted"),
    pytest.param(lambda: media.clip("exotic").read_bytes(), ["unsupported-codec"], id="codec"),
    pytest.param(lambda: HLS, ["unsupported-format"], id="playlist"),
    pytest.param(lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", ["unsupported-format"], id="concat"),
])
def test_file_that_cannot_be_converted_fails_with_a_reason(stack, user, make, problems):
    before = stack.engines.blob_ids("mp3s")
    job = user.wait_job(user.upload_raw(make(), filename="clip.mp4").json()["id"])
    assert job["state"] == "failed", job
    assert job["error"]["type"].removeprefix("urn:unreel:problem:") in problems, job["error"]
    assert job["error"]["title"] and job["error"]["detail"] and not job["error"]["retryable"]
    assert job["attempt"] == 1
    answer = user.download(job["id"])
    assert answer.status_code == 422 and problem_of(answer) in problems
    assert stack.engines.blob_ids("mp3s") <= before
    assert any(job["id"] in json.dumps(line) for line in stack.converter.logs())


@pytest.mark.parametrize("name", ['quo"te\'s.mp4', "new\nline\r\n.mp4", "n" * 300 + ".mp4", "видео 視頻 🎬.mp4", "../../etc/passwd",
                                  "..", "a;b=c.mp4", "<script>.mp4"])
def test_names_are_cleaned_and_never_break_a_header(stack, user, name):
    answer = user.upload_raw(media.clip("m4a"), filename=name)
    assert answer.status_code == 202, answer.text
    done = user.wait_job(answer.json()["id"])
    assert done["state"] == "succeeded"
    shown = done["filename"]
    assert "/" not in shown and "\n" not in shown and "\r" not in shown and len(shown.encode()) < 256
    download = user.download(done["mp3_fid"])
    assert download.status_code == 200
    assert download.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("body", [b"{not json", b"", b"[]", b'{"video_fid":7}', b'{"version":99,"video_fid":"' + b"0" * 24 + b'"}',
                                  b"\xff\xfe", b'{"video_fid":"../../etc"}'])
def test_broken_message_is_dead_lettered_and_the_next_job_runs(stack, user, body):
    before = stack.engines.dead_count("video")
    stack.engines.put_raw("video", body)
    wait_until(lambda: stack.engines.dead_count("video") == before + 1, 20, what="the dead letter")
    user.convert(media.clip("m4a"))


def test_unknown_route_and_method(stack, user):
    answer = user.get("/nothing/here")
    assert answer.status_code == 404 and problem_of(answer) == "not-found"
    answer = user.delete("/upload")
    assert answer.status_code == 405 and problem_of(answer) == "method-not-allowed"
    assert "POST" in answer.headers["Allow"]


def test_unknown_setting_stops_a_service_at_once(stack):
    for service in stack.services:
        other = Service(service.binary, f"{service.name}-wrong", service.workdir,
                        {**service.settings, "UNREEL_NONSENSE": "1"}, has_api=False)
        other.start(wait=False)
        assert other.wait_exit(20) == 2
        assert "UNREEL_NONSENSE" in other.log_text()


def test_failed_logins_count_by_the_client_behind_a_proxy(make_stack):
    """One who fails locks out himself, not everybody who comes through the same ingress."""
    stack = make_stack(auth={"UNREEL_LOGIN_ADDRESS_FAILURES": 4})

    def login(user, *forwarded, password="wrong"):
        lines = "".join(f"X-Forwarded-For: {line}\r\n" for line in forwarded)
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        answer = raw_request(stack, (f"POST /login HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n{lines}"
                                     "Content-Length: 0\r\nConnection: close\r\n\r\n").encode())
        return int(answer.split()[1])

    for number in range(4):
        assert login(f"user{number}@example.com", "203.0.113.7") == 401
    assert login(ADMIN[0], "203.0.113.7", password=ADMIN[1]) == 429
    assert login(ADMIN[0], "203.0.113.8", password=ADMIN[1]) == 200
    # A client cannot choose its address: what it wrote stands before what the proxy adds, in its line or another.
    assert login(ADMIN[0], "198.51.100.1, 203.0.113.7", password=ADMIN[1]) == 429
    assert login(ADMIN[0], "198.51.100.1", "203.0.113.7", password=ADMIN[1]) == 429


def test_too_many_wrong_passwords_slow_down(stack):
    stack.add_user("locked@example.com")
    codes = [requests.post(stack.gateway.url + "/login", auth=("locked@example.com", "wrong"), timeout=30).status_code
             for _ in range(15)]
    assert codes[0] == 401 and codes[-1] == 429
