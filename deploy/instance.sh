#!/bin/sh
# Write DAGSTER_HOME/dagster.yaml before Dagster starts: SQLite, or PostgreSQL if DAGSTER_PG_HOST is
# set. The daemon and the webserver may do so at the same time, so the file is replaced in one step.
set -eu
here=$(dirname "$(dirname "$(realpath "$0")")")/orchestration
mkdir -p "$DAGSTER_HOME"
cat "$here/dagster.yaml" ${DAGSTER_PG_HOST:+"$here/dagster-postgres.yaml"} > "$DAGSTER_HOME/.dagster.yaml.$$"
mv "$DAGSTER_HOME/.dagster.yaml.$$" "$DAGSTER_HOME/dagster.yaml"
