-- dedup.sql: WAL of a dedup key as a unique index of the outbox, and as a table.
CREATE SCHEMA dedup;
SET search_path = dedup;
CREATE TABLE o_index (id bigint PRIMARY KEY, service_id int, dedup_key text,
	content_hash bytea);
CREATE UNIQUE INDEX ON o_index (service_id, dedup_key) WHERE dedup_key IS NOT NULL;
CREATE TABLE o_bare (id bigint PRIMARY KEY, service_id int);
CREATE TABLE dedup_key (service_id int, dedup_key text, id bigint NOT NULL,
	content_hash bytea NOT NULL, PRIMARY KEY (service_id, dedup_key));
CREATE TABLE result (what text, bytes numeric);
CREATE FUNCTION wal(what text, VARIADIC stmts text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE a bigint; s text;
BEGIN
	a := pg_current_wal_insert_lsn() - '0/0';
	FOR i IN 1 .. 10000 LOOP
		FOREACH s IN ARRAY stmts LOOP EXECUTE s USING i; END LOOP;
	END LOOP;
	INSERT INTO result VALUES
		(what, ((pg_current_wal_insert_lsn() - '0/0')::bigint - a) / 10000);
END $$;
\o /dev/null
SELECT wal('no key',
	'INSERT INTO o_bare VALUES ($1, 1)');
SELECT wal('columns and unique index in outbox',
	'INSERT INTO o_index VALUES ($1, 1, ''TARI-2026-'' || $1, sha256(''x''))');
SELECT wal('table of its own',
	'INSERT INTO o_bare VALUES ($1 + 10000, 1)',
	'INSERT INTO dedup_key VALUES (1, ''TARI-2026-'' || $1, $1, sha256(''x''))');
\o
\echo WAL bytes an enqueue with a dedup key, above one without
SELECT what, round(bytes - (SELECT bytes FROM result WHERE what = 'no key'))
	   AS bytes FROM result WHERE what <> 'no key';
DROP SCHEMA dedup CASCADE;
