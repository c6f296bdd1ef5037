-- services.sql: finding the one service with work among 1,000, rows that are
-- not yet due, and a plan made when the table was empty.  Shape F.
SET search_path = shape, m;
\set explain 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF)'
PREPARE probe(int[]) AS
SELECT c.* FROM unnest($1) s(service_id) CROSS JOIN LATERAL (
	SELECT p.ctid, p.id FROM pending p
	 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
	   AND p.service_id = s.service_id AND p.priority = 5
	   AND p.due_at <= now()
	 ORDER BY p.due_at, p.id LIMIT 32 FOR UPDATE SKIP LOCKED) c LIMIT 32;
-- the distinct (service, priority) that have rows, one index descent each
PREPARE loose AS
WITH RECURSIVE g AS (
	(SELECT p.service_id, p.priority FROM pending p
	  WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
	  ORDER BY p.service_id, p.priority LIMIT 1)
	UNION ALL
	SELECT n.* FROM g CROSS JOIN LATERAL (
		SELECT p.service_id, p.priority FROM pending p
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND (p.service_id, p.priority) > (g.service_id, g.priority)
		 ORDER BY p.service_id, p.priority LIMIT 1) n)
SELECT count(*) FROM g;

\echo 1,000 services are open, one has 1,000 rows: a probe for each
INSERT INTO pending SELECT gen(), now() - '1 hour'::interval, i, 1, 500, 5, 's'
  FROM generate_series(1, 1000) i;
VACUUM ANALYZE pending;
SELECT array_agg(i) AS open FROM generate_series(1, 1000) i \gset
BEGIN;
:explain EXECUTE probe(:'open');
ROLLBACK;
\echo the same: which services have rows (loose index scan)
:explain EXECUTE loose;

\echo 999 services with :held rows together are paused, one is open: probe of it alone
INSERT INTO pending SELECT gen(), now() - '1 hour'::interval, 1000 + i, 1,
						   CASE i % 1000 WHEN 500 THEN 501 ELSE i % 1000 END, 5, 's'
  FROM generate_series(1, :held) i;
VACUUM ANALYZE pending;
BEGIN;
:explain EXECUTE probe('{500}');
ROLLBACK;
\echo the same: loose index scan over all that have rows
:explain EXECUTE loose;

\echo 100,000 rows of a more urgent priority that are not yet due: one order over all priorities
TRUNCATE pending;
INSERT INTO pending SELECT gen(), now() + '1 day'::interval, i, 1, 1, 1, 's'
  FROM generate_series(1, 100000) i;
INSERT INTO pending SELECT gen(), now() - '1 hour'::interval, 100000 + i, 1, 1, 5, 's'
  FROM generate_series(1, 1000) i;
VACUUM ANALYZE pending;
:explain SELECT id FROM pending
 WHERE action = 's' AND generation = gen() AND timeline = 1 AND service_id = 1
   AND due_at <= now()
 ORDER BY priority, due_at, id LIMIT 32;
\echo the same: a probe for each priority
:explain SELECT c.id FROM unnest('{1, 5}'::int[]) pr(priority) CROSS JOIN LATERAL (
	SELECT id FROM pending p
	 WHERE action = 's' AND generation = gen() AND timeline = 1
	   AND service_id = 1 AND p.priority = pr.priority AND due_at <= now()
	 ORDER BY due_at, id LIMIT 32) c LIMIT 32;

\echo 20,000 rows in a table that was never analyzed: delete by a join with the claimed keys
DROP TABLE pending;
CREATE TABLE pending (
	generation bigint, due_at timestamptz, id bigint,
	timeline   integer, service_id integer, priority smallint, action "char",
	PRIMARY KEY (action, generation, timeline, service_id, priority, due_at, id)
) WITH (autovacuum_enabled = off);
INSERT INTO pending SELECT gen(), now() - '1 hour'::interval, i, 1, 1, 5, 's'
  FROM generate_series(1, 20000) i;
BEGIN;
:explain WITH c AS (
	SELECT p.due_at, p.id FROM pending p
	 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
	   AND p.service_id = 1 AND p.priority = 5 AND p.due_at <= now()
	   AND (p.due_at, p.id) > ('-infinity', 0)
	 ORDER BY p.due_at, p.id LIMIT 32 FOR UPDATE SKIP LOCKED)
DELETE FROM pending p USING c
 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
   AND p.service_id = 1 AND p.priority = 5
   AND (p.due_at, p.id) = (c.due_at, c.id);
ROLLBACK;
\echo the same: delete by ctid
BEGIN;
:explain WITH c AS (
	SELECT p.ctid FROM pending p
	 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
	   AND p.service_id = 1 AND p.priority = 5 AND p.due_at <= now()
	   AND (p.due_at, p.id) > ('-infinity', 0)
	 ORDER BY p.due_at, p.id LIMIT 32 FOR UPDATE SKIP LOCKED)
DELETE FROM pending WHERE ctid = ANY (ARRAY(SELECT ctid FROM c));
ROLLBACK;
