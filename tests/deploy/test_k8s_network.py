"""Who may talk to whom is who has to: the edges of the policies are those of the URLs that the services are given."""
import ipaddress
from urllib.parse import urlsplit

import pytest
import support
from support import data_of, name_of, of_kind, pod_labels, pod_of, secret_files, workloads

# What no URL says: the nodes of a cluster of brokers among themselves.
CLUSTER = {("rabbitmq", "rabbitmq", 4369), ("rabbitmq", "rabbitmq", 25672)}
# The keys of the Secret that prod finds there, and whom they lead to.
SERVERS = {"mysql-url": ("mysql", 3306), "mysql-migrate-url": ("mysql", 3306), "mongodb-url": ("mongodb", 27017),
           "amqp-url": ("rabbitmq", 5672)}


def holds(rule, labels):
    value = labels.get(rule["key"])
    return {"In": value in rule.get("values", []), "NotIn": value not in rule.get("values", []),
            "Exists": value is not None, "DoesNotExist": value is None}[rule["operator"]]


def selects(selector, labels):
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        holds(rule, labels) for rule in selector.get("matchExpressions", []))


def pods(objects):
    """{name: (labels, {port: number})}; a canary is where its service is."""
    found = {}
    for workload in workloads(objects):
        ports = {port["name"]: port["containerPort"] for container in pod_of(workload)["containers"] for port in container.get("ports", [])}
        found.setdefault(pod_labels(workload)["app.kubernetes.io/name"], []).append((pod_labels(workload), ports))
    return found


def rules(objects, direction, labels):
    """The rules for pods with these labels, in this direction."""
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        if direction.capitalize() in spec["policyTypes"] and selects(spec["podSelector"], labels):
            yield from spec.get(direction, [])


def numbers(rule, named):
    return {named.get(port["port"], port["port"]) for port in rule.get("ports", [])}


def reaches(rule, side, labels):
    """Whether one of the rule's peers is a pod of ours with these labels."""
    return side not in rule or any("podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], labels)
                                   for peer in rule[side])


def allowed(objects, direction):
    """{(client, server, port)} among our own pods."""
    side = {"ingress": "from", "egress": "to"}[direction]
    found = set()
    for client, client_pods in pods(objects).items():
        for server, server_pods in pods(objects).items():
            for client_labels, _ in client_pods:
                for server_labels, named in server_pods:
                    own, other = (server_labels, client_labels) if direction == "ingress" else (client_labels, server_labels)
                    for rule in rules(objects, direction, own):
                        if side in rule and reaches(rule, side, other):
                            found |= {(client, server, port) for port in numbers(rule, named)}
    return found


def needed(objects):
    """{(client, server, port)} by the URLs in each service's environment."""
    data = data_of(objects)
    edges = set()
    for workload in workloads(objects):
        client = pod_labels(workload)["app.kubernetes.io/name"]
        files = secret_files(workload)
        for entry in pod_of(workload)["containers"][0].get("env", []):
            url = entry.get("value", "")
            if entry["name"].endswith("_URL_FILE"):
                secret, key = files[entry["value"]]
                if secret not in data:
                    edges.add((client, *SERVERS[key]))
                    continue
                url = data[secret][key]
            if "://" in url:
                parts = urlsplit(url)
                edges.add((client, parts.hostname.split(".")[-1], parts.port))
    return edges


def outside(objects, name):
    """[(network, its exceptions, ports)] that pods called so may reach outside of the cluster's pods."""
    found = []
    for labels, _ in pods(objects)[name]:
        for rule in rules(objects, "egress", labels):
            blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
            found += [(block["cidr"], block.get("except", []), numbers(rule, {})) for block in blocks]
    return found


def test_nothing_without_a_policy(objects):
    policy, = (found for found in of_kind(objects, "NetworkPolicy") if name_of(found) == "default-deny")
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_all_find_names(objects):
    policy, = (found for found in of_kind(objects, "NetworkPolicy") if name_of(found) == "dns")
    assert policy["spec"]["podSelector"] == {} and len(policy["spec"]["egress"]) == 1
    assert {(port["port"], port["protocol"]) for port in policy["spec"]["egress"][0]["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_edges_are_those_of_the_urls(objects):
    wanted = needed(objects)
    assert {("gateway", "auth", 5000), ("converter", "mongodb", 27017), ("migrate", "mysql", 3306)} <= wanted
    inside = {edge for edge in wanted if edge[1] in pods(objects)}
    nodes = {name_of(w): w["spec"]["replicas"] for w in of_kind(objects, "StatefulSet")}
    assert allowed(objects, "ingress") == allowed(objects, "egress") == inside | (CLUSTER if nodes["rabbitmq"] > 1 else set())
    for client, server, port in wanted - inside:
        assert any(port in ports for _, _, ports in outside(objects, client)), (client, server)


def test_only_the_notifier_reaches_the_internet(objects):
    for name in pods(objects):
        for network, exceptions, ports in outside(objects, name):
            is_private = ipaddress.ip_network(network).is_private and ipaddress.ip_network(network).prefixlen > 0
            assert is_private or name == "notifier", (name, network)
            assert not is_private or ports <= {3306, 27017, 4318}, (name, ports)
            if not is_private and ":" not in network:
                for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"):
                    assert private in exceptions


def test_who_comes_in_from_elsewhere(objects):
    """Requests to the gateway, and what a component says: Prometheus to ops ports, KEDA to the broker's management."""
    for policy in of_kind(objects, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            peers = rule.get("from", [{}])
            if any("namespaceSelector" in peer or peer == {} for peer in peers):
                assert rule["ports"], name_of(policy)
                allowed_ports = {"http"} if name_of(policy) == "gateway" else {"ops", "management", "prometheus"}
                assert {port["port"] for port in rule["ports"]} <= allowed_ports, name_of(policy)


@pytest.mark.parametrize("name", ["dns", "to-mysql", "rabbitmq"])
def test_an_edge_that_is_missing_is_found(name):
    objects = [found for found in support.manifests("overlays/minikube") if name_of(found) != name or found["kind"] != "NetworkPolicy"]
    with pytest.raises((AssertionError, ValueError)):
        test_edges_are_those_of_the_urls(objects)
        test_all_find_names(objects)
