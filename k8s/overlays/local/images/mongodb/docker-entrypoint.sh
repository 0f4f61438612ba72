#!/bin/bash
# As the original: options alone are mongod's.
set -eu
[ "${1#-}" = "$1" ] || set -- mongod "$@"
exec "$@"
