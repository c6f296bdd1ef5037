#!/bin/bash
# measure.sh: repeats the figures of doc/schema.md in a throw-away cluster.
#   SCALE=1   1 = the page's sizes; 0.05 = a look in a few minutes
#   PARTS     wal claim partitions signatures roles (default: all)
#   PGBIN     PostgreSQL's programs (default: pg_config --bindir)
# Nothing is left behind.  PostgreSQL refuses root, so root becomes postgres.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then
	exec runuser -u postgres -- env SCALE="${SCALE:-1}" PARTS="${PARTS:-}" \
		TMPDIR="${TMPDIR:-/tmp}" PGBIN="${PGBIN:-}" bash "$here/measure.sh"
fi
export PGBIN=${PGBIN:-$(pg_config --bindir)}
SCALE=${SCALE:-1}
PARTS=${PARTS:-wal claim partitions signatures roles}
dir=$(mktemp -d "${TMPDIR:-/tmp}/io_msg_schema.XXXXXX")
export PGHOST=$dir PGPORT=54399 PGDATABASE=postgres PGUSER=postgres
export PGOPTIONS='-c client_min_messages=warning'

stop()
{
	"$PGBIN/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
sql() { "$PGBIN/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }
show() { printf '\n'; "$PGBIN/psql" -Xq -v ON_ERROR_STOP=1 "$@"; }
scaled() { awk -v n="$1" -v s="$SCALE" 'BEGIN { printf "%d", n * s }'; }

# build one variant in the schema "shape"
build()		# file gentype fillfactor inline fk more lock2 polltab action ordered [turn]
{
	local g=2 h=1
	if [ "$2" = uuid ]; then
		g="'6f2c1f0e-8f4b-4a57-9d0b-3f6a5d2b7c11'::uuid"
		h="'0a2c1f0e-8f4b-4a57-9d0b-3f6a5d2b7c11'::uuid"
	fi
	sql -c 'DROP SCHEMA IF EXISTS shape CASCADE' -c "CREATE OR REPLACE
		FUNCTION m.turn() RETURNS int IMMUTABLE LANGUAGE sql
		AS 'SELECT ${11:-32}'"
	sql -v shape=shape -v genbody="SELECT $g" -v heldbody="SELECT $h" \
		-v gentype="$2" -v fillfactor="$3" -v inline="$4" -v fk="$5" \
		-v more="$6" -v lock2="$7" -v polltab="$8" -v action="$9" \
		-v ordered="${10}" \
		-f "shape_$1.sql"
}

say "a new cluster in $dir"
"$PGBIN/initdb" -D "$dir/data" -U postgres -A trust -N >/dev/null
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
port = $PGPORT
unix_socket_directories = '$dir'
shared_buffers = 512MB
max_wal_size = 16GB
checkpoint_timeout = 1h
wal_compression = off
CONF
"$PGBIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w start >/dev/null
cd "$here"
sql -f harness.sql
for part in $PARTS; do
	say "part $part"
	case $part in
		wal|claim) . "./$part.sh" ;;
		partitions)
			show -v rows="$(scaled 2000000)" -f partitions.sql 2>&1
			show -f dedup.sql ;;
		*) show -f "$part.sql" 2>&1 ;;
	esac
done
say "done"
