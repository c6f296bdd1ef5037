# claim.sh (read by measure.sh): time of claim + mark and of the settle, for a
# turn of 32.
sql -f claim.sql
A='a int 50 0 0 0 0 0 text 1'
B2='b int 50 0 0 0 0 0 "char" 1'
F='f bigint 50 0 0 0 0 0 "char" 1'
million=$(scaled 1000000) settled=$(scaled 300000)
in_shape() { sql -c 'SET search_path = shape, m' "$@"; }
turns() { in_shape -c "CALL m.turns('$1', '$2', 310, $3)"; }

# a session with an open REPEATABLE READ snapshot, until unpin
pin()
{
	sql -c "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM m.cursor;
		SELECT pg_sleep(3600)" >/dev/null 2>&1 &
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity
		WHERE query LIKE '%pg_sleep(3600)%' AND backend_xmin IS NOT NULL
		  AND pid <> pg_backend_pid()")" = 1 ]; do sleep 0.1; done
}
unpin()
{
	sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()" >/dev/null
	wait $! 2>/dev/null || true
}

for shape in A B2 F; do
	spec=${!shape}
	say "claim $shape: an empty table, then 1 M queued"
	build $spec
	in_shape -c "CALL m.fill(1, $(scaled 20000), gen())" -c 'ANALYZE outbox'
	turns $shape '20 k queued' false
	build $spec
	in_shape -c "CALL m.fill(1, $million, gen())" -c 'ANALYZE'
	turns $shape '1 M queued' false
	say "claim $shape: 1 M held rows in front of 10,000"
	build $spec
	in_shape -c "CALL m.fill(1, $million, held())" \
		-c "CALL m.fill($million + 1, 10000, gen())" -c 'ANALYZE'
	turns $shape '1 M held in front' false
	say "claim $shape: 300,000 settled under a pinned snapshot"
	build $spec
	in_shape -c "CALL m.fill(1, $settled + 20000, gen())" -c 'ANALYZE'
	pin
	sql -c "UPDATE m.cursor SET due_at = '-infinity', id = 0"
	in_shape -c 'SET synchronous_commit = off' \
		-c "CALL m.turns('', '', $settled / 32, true, quiet => true)"
	turns $shape 'pinned, with cursor' true
	in_shape -c "CALL m.turns('$shape', 'pinned, no cursor', 60, false)"
	unpin
	turns $shape 'unpinned again, no cursor' false
done

# the outbox in 24 partitions, filled and drained across their bounds; F-any
# gives the settle "id = ANY (ids)" as well, which prunes when it starts
say "claim F: 24 partitions"
rows=$(scaled 480000)
for any in 0 1; do
	shape=F; if [ $any = 1 ]; then shape=F-any; fi
	build $F
	in_shape -v width=$((rows / 24)) -v any=$any -f months.sql
	in_shape -c "CALL m.fill(1, $rows, gen())" -c 'ANALYZE'
	turns $shape '24 partitions' true
	in_shape -c "SELECT pg_stat_force_next_flush()" >/dev/null
	show -c "SELECT '$shape' AS shape, sum(n_tup_upd) AS upd, round(100.0
		* sum(n_tup_hot_upd) / sum(n_tup_upd), 1) AS hot_pct
		FROM pg_stat_user_tables WHERE relname ~ '^outbox_m'"
done
show -c 'TABLE m.by_scene'
build $F
show -v held="$(scaled 1000000)" -f services.sql
