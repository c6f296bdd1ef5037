-- shape_c.sql: the mark is a HOT update of the pending row, which stays until
-- the settle; the outbox row is written once, at the settle.
\ir shape_b.sql
ALTER TABLE pending ADD marked smallint, ADD epoch bigint;
ALTER TABLE pending SET (fillfactor = 50);

CREATE OR REPLACE FUNCTION claim(service integer, floor_at timestamptz,
								 floor_id bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	SELECT array_agg(c.id) INTO ids FROM (
		SELECT p.id FROM pending p
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = service AND p.priority = 5 AND p.due_at <= now()
		   AND (p.due_at, p.id) > (floor_at, floor_id) AND p.marked IS NULL
		 ORDER BY p.due_at, p.id LIMIT m.turn() FOR NO KEY UPDATE SKIP LOCKED) c;
	RETURN ids;
END $$;

CREATE OR REPLACE FUNCTION mark(ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pending p SET marked = 1, epoch = 1
	  FROM outbox o
	 WHERE o.id = ANY (ids) AND p.action = 's'
	   AND (p.generation, p.timeline, p.service_id, p.priority, p.due_at, p.id)
		 = (o.generation, o.timeline, o.service_id, o.priority, o.due_at, o.id);
END $$;

CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT o.id, o.due_at FROM outbox o
		 WHERE id = ANY (ids) AND status = 'queued'
		   FOR NO KEY UPDATE SKIP LOCKED),
	d AS (
		DELETE FROM pending p USING l
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = 1 AND p.priority = 5
		   AND (p.due_at, p.id) = (l.due_at, l.id) AND p.epoch = 1),
	u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   slot = 1, epoch = 1, attempts = attempts + 1, marked_at = now(),
			   due_at = now(), io_updated_at = now()
		  FROM l JOIN unnest(ids, mids) AS r(id, mid) USING (id)
		 WHERE o.id = l.id RETURNING o.*)
	INSERT INTO pending (action, generation, timeline, service_id, priority,
						 due_at, id)
	SELECT 'p', generation, timeline, service_id, priority, due_at, id FROM u;
END $$;
