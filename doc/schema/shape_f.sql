-- shape_f.sql: the pending row is the baton: who holds it may change the outbox
-- row, so the outbox row needs no lock of its own (lock2: lock it all the same).
-- Slot and epoch stand in the slot's row alone; polls one row a turn.
\ir shape_b4.sql
CREATE OR REPLACE FUNCTION claim(service integer, floor_at timestamptz,
								 floor_id bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
	WITH c AS (
		SELECT p.ctid FROM pending p
		 WHERE p.action = 's' AND p.generation = gen() AND p.timeline = 1
		   AND p.service_id = service AND p.priority = 5 AND p.due_at <= now()
		   AND (p.due_at, p.id) > (floor_at, floor_id)
		 ORDER BY p.due_at, p.id LIMIT m.turn() FOR UPDATE SKIP LOCKED),
	d AS (	-- by ctid: a join could be planned the wrong way round
		DELETE FROM pending WHERE ctid = ANY (ARRAY(SELECT ctid FROM c))
		RETURNING id)
	SELECT array_agg(d.id ORDER BY d.id) INTO ids FROM d;
	RETURN ids;
END $$;

\if :lock2
CREATE OR REPLACE FUNCTION mark(ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'queued'
		   FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE outbox o SET status = 'sending', attempts = attempts + 1,
		   marked_at = now()
	  FROM l WHERE o.id = l.id;
END $$;
\else
CREATE OR REPLACE FUNCTION mark(ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE outbox SET status = 'sending', attempts = attempts + 1,
		   marked_at = now()
	 WHERE id = ANY (ids);
END $$;
CREATE OR REPLACE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	batch poll_due;
	done bigint[];
BEGIN
	SELECT * INTO batch FROM poll_due WHERE due_at <= now()
	 ORDER BY due_at, first_id LIMIT 1 FOR UPDATE SKIP LOCKED;
	WITH u AS (
		UPDATE outbox SET io_status = 'PROCESSED', polls = polls + 1,
			   io_updated_at = now()
		 WHERE id = ANY (batch.ids) RETURNING id)
	SELECT array_agg(id) INTO done FROM u;
	DELETE FROM poll_due
	 WHERE (due_at, first_id) = (batch.due_at, batch.first_id);
	RETURN done;
END $$;
\endif

\if :lock2
CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'sending'
		   FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   io_updated_at = now()
		  FROM l JOIN unnest(ids, mids) AS r(id, mid) USING (id)
		 WHERE o.id = l.id RETURNING o.id)
	INSERT INTO poll_due SELECT now(), min(id), array_agg(id) FROM u;
END $$;
\else
CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   io_updated_at = now()
		  FROM unnest(ids, mids) AS r(id, mid)
		 WHERE o.id = r.id AND o.status = 'sending' RETURNING o.id)
	INSERT INTO poll_due SELECT now(), min(id), array_agg(id) FROM u;
END $$;
\endif
