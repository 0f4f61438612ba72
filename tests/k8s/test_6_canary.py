"""A second version beside the first: it takes a share, is told apart, and is taken back."""
import os

import jobs
import pytest
import requests
from combine import combined
from harness.wait import wait_until

NEXT = os.environ.get("UNREEL_TEST_K8S_NEXT_TAG")
NAMES = ("gateway", "converter")
pytestmark = pytest.mark.skipif(not NEXT, reason="CANARY NOT TESTED: UNREEL_TEST_K8S_NEXT_TAG names no second version")


def image_of(kube, name):
    return kube.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


def version_of(kube, pod):
    return kube.label_of_metric(pod, "unreel_build_info", "version")


def is_canary(pod):
    return pod.split("-")[1] == "canary"


@pytest.fixture
def canary(kube, applied, installation, tmp_path):
    """One canary of each beside two."""
    lines = ["images:"]
    for name in NAMES:
        repository = image_of(kube, name).rsplit(":", 1)[0]
        lines.append(f"  - {{ name: unreel/{name}-canary, newName: {repository}, newTag: {NEXT} }}")
    kube.apply(combined(tmp_path, applied["folder"], "canary", more="\n".join(lines) + "\n"))
    kube.run("delete", "hpa", "--all")
    for name in NAMES:
        kube.run("scale", f"deployment/{name}", "--replicas=2")
    kube.rolled_out(*(f"deployment/{name}{suffix}" for name in NAMES for suffix in ("", "-canary")))
    wait_until(lambda: [len(kube.pods(name)) for name in NAMES] == [3, 3], 60, 1, "three pods of each")
    yield
    kube.run("delete", *(f"deployment/{name}-canary" for name in NAMES))
    for name in NAMES:
        kube.scale(name, 1)


def test_a_canary_takes_a_share(kube, url, client, clip, canary):
    """By the number of pods; metrics and the job's record say which version it was."""
    versions = {pod: version_of(kube, pod) for name in NAMES for pod in kube.pods(name)}
    assert {version for pod, version in versions.items() if is_canary(pod)} == {NEXT}
    stable, = {version for pod, version in versions.items() if not is_canary(pod)}
    assert stable != NEXT

    done = jobs.wait_all(client, jobs.submit_many(client, clip, 30), 200)
    by_version = [job["converter_version"] for job in done]
    assert {job["state"] for job in done} == {"succeeded"} and set(by_version) == {stable, NEXT}
    assert 3 <= by_version.count(NEXT) <= 18, by_version

    pod, = (pod for pod in kube.pods("gateway") if is_canary(pod))
    before = kube.metrics(pod)["unreel_http_requests_total"]
    for _ in range(60):
        requests.get(f"{url}/v1/jobs/{done[0]['id']}", headers={**client.session.headers, "Connection": "close"}, timeout=30)
    assert 5 <= kube.metrics(pod)["unreel_http_requests_total"] - before <= 40


def test_rollout_undo(kube, client, clip, installation):
    """The next version everywhere, and back again; a job in each says so."""
    old = image_of(kube, "converter")
    before = version_of(kube, kube.pods("converter")[0])
    kube.run("set", "image", "deployment/converter", f"converter={old.rsplit(':', 1)[0]}:{NEXT}")
    kube.rolled_out("deployment/converter")
    assert convert_alone(kube, client, clip)["converter_version"] == NEXT
    kube.run("rollout", "undo", "deployment/converter")
    kube.rolled_out("deployment/converter")
    assert convert_alone(kube, client, clip)["converter_version"] == before and image_of(kube, "converter") == old


def convert_alone(kube, client, clip):
    """When the rollout's last pod of before is gone: until then it would take jobs."""
    wait_until(lambda: kube.pod_count("converter") == 1, 60, 0.5, "one converter")
    return client.convert(clip, **jobs.unlike_others())
