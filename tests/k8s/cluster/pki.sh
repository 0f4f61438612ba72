# shellcheck shell=bash disable=SC2154,SC2164 # names of common.sh; cluster.sh sets -e
# The cluster's two authorities, its certificates and who calls the API server by which. Sourced.

authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout "$1.key" -out "$1.crt" -subj "/CN=$1" \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
}

# certificate NAME SUBJECT AUTHORITY [OTHER-NAMES]
certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
    {
        echo "extendedKeyUsage=clientAuth,serverAuth"
        [ -z "${4:-}" ] || echo "subjectAltName=$4"
    } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 3650 -extfile "$1.ext" \
        -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: minikube, cluster: {server: "https://$node_ip:6443", certificate-authority: $state/pki/ca.crt}}]
users: [{name: user, user: {client-certificate: $state/pki/$1.crt, client-key: $state/pki/$1.key}}]
contexts: [{name: minikube, context: {cluster: minikube, user: user}}]
current-context: minikube
END
}

# A subshell: with this umask containerd would make root file systems that no user but root can enter.
make_pki() (
    cd "$state/pki"
    [ ! -f complete ] || exit 0
    umask 077
    service=kubernetes.default.svc
    authority ca
    authority front-ca
    certificate apiserver /CN=kube-apiserver ca "DNS:kubernetes,DNS:kubernetes.default,DNS:$service,\
DNS:$service.cluster.local,DNS:localhost,IP:$api_ip,IP:$node_ip,IP:127.0.0.1"
    certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet ca
    certificate front /CN=front-proxy front-ca
    certificate admin /O=system:masters/CN=admin ca
    certificate kubelet "/O=system:nodes/CN=system:node:$node" ca "DNS:$node,IP:$node_ip"
    certificate controllers /CN=system:kube-controller-manager ca
    certificate scheduler /CN=system:kube-scheduler ca
    certificate proxy /CN=system:kube-proxy ca
    openssl genrsa -out accounts.key 2048 2>/dev/null
    for user in admin kubelet controllers scheduler proxy; do
        kubeconfig "$user" >"$user.conf"
    done
    touch complete
)
