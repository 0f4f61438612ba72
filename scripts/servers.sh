#!/usr/bin/env bash
# MariaDB, RabbitMQ and a MongoDB-protocol server for tests, on free loopback ports, everything under DIR.
#   servers.sh start DIR [mysql] [amqp] [mongodb]     default: all three; waits until each answers
#   servers.sh stop|restart|kill DIR [NAME...]        kill is kill -9; ports and data stay for the next start
#   servers.sh rabbitmqctl DIR ARGUMENT...            asks the RabbitMQ that runs in DIR
# start writes DIR/env, to be sourced. A server whose UNREEL_TEST_<NAME>_URL is set already is not started.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for part in common mysql amqp mongodb; do
    # shellcheck source=/dev/null
    . "$root/tests/support/servers/$part.sh"
done

[ $# -ge 2 ] || die "usage: servers.sh start|stop|restart|kill DIR [mysql] [amqp] [mongodb]"
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
if [ "$verb" = rabbitmqctl ]; then
    amqp_env "$(cat "$dir/amqp/port")"
    exec /usr/lib/rabbitmq/bin/rabbitmqctl "$@"
fi
names=("$@")
[ $# -gt 0 ] || names=(mysql amqp mongodb)

# The name of the variable that holds a server's URL.
url_variable() {
    echo "UNREEL_TEST_${1^^}_URL"
}

# Foreign servers (those that the environment named and we never started) are left alone.
ours() {
    local variable
    variable=$(url_variable "$1")
    [ -d "$dir/$1" ] || [ -z "${!variable:-}" ]
}

start() {
    local name started=()
    for name in "${names[@]}"; do
        ours "$name" || continue
        mkdir -p "$dir/$name"
        # In a subshell: RabbitMQ's settings are its own.
        alive "$dir/$name/pid" || ("${name}_start")
        started+=("$name")
    done
    for name in "${started[@]}"; do
        "${name}_ready"
    done
    write_env
}

write_env() {
    local name
    for name in mysql amqp mongodb; do
        if [ -s "$dir/$name/port" ]; then
            echo "export $(url_variable "$name")=$("${name}_url")"
        fi
        if [ -s "$dir/$name/metrics_port" ]; then
            echo "export UNREEL_TEST_${name^^}_METRICS_URL=http://127.0.0.1:$(cat "$dir/$name/metrics_port")/metrics/per-object"
        fi
    done >"$dir/env.new"
    mv "$dir/env.new" "$dir/env"
}

stop() {
    local name
    for name in "${names[@]}"; do
        [ ! -d "$dir/$name" ] || "${name}_stop" "$1"
    done
}

for name in "${names[@]}"; do
    case $name in
    mysql | amqp | mongodb) ;;
    *) die "no server is called $name" ;;
    esac
done
case $verb in
start) start ;;
stop) stop TERM ;;
kill) stop KILL ;;
restart)
    stop TERM
    start
    ;;
*) die "no such verb: $verb" ;;
esac
