-- partitions.sql: the plain outbox becomes the first partition of a
-- partitioned one, with its key, foreign key and dedup table.  Variable: rows.
\set QUIET on
\pset null -
CREATE SCHEMA part;
SET search_path = part;
\echo
\echo 1. partition by time: what the server says
CREATE TABLE bt (id bigint, queued_at timestamptz, service_id int, dedup_key text)
	PARTITION BY RANGE (queued_at);
\set ON_ERROR_STOP off
ALTER TABLE bt ADD PRIMARY KEY (id);
ALTER TABLE bt ADD UNIQUE (service_id, dedup_key);
\set ON_ERROR_STOP on
DROP TABLE bt;

\echo
\echo 2. a plain outbox with :rows rows, body with a foreign key to it
CREATE SEQUENCE outbox_id_seq;
CREATE TABLE outbox (id bigint PRIMARY KEY DEFAULT nextval('outbox_id_seq'),
	service_id int NOT NULL, status text NOT NULL DEFAULT 'queued',
	filler text DEFAULT repeat('x', 150)) WITH (fillfactor = 50);
CREATE TABLE body (id bigint PRIMARY KEY REFERENCES outbox, content text);
CREATE TABLE dedup_key (service_id int, dedup_key text, id bigint NOT NULL,
	content_hash bytea NOT NULL, PRIMARY KEY (service_id, dedup_key));
CREATE VIEW message AS SELECT id, status FROM outbox;
INSERT INTO outbox (service_id) SELECT 1 FROM generate_series(1, :rows);
INSERT INTO body SELECT id, 'x' FROM outbox;
VACUUM ANALYZE outbox, body;

CREATE FUNCTION locks() RETURNS TABLE (rel text, mode text) LANGUAGE sql AS $$
	SELECT relation::regclass::text, string_agg(mode, ', ' ORDER BY mode)
	  FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
	   AND relation::regclass::text ~ '^(outbox|body|dedup)'
	   AND relation::regclass::text !~ '_(pkey|seq)$'
	   AND mode <> 'AccessShareLock'
	 GROUP BY 1 ORDER BY 1 $$;
\timing on
\echo
\echo 3. attach without a constraint: the whole table is read under AccessExclusiveLock
BEGIN;
ALTER TABLE outbox RENAME TO outbox_first;
ALTER INDEX outbox_pkey RENAME TO outbox_first_pkey;
CREATE TABLE outbox (LIKE outbox_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
	PRIMARY KEY (id)) PARTITION BY RANGE (id);
\echo - ATTACH
ALTER TABLE outbox ATTACH PARTITION outbox_first
	FOR VALUES FROM (MINVALUE) TO (1000000000000);
ROLLBACK;

\echo
\echo 4. with the CHECK that the first release could already ship
ALTER TABLE outbox ADD CONSTRAINT outbox_first_range
	CHECK (id < 1000000000000) NOT VALID;
ALTER TABLE outbox VALIDATE CONSTRAINT outbox_first_range;
BEGIN;
ALTER TABLE outbox RENAME TO outbox_first;
ALTER INDEX outbox_pkey RENAME TO outbox_first_pkey;
CREATE TABLE outbox (LIKE outbox_first INCLUDING DEFAULTS, PRIMARY KEY (id))
	PARTITION BY RANGE (id);
\echo - ATTACH
ALTER TABLE outbox ATTACH PARTITION outbox_first
	FOR VALUES FROM (MINVALUE) TO (1000000000000);
\echo - the foreign key follows the old table, so it is made anew
ALTER TABLE body DROP CONSTRAINT body_id_fkey;
ALTER TABLE body ADD CONSTRAINT body_id_fkey FOREIGN KEY (id) REFERENCES outbox
	NOT VALID;
\echo - the view follows the old table, so it is replaced
CREATE OR REPLACE VIEW message AS SELECT id, status FROM outbox;
\timing off
SELECT * FROM locks();
\timing on
COMMIT;
\echo - VALIDATE of the foreign key (SHARE ROW EXCLUSIVE is not held)
ALTER TABLE body VALIDATE CONSTRAINT body_id_fkey;

\echo
\echo 5. the turn of the month: the range is known beforehand, the sequence jumps
BEGIN;
CREATE TABLE outbox_2026_12 PARTITION OF outbox
	FOR VALUES FROM (1000000000000) TO (1010000000000) WITH (fillfactor = 50);
\timing off
SELECT * FROM locks();
\timing on
COMMIT;
SELECT setval('outbox_id_seq', 1000000000000, false);
INSERT INTO outbox (service_id) SELECT 2 FROM generate_series(1, 10000);
INSERT INTO body SELECT id, 'x' FROM outbox WHERE service_id = 2;
SELECT tableoid::regclass, count(*) FROM outbox GROUP BY 1 ORDER BY 1;

\timing off
\echo
\echo 6. dump and restore
\! "$PGBIN/createdb" part_copy && "$PGBIN/pg_dump" -n part | "$PGBIN/psql" -Xq -1 -v ON_ERROR_STOP=1 -d part_copy >/dev/null && echo restored
\! "$PGBIN/psql" -XAt -d part_copy -c 'SELECT tableoid::regclass, count(*) FROM part.outbox GROUP BY 1 ORDER BY 1' -c "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'part.body'::regclass AND conparentid = 0 AND contype = 'f'" -c "SELECT last_value FROM part.outbox_id_seq"
\timing on
\echo
\echo 7. an old month goes while bodies still refer to it
\set ON_ERROR_STOP off
DROP TABLE outbox_2026_12;
ALTER TABLE outbox DETACH PARTITION outbox_2026_12;
ALTER TABLE outbox DETACH PARTITION outbox_2026_12 CONCURRENTLY;
\set ON_ERROR_STOP on
\echo - after its bodies were erased
DELETE FROM body WHERE id >= 1000000000000;
BEGIN;
ALTER TABLE outbox DETACH PARTITION outbox_2026_12;
\timing off
SELECT * FROM locks();
\timing on
ROLLBACK;
\echo - without the foreign key
ALTER TABLE body DROP CONSTRAINT body_id_fkey;
ALTER TABLE outbox DETACH PARTITION outbox_2026_12 CONCURRENTLY;
DROP TABLE outbox_2026_12;
\timing off
DROP SCHEMA part CASCADE;
