"""Who may talk to whom is who has to: the edges among our pods are those of the URLs that the services are given, the
others are those of a list."""
from urllib.parse import urlsplit

import pytest
import support
from support import data_of, name_of, of_kind, pod_labels, pod_of, secret_files, settings, workloads

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
    """Its ports: a number, a name that these pods do not have, or (first, last)."""
    return {(port["port"], port["endPort"]) if "endPort" in port else named.get(port["port"], port["port"])
            for port in rule.get("ports") or [{"port": 0, "endPort": 65535}]}


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
    """{(client, server, port)} by the URLs in each service's environment; of another namespace's server, that namespace."""
    data = data_of(objects)
    edges = set()
    for workload in workloads(objects):
        client = pod_labels(workload)["app.kubernetes.io/name"]
        files = secret_files(workload)
        for name, url in settings(workload, data):
            if name.endswith("_URL_FILE"):
                secret, key = files[url]
                if secret not in data:
                    edges.add((client, *SERVERS[key]))
                    continue
                url = data[secret][key]
            if "://" in url and name != "UNREEL_PUBLIC_URL":
                parts = urlsplit(url)
                edges.add((client, parts.hostname.split(".")[-1], parts.port))
    return edges


def name_of_peer(peer):
    """A network, a namespace with the pods in it, or anybody."""
    if "ipBlock" in peer:
        return peer["ipBlock"]["cidr"]
    selectors = [peer[kind]["matchLabels"] for kind in ("namespaceSelector", "podSelector") if kind in peer]
    return "/".join(value for labels in selectors for value in labels.values()) or "anybody"


def gates(objects):
    """{(pods, direction, peer, port)} where the peer is no pod of ours."""
    found = set()
    for name, members in pods(objects).items():
        for labels, named in members:
            for direction, side in (("ingress", "from"), ("egress", "to")):
                for rule in rules(objects, direction, labels):
                    others = [name_of_peer(peer) for peer in rule.get(side) or [{}] if set(peer) != {"podSelector"}]
                    found |= {(name, direction, peer, port) for peer in others for port in numbers(rule, named) if not isinstance(port, str)}
    return found


def gates_of(overlay, chosen, everyone):
    """What they have to be."""
    found = {(name, "egress", peer, 53) for name in everyone for peer in ("kube-system/kube-dns", "169.254.20.10/32")}
    found |= {("notifier", "egress", network, (1, 65535)) for network in ("0.0.0.0/0", "::/0")}
    found.add(("gateway", "ingress", "ingress-nginx" if overlay == "overlays/prod" or "tls" in chosen else "anybody", 8080))
    if overlay == "overlays/prod":
        found |= {(name, "egress", "openshift-dns/default", 5353) for name in everyone}
        found |= {(name, "egress", "10.0.0.0/8", 3306) for name in ("auth", "migrate")}
        found |= {(name, "egress", "10.0.0.0/8", 27017) for name in ("gateway", "converter", "notifier")}
        found.add(("notifier", "egress", "10.0.0.0/8", 465))
    if "keda" in chosen:
        found.add(("rabbitmq", "ingress", "keda", 15672))
    if "tracing" in chosen:
        found |= {(name, "egress", "monitoring", 4318) for name in support.SERVICES}
    if "monitoring" in chosen:
        ports = {"auth": 9101, "gateway": 9102, "converter": 9103, "notifier": 9104, "rabbitmq": 15692}
        found |= {(name, "ingress", "monitoring/prometheus", port) for name, port in ports.items()}
    return found


def private_networks_left_out(objects, name):
    """[exceptions] of each rule that lets pods called so go anywhere by IPv4."""
    everywhere = [peer["ipBlock"] for labels, _ in pods(objects)[name] for rule in rules(objects, "egress", labels)
                  for peer in rule["to"] if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
    return [block["except"] for block in everywhere]


def test_nothing_without_a_policy(objects):
    policy, = (found for found in of_kind(objects, "NetworkPolicy") if name_of(found) == "default-deny")
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_all_find_names(objects):
    policies = {name_of(found): found["spec"] for found in of_kind(objects, "NetworkPolicy") if name_of(found).startswith("dns")}
    assert "dns" in policies
    for name, spec in policies.items():
        rule, = spec["egress"]
        number, = numbers(rule, {})
        assert spec["podSelector"] == {} and number == (53 if name == "dns" else 5353)
        assert {port["protocol"] for port in rule["ports"]} == {"UDP", "TCP"}


def test_edges_are_those_of_the_urls(objects):
    wanted = needed(objects)
    assert {("gateway", "auth", 5000), ("converter", "mongodb", 27017), ("migrate", "mysql", 3306)} <= wanted
    inside = {edge for edge in wanted if edge[1] in pods(objects)}
    nodes = {name_of(w): w["spec"]["replicas"] for w in of_kind(objects, "StatefulSet")}
    assert allowed(objects, "ingress") == allowed(objects, "egress") == inside | (CLUSTER if nodes["rabbitmq"] > 1 else set())
    way_out = {(client, port) for client, direction, _, port in gates(objects) if direction == "egress"}
    assert {(client, port) for client, _, port in wanted - inside} <= way_out


def test_what_leads_elsewhere(objects, case):
    """To us: requests, Prometheus to the ops ports, KEDA to the broker's management. From us: to names, to the collector, to
    managed servers, and the notifier to the internet, but not into anybody's private network."""
    assert gates(objects) == gates_of(*case, pods(objects))
    exceptions, = private_networks_left_out(objects, "notifier")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(exceptions)


def test_who_names_clients_is_who_alone_can_call(objects):
    """An X-Forwarded-For is believed only where nobody but a proxy gets in: else whoever forges it evades the limit of logins."""
    callers = {name: {client for client, server, _ in allowed(objects, "ingress") if server == name} |
               {peer for server, direction, peer, port in gates(objects) if (server, direction) == (name, "ingress") and port in (5000, 8080)}
               for name in ("auth", "gateway")}
    assert callers["auth"] == {"gateway"} and callers["gateway"] in ({"anybody"}, {"ingress-nginx"})
    for workload in of_kind(objects, "Deployment"):
        name = pod_labels(workload)["app.kubernetes.io/name"]
        given = "UNREEL_TRUSTED_PROXIES" in dict(settings(workload, data_of(objects)))
        assert given == (name in callers and "anybody" not in callers[name]), name_of(workload)


def is_complete(objects, case):
    try:
        test_nothing_without_a_policy(objects)
        test_edges_are_those_of_the_urls(objects)
        test_what_leads_elsewhere(objects, case)
    except (AssertionError, ValueError):
        return False
    return True


@pytest.mark.parametrize("overlay", ["overlays/minikube", "overlays/prod"])
def test_a_policy_that_is_missing_is_found(overlay):
    case = (overlay, support.components_for(overlay))
    objects = support.manifests(*case)
    policies = of_kind(objects, "NetworkPolicy")
    assert len(policies) > 12 and is_complete(objects, case)
    assert [name_of(one) for one in policies if is_complete([found for found in objects if found is not one], case)] == []
