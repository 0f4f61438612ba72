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
        answer = client.upload_form(clip)
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
           "spec": {"containers": [{"name": "loose", "image": "unreel/cli:0.1.0", "securityContext": {"privileged": True}}]}}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kube.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_idle_memory(kube, installation):
    """Working set of each service's pod as kubelet tells it; none may be near its limit."""
    node = kube.get("nodes")["items"][0]["metadata"]["name"]
    summary = json.loads(kube.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    rows = []
    for pod in summary["pods"]:
        if pod["podRef"]["namespace"] == kube.namespace and pod.get("containers"):
            memory = pod["containers"][0].get("memory", {})
            rows.append({"pod": pod["podRef"]["name"], "working set MiB": round(memory.get("workingSetBytes", 0) / 2**20, 1),
                         "rss MiB": round(memory.get("rssBytes", 0) / 2**20, 1)})
    assert len(rows) >= len(SERVICES)
    figures.note("idle memory", sorted(rows, key=lambda row: row["pod"]))
