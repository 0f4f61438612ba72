"""An engine that tries what it must not: one failed job with a cause, counted by it, and the next job runs."""
import re

import pytest
from harness.stack import binary_folder
from harness.wait import wait_until

DEED_SIZE = 32  # deed_child.h


@pytest.fixture
def cell(make_stack):
    """A stack whose engine does what the uploaded file's first word says, behind the real walls."""
    return make_stack(converter={"UNREEL_ENGINE": binary_folder().parent / "tests" / "deed_child"})


def counted(stack, name):
    """What the converter has counted, by the last label: {"memory": 1}."""
    text = stack.converters[0].ops("/metrics").text
    return {value: int(count) for value, count in re.findall(rf'^{name}{{.*="([^"]+)"}} (\d+)$', text, re.M) if count != "0"}


def kills(stack):
    """How many engines were ended, by cause."""
    return counted(stack, "unreel_sandbox_kills_total")


def test_a_killed_engine_is_one_failed_job_with_a_cause(cell):
    user = cell.admin()

    def end_of(deed):
        job = user.wait_job(user.upload_raw(deed.encode().ljust(DEED_SIZE, b"\0"), filename="deed.mp4").json()["id"])
        assert job["state"] == "failed" and not job["error"]["retryable"], job
        return job["error"]["type"].removeprefix("urn:unreel:problem:"), job["attempt"]

    assert end_of("memory") == ("resource-limit", 1)
    assert end_of("spin") == ("resource-limit", 1)
    assert kills(cell) == {"memory": 1, "cpu": 1}
    # Twice: a forbidden call may be a library's whim.
    assert end_of("socket") == ("resource-limit", 2)
    assert kills(cell) == {"memory": 1, "cpu": 1, "seccomp": 2}
    assert any("security" in line.get("msg", "") for line in cell.converters[0].logs())
    # What does no harm is told as it is, by the same converter.
    assert end_of("nothing") == ("no-audio-stream", 1)
    assert kills(cell) == {"memory": 1, "cpu": 1, "seccomp": 2}
    # The last one is counted a moment after its record says so.
    wait_until(lambda: counted(cell, "unreel_jobs_total") == {"resource-limit": 3, "no-audio-stream": 1}, what="the count of jobs")
    assert counted(cell, "unreel_job_attempts_total") == {"failed": 4, "retried": 1}
