# shellcheck shell=bash
# Sourced by scripts/servers.sh. A server NAME lives in $dir/NAME: its port, pid, log and data.

die() {
    echo "servers.sh: $*" >&2
    exit 1
}

# free_port FILE: a free loopback port, remembered in FILE, so that a restart uses the same one.
free_port() {
    if [ ! -s "$1" ]; then
        /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/../harness/ports.py" >"$1"
    fi
    cat "$1"
}

# alive PIDFILE: the process runs, and is not another one that got its number later.
alive() {
    local pid started
    [ -s "$1" ] || return 1
    read -r pid started <"$1"
    [ "$(start_time "$pid")" = "$started" ]
}

# start_time PID: in ticks since the boot; nothing when the process is gone.
start_time() {
    local stat fields threads
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    # The second field is a name that may hold blanks, so cut after its bracket: state is then the first.
    read -ra fields <<<"${stat##*) }"
    # A zombie is gone once its other threads are: until then they may hold files and ports.
    threads=("/proc/$1/task/"*)
    if [ "${fields[0]:-Z}" != Z ] || [ ${#threads[@]} -gt 1 ]; then
        echo "${fields[19]:-}"
    fi
}

# spawn PIDFILE LOGFILE COMMAND...: in a session of its own, so that a Ctrl-C of ours is not its.
spawn() {
    local pidfile=$1 log=$2
    shift 2
    setsid "$@" >>"$log" 2>&1 </dev/null &
    echo "$! $(start_time $!)" >"$pidfile"
}

# end PIDFILE SIGNAL: waits until the process is gone, and after 20 s no longer asks.
end() {
    local pid _ tick
    alive "$1" || return 0
    read -r pid _ <"$1"
    kill "-$2" "$pid" 2>/dev/null || true
    for ((tick = 0; tick < 400; tick++)); do
        alive "$1" || return 0
        [ "$tick" = 200 ] && kill -KILL "$pid" 2>/dev/null
        sleep 0.05
    done
    die "process $pid does not end"
}

# wait_for NAME PIDFILE LOGFILE COMMAND...: until COMMAND succeeds; fails when the process ends first.
wait_for() {
    local name=$1 pidfile=$2 log=$3 tick
    shift 3
    for ((tick = 0; tick < 600; tick++)); do
        "$@" >/dev/null 2>&1 && return 0
        if ! alive "$pidfile"; then
            break
        fi
        sleep 0.1
    done
    tail -20 "$log" >&2
    die "$name does not answer"
}

# accepts PORT: something listens there.
accepts() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
