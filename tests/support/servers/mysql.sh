# shellcheck shell=bash disable=SC2154 # dir and root come from scripts/servers.sh
# MariaDB, as a plain user or root, without systemd.

mysql_start() {
    local d=$dir/mysql port
    local as=()
    [ "$(id -u)" != 0 ] || as=(--user=root)
    port=$(free_port "$d/port")
    if [ ! -d "$d/data/mysql" ]; then
        mariadb-install-db --no-defaults --datadir="$d/data" --auth-root-authentication-method=normal \
            --skip-test-db "${as[@]}" >"$d/install.log" 2>&1 || die "mariadb-install-db: see $d/install.log"
    fi
    # A socket's path has at most 107 bytes, a folder of ours may have more.
    spawn "$d/pid" "$d/log" "$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults --datadir="$d/data" --port="$port" \
        --bind-address=127.0.0.1 --socket="@unreel-$port" --pid-file="$d/server.pid" \
        --innodb-buffer-pool-size=32M --innodb-log-file-size=8M --skip-name-resolve "${as[@]}"
}

mysql_ready() {
    local d=$dir/mysql port
    port=$(cat "$d/port")
    wait_for MariaDB "$d/pid" "$d/log" mariadb-admin --no-defaults --protocol=tcp -h 127.0.0.1 -P "$port" -u root ping
}

mysql_stop() {
    end "$dir/mysql/pid" "$1"
}

mysql_url() {
    echo "mysql://root@127.0.0.1:$(cat "$dir/mysql/port")/"
}
