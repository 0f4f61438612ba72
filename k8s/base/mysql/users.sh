#!/bin/bash
# Run once, by the image's entrypoint, on an empty data folder: the user that auth is, who may not change the schema.
set -eu
password=${SERVICE_PASSWORD//\\/\\\\}
password=${password//\'/\\\'}
MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --user=root <<SQL
CREATE USER IF NOT EXISTS 'unreel'@'%' IDENTIFIED BY '$password';
GRANT SELECT, INSERT, UPDATE, DELETE ON \`$MYSQL_DATABASE\`.* TO 'unreel'@'%';
SQL
