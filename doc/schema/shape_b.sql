-- shape_b.sql: what is to be done lies in a small table whose only index is
-- its primary key.  Variables: lock2 (also lock the pending row), polltab
-- (polls in a table of their own), action (its type).
\ir base.sql
CREATE TABLE pending (
	generation :gentype, due_at timestamptz, id bigint,
	timeline   integer, service_id integer, priority smallint,
	action     :action,
	PRIMARY KEY (action, generation, timeline, service_id, priority, due_at, id)
) WITH (autovacuum_enabled = off);
CREATE TABLE poll_due (due_at timestamptz, id bigint, PRIMARY KEY (due_at, id))
	WITH (autovacuum_enabled = off);

CREATE FUNCTION enqueue(i bigint, service integer, g anyelement, b jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM insert_row(i, service, g, b);
	INSERT INTO pending (action, generation, timeline, service_id, priority,
						 due_at, id)
	VALUES ('s', g, 1, service, 5, now(), i);
END $$;

\if :lock2
CREATE FUNCTION claim(service integer, floor_at timestamptz, floor_id bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	SELECT array_agg(c.id) INTO ids FROM (
		SELECT o.id FROM pending p JOIN outbox o USING (id)
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = service AND p.priority = 5 AND p.due_at <= now()
		   AND (p.due_at, p.id) > (floor_at, floor_id) AND o.status = 'queued'
		 ORDER BY p.due_at, p.id LIMIT m.turn()
		   FOR UPDATE OF p SKIP LOCKED FOR NO KEY UPDATE OF o SKIP LOCKED) c;
	RETURN ids;
END $$;
\else
CREATE FUNCTION claim(service integer, floor_at timestamptz, floor_id bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	SELECT array_agg(c.id) INTO ids FROM (
		SELECT o.id FROM pending p JOIN outbox o USING (id)
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = service AND p.priority = 5 AND p.due_at <= now()
		   AND (p.due_at, p.id) > (floor_at, floor_id) AND o.status = 'queued'
		 ORDER BY p.due_at, p.id LIMIT m.turn()
		   FOR NO KEY UPDATE OF o SKIP LOCKED) c;
	RETURN ids;
END $$;
\endif

-- the pending row's key follows from the outbox row, which is locked
CREATE FUNCTION mark(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WITH u AS (
		UPDATE outbox SET status = 'sending', slot = 1, epoch = 1,
			   attempts = attempts + 1, marked_at = now()
		 WHERE id = ANY (ids)
		RETURNING id, generation, timeline, service_id, priority, due_at)
	DELETE FROM pending p USING u
	 WHERE p.action = 's'
	   AND (p.generation, p.timeline, p.service_id, p.priority, p.due_at, p.id)
		 = (u.generation, u.timeline, u.service_id, u.priority, u.due_at, u.id);
END $$;

\if :polltab
CREATE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'sending' AND slot = 1 AND epoch = 1
		   FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   due_at = now(), io_updated_at = now()
		  FROM l JOIN unnest(ids, mids) AS r(id, mid) USING (id)
		 WHERE o.id = l.id RETURNING o.*)
	INSERT INTO poll_due (due_at, id) SELECT due_at, id FROM u;
END $$;
CREATE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	WITH l AS (
		SELECT o.id, p.ctid AS tid FROM poll_due p JOIN outbox o USING (id)
		 WHERE p.due_at <= now() ORDER BY p.due_at, p.id LIMIT m.turn()
		   FOR UPDATE OF p SKIP LOCKED FOR NO KEY UPDATE OF o SKIP LOCKED),
	u AS (
		UPDATE outbox o SET io_status = 'PROCESSED', polls = polls + 1,
			   io_updated_at = now()
		  FROM l WHERE o.id = l.id RETURNING o.id, l.tid),
	d AS (
		DELETE FROM poll_due WHERE ctid = ANY (ARRAY(SELECT tid FROM u)))
	SELECT array_agg(id) INTO ids FROM u;
	RETURN ids;
END $$;
\else
CREATE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'sending' AND slot = 1 AND epoch = 1
		   FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   due_at = now(), io_updated_at = now()
		  FROM l JOIN unnest(ids, mids) AS r(id, mid) USING (id)
		 WHERE o.id = l.id RETURNING o.*)
	INSERT INTO pending (action, generation, timeline, service_id, priority,
						 due_at, id)
	SELECT 'p', generation, timeline, service_id, priority, due_at, id FROM u;
END $$;
\if :lock2
CREATE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	WITH l AS (
		SELECT o.id, p.ctid AS tid
		  FROM pending p JOIN outbox o USING (id)
		 WHERE p.action = 'p' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = 1 AND p.priority = 5 AND p.due_at <= now()
		 ORDER BY p.due_at, p.id LIMIT m.turn()
		   FOR UPDATE OF p SKIP LOCKED FOR NO KEY UPDATE OF o SKIP LOCKED),
	u AS (
		UPDATE outbox o SET io_status = 'PROCESSED', polls = polls + 1,
			   io_updated_at = now()
		  FROM l WHERE o.id = l.id RETURNING o.id, l.tid),
	d AS (
		DELETE FROM pending WHERE ctid = ANY (ARRAY(SELECT tid FROM u)))
	SELECT array_agg(id) INTO ids FROM u;
	RETURN ids;
END $$;
\else
CREATE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	WITH l AS (
		SELECT o.id, p.ctid AS tid
		  FROM pending p JOIN outbox o USING (id)
		 WHERE p.action = 'p' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = 1 AND p.priority = 5 AND p.due_at <= now()
		 ORDER BY p.due_at, p.id LIMIT m.turn()
		   FOR NO KEY UPDATE OF o SKIP LOCKED),
	u AS (
		UPDATE outbox o SET io_status = 'PROCESSED', polls = polls + 1,
			   io_updated_at = now()
		  FROM l WHERE o.id = l.id RETURNING o.id, l.tid),
	d AS (
		DELETE FROM pending WHERE ctid = ANY (ARRAY(SELECT tid FROM u)))
	SELECT array_agg(id) INTO ids FROM u;
	RETURN ids;
END $$;
\endif
\endif
