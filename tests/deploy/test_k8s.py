"""The manifests keep the rules that no schema knows: security, probes, grace, rollout."""
import re

from support import ROOT, SERVICES, containers, is_ours, name_of, of_kind, pod_of, workloads

MEBI = {"Mi": 1, "Gi": 1024}


def ours(objects):
    """(deployment, its pod, its container) of each service."""
    found = [w for w in of_kind(objects, "Deployment")]
    assert sorted(map(name_of, found)) == sorted(SERVICES)
    return [(w, pod_of(w), pod_of(w)["containers"][0]) for w in found]


def environment(container):
    return {entry["name"]: entry for entry in container.get("env", [])}


def mebibytes(text):
    return int(text[:-2]) * MEBI[text[-2:]]


def test_pods_are_restricted(objects):
    namespace, = of_kind(objects, "Namespace")
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
    for workload, container in containers(objects):
        pod, where = pod_of(workload), name_of(workload)
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, where
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod), where
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}, where
        assert "privileged" not in security, where
        if is_ours(container):
            assert pod["securityContext"]["runAsUser"] >= 10000 and security["readOnlyRootFilesystem"] is True, where
        for volume in pod.get("volumes", []):
            assert "hostPath" not in volume, where
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], (where, volume)


def test_probes(objects):
    for workload, _, container in ours(objects):
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "ops"}, name_of(workload)
        if name_of(workload) == "converter":
            assert container["livenessProbe"]["terminationGracePeriodSeconds"] <= 60
    for workload in of_kind(objects, "StatefulSet"):
        container = pod_of(workload)["containers"][0]
        assert "readinessProbe" in container and "startupProbe" in container, name_of(workload)
        assert "livenessProbe" not in container, name_of(workload)


def test_grace_outlasts_the_drain(objects):
    for workload, pod, container in ours(objects):
        name = name_of(workload)
        drain = int(environment(container).get("UNREEL_DRAIN_TIMEOUT_S", {}).get("value", 30))
        command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        assert command[0] == "sleep"
        assert pod["terminationGracePeriodSeconds"] >= drain + int(command[1]) + 5, name
        if name in ("auth", "gateway"):
            assert int(command[1]) >= 5, f"{name}: requests still come for a moment after SIGTERM"


def test_what_a_server_is_before_it_is_ready(objects):
    """A name of its own that a probe uses must resolve while the probe has not succeeded yet."""
    services = {name_of(service): service["spec"] for service in of_kind(objects, "Service")}
    for workload in of_kind(objects, "StatefulSet"):
        own = f"{name_of(workload)}-0.{workload['spec']['serviceName']}"
        if own in str(pod_of(workload)["containers"][0].get("startupProbe")):
            assert services[workload["spec"]["serviceName"]].get("publishNotReadyAddresses") is True, own


def test_volumes_keep_their_rights(objects):
    """Group rights given again at each mount would reach RabbitMQ's cookie, which only its owner may read."""
    for workload in of_kind(objects, "StatefulSet"):
        assert pod_of(workload)["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", name_of(workload)


def test_rollout_and_disruption(objects, overlay):
    budgets = {budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: budget["spec"]
               for budget in of_kind(objects, "PodDisruptionBudget")}
    for workload, pod, _ in ours(objects):
        spec, name = workload["spec"], name_of(workload)
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name
        keys = {one["topologyKey"]: one for one in pod["topologySpreadConstraints"]}
        assert set(keys) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for one in keys.values():
            assert one["whenUnsatisfiable"] == "ScheduleAnyway"
            assert one["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
        allowed = budgets[name].get("maxUnavailable", spec["replicas"] - budgets[name].get("minAvailable", 0))
        assert allowed >= 1, f"{name}: no node could ever be drained"
        assert overlay != "base" or spec["replicas"] >= 2, name


def test_resources(objects):
    for workload, container in containers(objects):
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}, name_of(workload)
        if name_of(workload) == "converter":
            slots = int(environment(container)["UNREEL_SLOTS"]["value"])
            assert mebibytes(container["resources"]["limits"]["memory"]) >= slots * 512 + 256


def test_broker_blocks_publishers_before_it_is_killed(objects):
    """Its alarm is a size: it does not know its container's limit, and a share would be one of the machine's memory."""
    limit = next(mebibytes(container["resources"]["limits"]["memory"]) for workload, container in containers(objects)
                 if name_of(workload) == "rabbitmq")
    text = (ROOT / "k8s" / "base" / "rabbitmq.conf").read_text()
    watermark = int(re.search(r"^vm_memory_high_watermark\.absolute = (\d+)MB$", text, re.M).group(1))
    assert limit * 0.4 <= watermark <= limit * 0.7
