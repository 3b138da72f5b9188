#!/bin/sh
# Run by PostgreSQL's image when its volume is empty: a role and a database for Jetway, which makes its
# tables itself. The role is no superuser, so whoever takes the gateway does not take the server.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/postgres-password)" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE jetway LOGIN PASSWORD :'password';
CREATE DATABASE jetway OWNER jetway;
SQL
