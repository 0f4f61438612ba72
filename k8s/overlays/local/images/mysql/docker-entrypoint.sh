#!/bin/bash
# As the original: options alone are mysqld's; where nothing is in /var/lib/mysql, or in the folder of --datadir=, it
# becomes a server with MYSQL_DATABASE and its user, and with what /docker-entrypoint-initdb.d adds.
set -euo pipefail
folder=/var/lib/mysql
socket=/var/run/mysqld/mysqld.sock
case ${1:--} in
-*) set -- mysqld "$@" ;;
esac
[ "$1" = mysqld ] || exec "$@"
shift
for option; do
    case $option in
    --datadir=*) folder=${option#*=} ;;
    esac
done

# setting NAME: $NAME, or what is in the file that $NAME_FILE names.
setting() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then
        cat "${!file}"
    else
        echo -n "${!1:-}"
    fi
}

# quote TEXT: as a string of SQL.
quote() {
    local text=${1//\\/\\\\}
    echo "'${text//\'/\\\'}'"
}

accounts() {
    local root user database
    root=$(quote "$(setting MYSQL_ROOT_PASSWORD)") user=$(setting MYSQL_USER) database=$(setting MYSQL_DATABASE)
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $root;"
    echo "CREATE USER 'root'@'%' IDENTIFIED BY $root;"
    echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    [ -z "$database" ] || echo "CREATE DATABASE \`$database\`;"
    [ -n "$user" ] || return 0
    echo "CREATE USER $(quote "$user")@'%' IDENTIFIED BY $(quote "$(setting MYSQL_PASSWORD)");"
    [ -z "$database" ] || echo "GRANT ALL ON \`$database\`.* TO $(quote "$user")@'%';"
}

# In a folder of its own until all is there, so that whoever is killed here begins anew; without a port so long.
initialise() {
    local server file
    mkdir -p "$folder"
    rm -rf "$folder/.new"
    mariadb-install-db --no-defaults --datadir="$folder/.new" --auth-root-authentication-method=normal --skip-test-db >&2
    mysqld --datadir="$folder/.new" --socket="$socket" --pid-file="$socket.pid" --skip-networking &
    server=$!
    until mysqladmin --socket="$socket" --user=root --silent ping; do
        kill -0 "$server"
        sleep 0.2
    done
    accounts | mysql --socket="$socket" --user=root
    for file in /docker-entrypoint-initdb.d/*.sh; do
        [ ! -x "$file" ] || "$file"
    done
    kill "$server"
    wait "$server"
    find "$folder/.new" -mindepth 1 -maxdepth 1 ! -name mysql -exec mv -f -t "$folder" {} +
    mv "$folder/.new/mysql" "$folder/"
    rmdir "$folder/.new"
}

[ -n "$(setting MYSQL_ROOT_PASSWORD)" ] || { echo "MYSQL_ROOT_PASSWORD (or MYSQL_ROOT_PASSWORD_FILE) is not set" >&2 && exit 1; }
[ -d "$folder/mysql" ] || initialise
exec mysqld --datadir="$folder" --socket="$socket" --pid-file="$socket.pid" --bind-address=0.0.0.0 --skip-name-resolve "$@"
