"""Converters by themselves: by processor time, and by the length of the queue down to none at all."""
import json
import time

import figures
import jobs
import pytest
from combine import combined
from harness.wait import wait_until

# Minutes of calm before a scale-down are right for a company and long for a test, and a test's machine has not a whole
# processor for each converter.
HURRY = {"spec": {"minReplicas": 1, "maxReplicas": 3, "behavior": {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 15, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}}}}


def replicas(kube):
    return kube.get("deployment", "converter")["spec"]["replicas"]


@pytest.fixture
def metrics_server(cluster):
    cluster("metrics")


@pytest.fixture
def keda(cluster):
    cluster("keda")


def test_by_processor_time(kube, client, clip, applied, installation, metrics_server):
    """1 -> 3 while there is work, and back to 1."""
    kube.apply(applied["folder"])
    kube.run("delete", "hpa", "gateway", "--ignore-not-found")
    kube.run("patch", "hpa", "converter", "--type=merge", "-p", json.dumps(HURRY))
    try:
        wait_until(lambda: replicas(kube) == 1, 180, 2, "one converter at rest")
        wait_until(lambda: has_metrics(kube), 120, 2, "the first figures of the converter")
        begin = time.monotonic()
        submitted = jobs.submit_many(client, clip, 40)
        while replicas(kube) < 3:
            assert time.monotonic() - begin < 240, kube.run("describe", "hpa", "converter")
            if all(client.job(job["id"])["finished_at"] for job in submitted[-8:]):
                submitted += jobs.submit_many(client, clip, 20)
            time.sleep(1)
        figures.note("seconds until the HPA had 3 converters", time.monotonic() - begin)
        done = jobs.wait_all(client, submitted, 400)
        assert {(job["state"], job["attempt"]) for job in done} == {("succeeded", 1)}
        begin = time.monotonic()
        wait_until(lambda: replicas(kube) == 1, 300, 2, "one converter again")
        figures.note("seconds until the HPA had 1 converter again", time.monotonic() - begin)
    finally:
        kube.run("delete", "hpa", "--all")


def has_metrics(kube):
    metrics = kube.get("hpa", "converter")["status"].get("currentMetrics") or []
    return any("averageValue" in one.get("resource", {}).get("current", {}) for one in metrics)


def test_by_the_queue(kube, client, clip, applied, tmp_path, installation, keda):
    """0 -> n -> 0: nobody waits where there is nothing to do, and the first job brings converters."""
    kube.apply(combined(tmp_path, applied["folder"], "keda"))
    kube.run("delete", "hpa", "gateway", "--ignore-not-found")
    name = kube.get("scaledobjects")["items"][0]["metadata"]["name"]
    quick = {"spec": {"pollingInterval": 3, "cooldownPeriod": 10, "minReplicaCount": 0, "maxReplicaCount": 3,
                      "advanced": {"horizontalPodAutoscalerConfig": {"behavior": HURRY["spec"]["behavior"]}}}}
    kube.run("patch", "scaledobject", name, "--type=merge", "-p", json.dumps(quick))
    try:
        wait_until(lambda: kube.pod_count("converter") == 0, 240, 2, "no converter at rest")
        begin = time.monotonic()
        submitted = jobs.submit_many(client, clip, 40)
        wait_until(lambda: kube.pods("converter"), 120, 0.5, "the first converter")
        figures.note("seconds until KEDA had a converter", time.monotonic() - begin)
        wait_until(lambda: replicas(kube) > 1, 120, 0.5, "more than one converter")
        done = jobs.wait_all(client, submitted, 400)
        assert {(job["state"], job["attempt"]) for job in done} == {("succeeded", 1)}
        begin = time.monotonic()
        wait_until(lambda: kube.pod_count("converter") == 0, 300, 2, "no converter again")
        figures.note("seconds until KEDA had none again", time.monotonic() - begin)
    finally:
        kube.run("delete", "scaledobject", name)
        kube.apply(applied["folder"])
        kube.run("delete", "hpa", "--all")
        kube.scale("converter", 1)
