-- shape_b4.sql: as B with the outbox lock alone; a settle notes its polls as one
-- row for the whole turn.
\ir shape_b.sql
DROP TABLE poll_due;
CREATE TABLE poll_due (due_at timestamptz, first_id bigint, ids bigint[],
					   PRIMARY KEY (due_at, first_id))
	WITH (autovacuum_enabled = off);

CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
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
		 WHERE o.id = l.id RETURNING o.id)
	INSERT INTO poll_due SELECT now(), min(id), array_agg(id) FROM u;
END $$;

CREATE OR REPLACE FUNCTION poll() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	batch poll_due;
	done bigint[];
BEGIN
	SELECT * INTO batch FROM poll_due WHERE due_at <= now()
	 ORDER BY due_at, first_id LIMIT 1 FOR UPDATE SKIP LOCKED;
	WITH l AS (
		SELECT id FROM outbox WHERE id = ANY (batch.ids)
		   FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET io_status = 'PROCESSED', polls = polls + 1,
			   io_updated_at = now()
		  FROM l WHERE o.id = l.id RETURNING o.id)
	SELECT array_agg(id) INTO done FROM u;
	DELETE FROM poll_due
	 WHERE (due_at, first_id) = (batch.due_at, batch.first_id);
	RETURN done;
END $$;
