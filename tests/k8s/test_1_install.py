"""From nothing to the first MP3, as the README says it."""
import json
import re
import time

import figures
import jobs
import pytest
from conftest import ACCOUNT
from harness.client import Client
from kube import SERVICES


def test_first_mp3(kube, installation, clip, tmp_path):
    """Login, upload, watch, download by file id, through kubectl port-forward."""
    with kube.forward("service/gateway", 8080) as port:
        client = Client(f"http://127.0.0.1:{port}", *ACCOUNT)
        answer = client.upload_form(clip, fields=jobs.unlike_others())
        assert answer.status_code == 202, answer.text
        seen = [client.job(answer.json()["id"])["state"]]
        job = client.wait_job(answer.json()["id"])
        figures.note("seconds from apply to the first MP3", time.monotonic() - installation["begin"])
        jobs.assert_mp3(client, job, clip, tmp_path)
        jobs.assert_one_mp3_each(kube, [job])
    assert seen[0] in ("queued", "running", "succeeded") and job["attempt"] == 1


def test_the_node_port_leads_there_too(client, clip, tmp_path):
    job = client.convert(clip, **jobs.unlike_others())
    jobs.assert_mp3(client, job, clip, tmp_path)


def test_nothing_restarted(kube, installation):
    """Services wait for what they need in readiness, not in crash loops."""
    for pod in kube.get("pods")["items"]:
        if "app.kubernetes.io/name" not in pod["metadata"]["labels"]:
            continue
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] in SERVICES:
            assert [one["restartCount"] for one in pod["status"]["containerStatuses"]] == [0], pod["metadata"]["name"]


def test_the_engine_is_in_its_cell(kube, installation):
    """Under Pod Security "restricted": the converter says what its kernel gave it."""
    said = json.loads(kube.ops(kube.pods("converter")[0], "/readyz"))
    assert re.search(r"^seccomp, Landlock ABI [1-9]", said["details"]["sandbox"]["detail"]), said


def test_pods_are_restricted(kube, installation):
    """The cluster's own admission refuses what the namespace does not allow."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loose"},
           "spec": {"containers": [{"name": "loose", "image": "loose", "securityContext": {"privileged": True}}]}}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kube.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


# Who may call whom: the network policies' edges, and what nobody in the namespace may.
EDGES = {"auth": {"mysql:3306"},
         "gateway": {"auth:5000", "mongodb:27017", "rabbitmq:5672"},
         "converter": {"mongodb:27017", "rabbitmq:5672"},
         "notifier": {"mongodb:27017", "rabbitmq:5672"},
         "stranger": {"gateway:8080"}}
TARGETS = sorted({*set.union(*EDGES.values()), "auth:9101", "rabbitmq:15672"})


@pytest.fixture
def stranger(kube, installation):
    """A pod of another namespace. The image is one that is there."""
    image = kube.get("deployment", "notifier")["spec"]["template"]["spec"]["containers"][0]["image"]
    kube.run("-n", "default", "run", "stranger", f"--image={image}", "--restart=Never", "--command", "--", "sleep", "600")
    kube.run("-n", "default", "wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
    yield "stranger"
    kube.run("-n", "default", "delete", "pod", "stranger", "--grace-period=0", "--force")


def reached(kube, pod, *options):
    """Which of the targets a connection from the pod reaches, and the cluster's API."""
    addresses = {f"${{KUBERNETES_SERVICE_HOST}}/443": "API", **{one.replace(":", ".unreel/"): one for one in TARGETS}}
    tries = " ".join(f'timeout 3 bash -c "</dev/tcp/{address}" 2>/dev/null && echo {name} &'
                     for address, name in addresses.items())
    return set(kube.run(*options, "exec", pod, "--", "bash", "-c", f"{tries} wait").split())


def test_only_the_edges_are_open(cluster, kube, stranger):
    """What is not an edge of a policy is refused, between the services, from outside, and to the cluster's API."""
    found = {name: reached(kube, kube.pods(name)[0]) for name in SERVICES}
    found[stranger] = reached(kube, stranger, "-n", "default") - {"API"}
    found["gateway"] -= {"gateway:8080"}  # by its Service it meets itself, which no policy forbids
    assert found == EDGES


def limit_mib(pod):
    limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    number, unit = re.match(r"(\d+)([MG])i$", limit).groups()
    return int(number) * {"M": 1, "G": 1024}[unit]


def test_idle_memory(kube, installation):
    """Working set of each service's pod as kubelet tells it; none is near its limit."""
    limits = {pod["metadata"]["name"]: limit_mib(pod)
              for pod in kube.get("pods", "--field-selector=status.phase=Running")["items"]}
    rows = [{**row, "limit MiB": limits[row["pod"]]} for row in kube.usage() if row["pod"] in limits]
    figures.note("idle memory", rows)
    assert len(rows) >= len(SERVICES)
    assert all(0 < row["rss MiB"] < row["limit MiB"] / 2 for row in rows), rows
