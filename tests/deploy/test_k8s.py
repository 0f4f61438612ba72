"""The manifests keep the rules that no schema knows: security, probes, grace, rollout, scaling."""
import re
import shutil
from urllib.parse import urlsplit

import support
from support import COMPONENTS, SERVICES, containers, is_canary, is_ours, name_of, of_kind, pod_labels, pod_of, workloads

UNITS = {"Mi": 1, "Gi": 1024}


def ours(objects):
    """(deployment, its pod, its container) of each service, and of the canaries."""
    found = [(w, pod_of(w), pod_of(w)["containers"][0]) for w in of_kind(objects, "Deployment") if is_ours(pod_of(w)["containers"][0])]
    assert {name_of(w) for w, _, _ in found if not is_canary(w)} == set(SERVICES)
    return found


def service_of(workload):
    return pod_labels(workload)["app.kubernetes.io/name"]


def environment(container):
    return {entry["name"]: entry for entry in container.get("env", [])}


def mebibytes(text):
    return int(text[:-2]) * UNITS[text[-2:]]


def millicores(text):
    return int(text[:-1]) if str(text).endswith("m") else int(text) * 1000


def test_pods_are_restricted(objects):
    namespace, = of_kind(objects, "Namespace")
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
    for workload, container in containers(objects):
        pod, where = pod_of(workload), name_of(workload)
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, where
        assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(pod), where
        assert pod["securityContext"]["runAsNonRoot"] is True, where
        # What the official images of the servers keep belongs to 999.
        assert pod["securityContext"]["runAsUser"] == (10001 if is_ours(container) else 999), where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        security = container["securityContext"]
        assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}, where
        assert any(mount["mountPath"] == "/tmp" for mount in pod["containers"][0]["volumeMounts"]), where
        for volume in pod["volumes"]:
            assert set(volume) & {"configMap", "emptyDir", "secret"}, (where, volume)
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], (where, volume)


def test_who_they_are(objects):
    """A ServiceAccount of each one's own, and no token of it."""
    accounts = {name_of(found): found for found in of_kind(objects, "ServiceAccount")}
    for workload in workloads(objects):
        assert pod_of(workload)["serviceAccountName"] == service_of(workload)
        assert accounts[service_of(workload)]["automountServiceAccountToken"] is False


def test_probes(objects):
    for workload, _, container in ours(objects):
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "ops"}, name_of(workload)
            assert probe == "startupProbe" or container[probe]["timeoutSeconds"] >= 5, "a node may be busy with the engine's threads"
        if service_of(workload) == "converter":
            assert container["livenessProbe"]["terminationGracePeriodSeconds"] <= 60
    for workload in of_kind(objects, "StatefulSet"):
        container = pod_of(workload)["containers"][0]
        assert "readinessProbe" in container and "livenessProbe" not in container, name_of(workload)
        # Who is killed while it sets itself up is broken, and a broker waits five minutes for its peers.
        start = container["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 900, name_of(workload)


def test_grace_outlasts_the_drain(objects):
    for workload, pod, container in ours(objects):
        drain = int(environment(container).get("UNREEL_DRAIN_TIMEOUT_S", {}).get("value", 30))
        sleep = container.get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= drain + sleep + 5, name_of(workload)
        if service_of(workload) in ("auth", "gateway"):
            assert sleep >= 5, f"{name_of(workload)}: requests still come for a moment after SIGTERM"


def test_what_a_server_is_before_it_is_ready(objects):
    """A name of its own that a server needs to become ready must resolve before it is."""
    services = {name_of(service): service["spec"] for service in of_kind(objects, "Service")}
    settings = str(of_kind(objects, "ConfigMap"))
    for workload in of_kind(objects, "StatefulSet"):
        own = f"{name_of(workload)}-0.{workload['spec']['serviceName']}"
        if own in str(pod_of(workload)["containers"][0].get("startupProbe")) + settings:
            assert services[workload["spec"]["serviceName"]].get("publishNotReadyAddresses") is True, own


def test_a_set_of_one_knows_itself(objects, overlay):
    """mongod looks for itself in the set's configuration by its name there, once; the cluster's DNS may still be of the pod before."""
    found = {name_of(w): w for w in of_kind(objects, "StatefulSet")}
    assert ("mongodb" in found) == (overlay != "overlays/prod")
    if "mongodb" in found:
        pod = pod_of(found["mongodb"])
        member, = re.findall(r"host: '([^']+):27017'", str(pod["containers"][0]["startupProbe"]))
        assert found["mongodb"]["spec"]["replicas"] == 1
        assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": [member]}]
        secrets = next(data for data in support.data_of(objects).values() if "mongodb-url" in data)
        assert urlsplit(secrets["mongodb-url"]).netloc == f"{member}:27017", "drivers go on by the names that the set tells"


def test_volumes_keep_their_rights(objects):
    """Group rights given again at each mount would reach RabbitMQ's cookie, which only its owner may read."""
    classes = set()
    for workload in of_kind(objects, "StatefulSet"):
        assert pod_of(workload)["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", name_of(workload)
        for claim in workload["spec"]["volumeClaimTemplates"]:
            classes.add(claim["spec"].get("storageClassName"))
    assert len(classes) == 1


def test_mysql_has_a_folder_of_its_own_on_its_volume(objects):
    """At the root of a block device lies lost+found, and it sets itself up in an empty folder only."""
    for workload in of_kind(objects, "StatefulSet"):
        if name_of(workload) == "mysql":
            container = pod_of(workload)["containers"][0]
            root, = (mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data")
            assert container["args"] == [f"--datadir={root}/data"]


def test_rollout_and_disruption(objects, overlay):
    budgets = {budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: budget["spec"]
               for budget in of_kind(objects, "PodDisruptionBudget")}
    least = {name_of(hpa): hpa["spec"]["minReplicas"] for hpa in of_kind(objects, "HorizontalPodAutoscaler")}
    for workload, pod, _ in ours(objects):
        spec, name = workload["spec"], name_of(workload)
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name
        keys = {one["topologyKey"]: one for one in pod["topologySpreadConstraints"]}
        assert set(keys) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for one in keys.values():
            assert one["whenUnsatisfiable"] == "ScheduleAnyway"
            assert one["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
        replicas = spec.get("replicas", least.get(name, 1))
        budget = budgets[service_of(workload)]
        assert is_canary(workload) or budget.get("maxUnavailable", replicas - budget.get("minAvailable", 0)) >= 1, \
            f"{name}: no node could ever be drained"
        assert overlay != "overlays/prod" or is_canary(workload) or name == "converter" or replicas >= 2, name


def test_resources(objects, overlay):
    for workload, container in containers(objects):
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}, name_of(workload)
        if service_of(workload) == "converter":
            slots = int(environment(container)["UNREEL_SLOTS"]["value"])
            assert mebibytes(container["resources"]["limits"]["memory"]) >= slots * 512 + 256
    if overlay != "overlays/prod":
        most = {name_of(hpa): hpa["spec"]["maxReplicas"] for hpa in of_kind(objects, "HorizontalPodAutoscaler")}
        wanted = sum(millicores(container["resources"]["requests"]["cpu"]) * most.get(name_of(workload), workload["spec"].get("replicas", 1))
                     for workload, container in containers(objects) if is_ours(container) or workload["kind"] == "StatefulSet")
        assert wanted < 1000, "a laptop has two cores, and a system of its own"


def test_scaling(objects, case):
    """One scales each Deployment, and then its manifest says no number, which an apply would set back."""
    scaled = [(found["spec"]["scaleTargetRef"], found) for found in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")]
    deployments = {name_of(w): w for w in of_kind(objects, "Deployment")}
    assert sorted(target["name"] for target, _ in scaled) == ["converter", "gateway"]
    for target, found in scaled:
        assert "replicas" not in deployments[target["name"]]["spec"]
        if found["kind"] == "HorizontalPodAutoscaler":
            assert (target["apiVersion"], target["kind"]) == ("apps/v1", "Deployment")
            assert found["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    assert bool(of_kind(objects, "ScaledObject")) == ("keda" in case[1])
    for found in of_kind(objects, "ScaledObject"):
        trigger, = found["spec"]["triggers"]
        assert found["spec"]["minReplicaCount"] == 0 and "fallback" in found["spec"]
        assert trigger["type"] == "rabbitmq" and trigger["metadata"]["protocol"] == "http"  # amqp does not see what is in hand
        assert trigger["metadata"]["mode"] == "QueueLength" and trigger["metadata"]["queueName"] == "video"


def test_keda_finds_the_broker():
    """It asks from a namespace of its own, where the broker's short name means nothing."""
    made = support.data_of(support.manifests("overlays/minikube", ("keda",)))
    url, = (data["rabbitmq-management-url"] for data in made.values() if "rabbitmq-management-url" in data)
    assert urlsplit(url).hostname == "rabbitmq.unreel" and urlsplit(url).port == 15672


def test_canaries(objects, case):
    """Each is what it stands beside, with all that an overlay and its components have made of that, but for the image."""
    canaries = {name_of(w): w for w in of_kind(objects, "Deployment") if is_canary(w)}
    assert set(canaries) == ({"gateway-canary", "converter-canary"} if "canary" in case[1] else set())
    stable = {name_of(w): w for w in of_kind(objects, "Deployment")}
    for name, canary in canaries.items():
        beside = stable[service_of(canary)]
        assert canary["spec"]["replicas"] == 1 and canary["spec"]["strategy"] == beside["spec"]["strategy"]
        text = str(pod_of(canary)).replace("'track': 'canary'", "'track': 'stable'")
        assert pod_of(canary)["containers"][0]["image"].endswith(f"unreel/{service_of(canary)}:0.2.0"), name
        image = "'image': '[^']*'"
        assert re.sub(image, "", text) == re.sub(image, "", str(pod_of(beside))), name
        assert pod_of(canary)["containers"][0]["image"] != pod_of(beside)["containers"][0]["image"]
        differing = {"app.kubernetes.io/version": None, "track": "canary"}
        assert pod_labels(canary) == {key: value for key, value in {**pod_labels(beside), **differing}.items() if value}


def test_local_differs_in_images_alone():
    swapped = {"mysql:8.0": f"unreel/mysql-local:{support.VERSION}", "mongo:7.0": f"unreel/mongodb-local:{support.VERSION}",
               "rabbitmq:3.13-management": f"unreel/rabbitmq-local:{support.VERSION}"}
    text = str(support.manifests("overlays/minikube"))
    for official, ours_ in swapped.items():
        assert official in text
        text = text.replace(f"'{official}'", f"'{ours_}'")
    assert text == str(support.manifests("overlays/local"))


def test_prod():
    objects = support.manifests("overlays/prod")
    for workload, container in containers(objects):
        assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"]), name_of(workload)
        assert pod_of(workload)["priorityClassName"] in {name_of(found) for found in of_kind(objects, "PriorityClass")}
    assert not of_kind(objects, "Secret")
    broker, = of_kind(objects, "StatefulSet")
    settings = next(found["data"]["cluster.conf"] for found in of_kind(objects, "ConfigMap") if "cluster.conf" in found["data"])
    assert broker["spec"]["replicas"] == 3 == len(re.findall(r"classic_config\.nodes\.", settings))
    assert "target_group_size = 3" in settings
    ingress, = of_kind(objects, "Ingress")
    said = {key.split("/")[1]: value for key, value in ingress["metadata"]["annotations"].items()}
    assert said["proxy-body-size"] == "0" and said["proxy-request-buffering"] == said["proxy-buffering"] == "off"
    host = next(urlsplit(data["UNREEL_PUBLIC_URL"]).hostname for data in support.data_of(objects).values() if "UNREEL_PUBLIC_URL" in data)
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]] == [host]


def test_prod_is_made_ones_own_in_one_folder(tmp_path):
    """Of a copy of it, the URL alone says the host."""
    folder = tmp_path / "k8s" / "overlays" / "ours"
    shutil.copytree(support.K8S, tmp_path / "k8s")
    (tmp_path / "k8s" / "overlays" / "prod").rename(folder)
    text = (folder / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(text.replace("https://unreel.example.org", "https://mp3.example.com"))
    ingress, = of_kind(support.rendered(folder), "Ingress")
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]] == ["mp3.example.com"]


def test_broker_blocks_publishers_before_it_is_killed(objects):
    """Its alarm is a size: it does not know its container's limit, and a share would be one of the machine's memory."""
    broker, = (w for w in of_kind(objects, "StatefulSet") if name_of(w) == "rabbitmq")
    limit = mebibytes(pod_of(broker)["containers"][0]["resources"]["limits"]["memory"])
    files = next(found["data"] for found in of_kind(objects, "ConfigMap") if "rabbitmq.conf" in found["data"])
    text = files["rabbitmq.conf"] + files.get("cluster.conf", "")  # the last one counts
    watermark = int(re.findall(r"^vm_memory_high_watermark\.absolute = (\d+)MB$", text, re.M)[-1])
    assert limit * 0.4 <= watermark <= limit * 0.7


def test_components_are_all_here():
    assert {"canary", "keda", "tls"} <= set(COMPONENTS)
