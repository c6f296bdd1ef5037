-- shape_a.sql: one partial index over unfinished rows, one over due polls.
\ir base.sql
CREATE INDEX outbox_unfinished ON outbox
	(generation, timeline, service_id, priority, due_at, id)
	WHERE settled_at IS NULL;
CREATE INDEX outbox_poll ON outbox (poll_at) WHERE poll_at IS NOT NULL;

\if :inline
CREATE FUNCTION enqueue(i bigint, service integer, g anyelement, b jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO outbox (id, generation, timeline, service_id, priority,
						fiscal_code, reference, lot, body)
	VALUES (i, g, 1, service, 5, 'AAAAAA00A00A000A',
			'2026/' || i, 'TARI-2026', b);
END $$;
\else
CREATE FUNCTION enqueue(i bigint, service integer, g anyelement, b jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM insert_row(i, service, g, b);
END $$;
\endif

CREATE FUNCTION claim(service integer, floor_at timestamptz,
								 floor_id bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	SELECT array_agg(c.id) INTO ids FROM (
		SELECT id FROM outbox
		 WHERE generation = gen() AND timeline = 1 AND service_id = service
		   AND priority = 5 AND settled_at IS NULL AND status = 'queued'
		   AND due_at <= now() AND (due_at, id) > (floor_at, floor_id)
		 ORDER BY due_at, id LIMIT m.turn()
		   FOR NO KEY UPDATE SKIP LOCKED) c;
	RETURN ids;
END $$;

CREATE FUNCTION mark(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE outbox SET status = 'sending', slot = 1, epoch = 1,
		   attempts = attempts + 1, marked_at = now()
	 WHERE id = ANY (ids);
END $$;

CREATE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'sending' AND slot = 1 AND epoch = 1
		   FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
		   message_id = r.mid, http_status = 201, settled_at = now(),
		   poll_at = now(), io_updated_at = now()
	  FROM l JOIN unnest(ids, mids) AS r(id, mid) USING (id)
	 WHERE o.id = l.id;
END $$;

CREATE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	WITH l AS (
		SELECT id FROM outbox WHERE poll_at <= now()
		 ORDER BY poll_at LIMIT m.turn() FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET io_status = 'PROCESSED', polls = polls + 1,
			   poll_at = NULL, io_updated_at = now()
		  FROM l WHERE o.id = l.id RETURNING o.id)
	SELECT array_agg(id) INTO ids FROM u;
	RETURN ids;
END $$;
