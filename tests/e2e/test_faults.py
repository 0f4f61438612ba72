"""Whatever is killed, whenever: an upload that was answered 202 ends as one MP3."""
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import requests
from harness import media
from harness.client import Client, problem_of
from harness.mail import MailServer
from harness.stack import ADMIN
from harness.ports import free_port
from harness.wait import wait_until


def children_of(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def engines_of(service):
    """The engines of a converter: children of its zygote."""
    return [engine for zygote in children_of(service.process.pid) for engine in children_of(zygote)]


@pytest.mark.parametrize("name", ["auth", "gateway", "converter", "notifier"])
def test_service_is_restarted_between_two_uploads(stack, user, name):
    user.convert(media.clip("m4a"))
    getattr(stack, name).restart()
    user.convert(media.clip("m4a"))


def test_service_is_killed_between_two_uploads(stack, user):
    for service in stack.services:
        service.kill()
        service.start()
    user.convert(media.clip("m4a"))


def test_logged_in_users_go_on_while_auth_is_down(stack, user):
    user.get("/v1/jobs")
    stack.auth.stop()
    try:
        user.convert(media.clip("m4a"))
        answer = requests.post(stack.gateway.url + "/login", auth=ADMIN, timeout=30)
        assert answer.status_code == 503 and problem_of(answer) == "unavailable"
    finally:
        stack.auth.start()
    Client(stack.gateway.url, *ADMIN)


def test_job_waits_while_no_converter_runs(stack, user):
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    time.sleep(1)
    assert user.job(job["id"])["state"] == "queued"
    stack.converter.start()
    assert user.wait_job(job["id"])["state"] == "succeeded"


def test_video_that_vanished_fails_the_job(stack, user):
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    stack.engines.remove_blob("videos", job["video_fid"])
    stack.converter.start()
    done = user.wait_job(job["id"])
    assert done["state"] == "failed" and done["error"]["type"].endswith("source-missing")


def test_notices_wait_for_the_notifier(stack, user, mail):
    stack.notifier.stop()
    done = user.convert(media.clip("m4a"))
    assert not mail.mails_about(done["mp3_fid"])
    stack.notifier.start()
    mail.wait_mail(done["mp3_fid"])


@pytest.mark.smoke
def test_converter_is_killed_in_the_middle_of_a_job(make_stack):
    stack = make_stack(converters=2)
    user = stack.admin()
    source = media.long_clip(600)
    job = user.submit(source)
    user.wait_state(job["id"], ("running",))
    victim = wait_until(lambda: next((c for c in stack.converters if engines_of(c)), None))
    left_alone = children_of(victim.process.pid) + engines_of(victim)
    victim.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left_alone), 10, what="the end of its engines")
    done = user.wait_job(job["id"], 120)
    stack.assert_one_mp3(done)
    assert done["attempt"] == 2
    assert done["output"]["duration_s"] == pytest.approx(600.3, abs=0.1)
    victim.start()


def running_engine(stack):
    return wait_until(lambda: engines_of(stack.converter))[0]


def test_engine_that_dies_is_started_again(make_stack):
    stack = make_stack()
    user = stack.admin()
    job = user.submit(media.long_clip(600))
    os.kill(running_engine(stack), signal.SIGTERM)
    done = user.wait_job(job["id"], 120)
    stack.assert_one_mp3(done)
    assert done["attempt"] == 2


def test_engine_that_takes_too_much_fails_its_job_only(make_stack):
    """SIGKILL is how the kernel ends a process that wants too much memory: that would happen again and again."""
    stack = make_stack()
    user = stack.admin()
    job = user.submit(media.long_clip(600))
    os.kill(running_engine(stack), signal.SIGKILL)
    done = user.wait_job(job["id"])
    assert done["state"] == "failed" and done["error"]["type"].endswith("resource-limit")
    assert stack.engines.blob_ids("mp3s") == set()
    user.convert(media.clip("m4a"))


def test_a_zygote_that_dies_costs_a_try(make_stack):
    """Its engine dies with it; both jobs end well, from a new zygote."""
    stack = make_stack()
    user = stack.admin()
    job = user.submit(media.long_clip(600))
    running_engine(stack)
    os.kill(children_of(stack.converter.process.pid)[0], signal.SIGKILL)
    user.convert(media.clip("m4a"))
    done = user.wait_job(job["id"], 120)
    assert done["state"] == "succeeded" and done["attempt"] == 2


def test_without_seccomp_there_is_no_converter(make_stack, tmp_path):
    """It ends before it takes a message: no file is decoded without walls."""
    stack = make_stack()
    user = stack.admin()
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho '{\"landlock_abi\":7,\"seccomp\":false}'\n")
    engine.chmod(0o755)
    stack.converter.stop()
    stack.converter.start(wait=False, UNREEL_ENGINE=engine)
    assert stack.converter.wait_exit() == 1 and "seccomp is not available here" in stack.converter.log_text()
    job = user.submit(media.clip("m4a"))
    assert user.job(job["id"])["state"] == "queued"
    stack.converter.start(UNREEL_ENGINE=None)
    assert user.wait_job(job["id"])["state"] == "succeeded"


def test_two_converters_share_twenty_jobs(make_stack):
    stack = make_stack(converters=2)
    user = stack.admin()
    ids = [user.submit(media.clip("m4a", 10))["id"] for _ in range(20)]
    done = [user.wait_job(job_id, 120) for job_id in ids]
    assert all(job["state"] == "succeeded" and job["attempt"] == 1 for job in done)
    assert len({job["mp3_fid"] for job in done}) == 20
    shares = [sum(job_id in converter.log_text() for job_id in ids) for converter in stack.converters]
    assert sum(shares) == 20 and min(shares) >= 4, shares


def test_gateway_is_killed_in_the_middle_of_an_upload(make_stack):
    stack = make_stack()
    user = stack.admin()
    started = threading.Event()

    def body():
        yield media.clip("mp4").read_bytes()[:20000]
        started.set()
        time.sleep(30)

    def upload():
        with pytest.raises(requests.RequestException):
            user.post("/v1/jobs", data=body())

    sender = threading.Thread(target=upload, daemon=True)
    sender.start()
    started.wait(10)
    stack.gateway.kill()
    stack.gateway.start()
    user.convert(media.clip("m4a"))
    assert len(user.get("/v1/jobs").json()["jobs"]) == 1


def test_two_auths_migrate_one_database_at_once(make_stack):
    stack = make_stack(start=False)
    second = stack._make("auth", True, 2, **{name: value for name, value in stack.auth.settings.items()
                                             if name not in ("UNREEL_PORT", "UNREEL_OPS_PORT")})
    for service in (stack.auth, second):
        service.start(wait=False)
    for service in (stack.auth, second):
        service.wait_ready()
        Client(service.url, *ADMIN)
    second.stop()
    second.check_log()


def test_mail_server_that_was_down_gets_the_mail_later(make_stack):
    port = free_port()
    stack = make_stack(smtp_url=f"smtp://127.0.0.1:{port}")
    user = stack.admin()
    done = user.convert(media.clip("m4a"))
    wait_until(lambda: "mail failed, try 1" in stack.notifier.log_text(), 20)
    server = MailServer(port=port)
    server.wait_mail(done["mp3_fid"])
    server.stop()


def test_mail_goes_over_tls_when_the_server_asks(make_stack, tmp_path):
    server = MailServer(tls_folder=tmp_path)
    stack = make_stack(smtp_url=server.url)
    done = stack.admin().convert(media.clip("m4a"))
    server.wait_mail(done["mp3_fid"])
    assert all(over_tls for _, _, over_tls in server.received)
    server.stop()


@pytest.mark.servers
def test_upload_is_accepted_while_the_broker_is_down(make_stack, own_amqp):
    stack = make_stack(on=own_amqp)
    user = stack.admin()
    with own_amqp.down():
        job = user.submit(media.clip("m4a"))
        assert user.job(job["id"])["state"] == "queued"
    assert user.wait_job(job["id"], 90)["state"] == "succeeded"


@pytest.mark.servers
def test_broker_is_restarted_between_two_uploads(make_stack, own_amqp):
    stack = make_stack(on=own_amqp)
    user = stack.admin()
    user.convert(media.clip("m4a"))
    own_amqp.run("restart")
    user.convert(media.clip("m4a"), timeout=90)


@pytest.mark.servers
def test_broker_is_killed_in_the_middle_of_a_job(make_stack, own_amqp):
    stack = make_stack(on=own_amqp)
    user = stack.admin()
    job = user.submit(media.long_clip(300))
    user.wait_state(job["id"], ("running",))
    with own_amqp.down():
        pass
    stack.assert_one_mp3(user.wait_job(job["id"], 120))
    other = user.submit(media.clip("m4a"))
    assert user.wait_job(other["id"], 90)["state"] == "succeeded"
