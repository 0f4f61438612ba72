# shellcheck shell=bash disable=SC2154 # dir and root come from scripts/servers.sh
# RabbitMQ with an epmd of its own. Debian's wrapper insists on root or its own user; the script below it does not.

amqp_env() {
    local d=$dir/amqp port=$1
    export HOME=$d RABBITMQ_NODENAME=unreel$port@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
    export RABBITMQ_NODE_PORT=$port RABBITMQ_MNESIA_BASE=$d/db RABBITMQ_LOG_BASE=$d/log
    export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_ENABLED_PLUGINS_FILE=$d/plugins
    export RABBITMQ_CONFIG_FILE=$d/rabbitmq ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT ERL_EPMD_PORT
    RABBITMQ_DIST_PORT=$(free_port "$d/dist_port")
    ERL_EPMD_PORT=$(free_port "$d/epmd_port")
    # Makes the script replace itself by the server, so that the process we started is the server.
    export RUNNING_UNDER_SYSTEMD=true
    unset NOTIFY_SOCKET
    # Erlang's schedulers spin for a while before they sleep: on a machine that others want, too, they only take.
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none"
}

amqp_start() {
    local d=$dir/amqp port
    port=$(free_port "$d/port")
    mkdir -p "$d/db" "$d/log"
    free_port "$d/metrics_port" >/dev/null
    echo '[rabbitmq_prometheus].' >"$d/plugins"
    cat >"$d/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$port
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $(cat "$d/metrics_port")
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
consumer_timeout = 14400000
loopback_users.guest = true
END
    amqp_env "$port"
    if ! alive "$d/epmd_pid"; then
        spawn "$d/epmd_pid" "$d/epmd.log" epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1
        wait_for epmd "$d/epmd_pid" "$d/epmd.log" accepts "$ERL_EPMD_PORT"
    fi
    spawn "$d/pid" "$d/server.log" /usr/lib/rabbitmq/bin/rabbitmq-server
}

amqp_ready() {
    local d=$dir/amqp
    # The port opens before the boot is over; the log line is the end of it.
    wait_for RabbitMQ "$d/pid" "$d/server.log" amqp_booted
}

amqp_booted() {
    grep -q 'completed with [0-9]* plugins' "$dir/amqp/server.log"
}

amqp_stop() {
    local d=$dir/amqp
    end "$d/pid" "$1"
    [ ! -f "$d/server.log" ] || mv -f "$d/server.log" "$d/server.log.1"
    end "$d/epmd_pid" TERM
}

amqp_url() {
    echo "amqp://guest:guest@127.0.0.1:$(cat "$dir/amqp/port")/"
}
