-- shape_g.sql: as E, the mark does not touch the outbox; polls one row a turn.
-- lock2: the settle and the poll lock the outbox row first.
\ir shape_f.sql
CREATE OR REPLACE FUNCTION mark(ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$ BEGIN END $$;
\if :lock2
CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH l AS (
		SELECT id FROM outbox
		 WHERE id = ANY (ids) AND status = 'queued'
		   FOR NO KEY UPDATE SKIP LOCKED),
	u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   attempts = attempts + 1, marked_at = now(), io_updated_at = now()
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
			   attempts = attempts + 1, marked_at = now(), io_updated_at = now()
		  FROM unnest(ids, mids) AS r(id, mid)
		 WHERE o.id = r.id AND o.status = 'queued' RETURNING o.id)
	INSERT INTO poll_due SELECT now(), min(id), array_agg(id) FROM u;
END $$;
\endif
