# shellcheck shell=bash disable=SC2154 # dir and root come from scripts/servers.sh
# A MongoDB-protocol server: mongod as a replica set of one where it is installed, else a stand-in on the JVM.

mongodb_start() {
    local d=$dir/mongodb port
    port=$(free_port "$d/port")
    mkdir -p "$d/data"
    if command -v mongod >/dev/null; then
        spawn "$d/pid" "$d/log" mongod --dbpath "$d/data" --port "$port" --bind_ip 127.0.0.1 --replSet unreel
        return
    fi
    mongodb_jars
    # It lives for minutes: the second compiler would take more than it gives, and from what is measured.
    spawn "$d/pid" "$d/log" java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Xmx${UNREEL_TEST_MONGO_HEAP:-1g}" \
        -cp "$cache:$cache/*" MongoStandIn "$d/data/store.mv" "$port"
}

# The stand-in's jars come once from Maven Central; after that no network is needed.
mongodb_jars() {
    local source=$root/tests/support/mongo fresh sum
    sum=$(cat "$source/pom.xml" "$source/MongoStandIn.java" | sha256sum)
    cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/unreel/mongo-stand-in-${sum:0:12}
    [ ! -d "$cache" ] || return 0
    echo "servers.sh: fetching the MongoDB stand-in from Maven Central into $cache" >&2
    mkdir -p "$(dirname "$cache")"
    fresh=$(mktemp -d "$cache.XXXXXX")
    # A repository of our own: the default one is in the home of passwd, which need not exist.
    mvn -q -B -Dmaven.repo.local="$fresh/m2" -f "$source/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$fresh" >&2 || die "Maven could not fetch the MongoDB stand-in"
    rm -rf "$fresh/m2"
    javac -d "$fresh" -cp "$fresh/*" "$source/MongoStandIn.java" || die "MongoStandIn.java does not compile"
    # Whoever comes second at the same time throws his copy away.
    mv -T "$fresh" "$cache" 2>/dev/null || rm -rf "$fresh"
}

mongodb_ready() {
    wait_for MongoDB "$dir/mongodb/pid" "$dir/mongodb/log" mongodb_ping
}

mongodb_ping() {
    local set=()
    ! command -v mongod >/dev/null || set=(--replica-set)
    /usr/bin/python3 "$root/tests/support/servers/mongodb_ping.py" "$(cat "$dir/mongodb/port")" "${set[@]}"
}

mongodb_stop() {
    end "$dir/mongodb/pid" "$1"
}

mongodb_url() {
    echo "mongodb://127.0.0.1:$(cat "$dir/mongodb/port")/"
}
