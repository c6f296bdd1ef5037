-- months.sql: the shape's outbox becomes a table of 24 partitions, each :width
-- ids wide.  any: the settle names the ids as well, which prunes at its start.
ALTER TABLE outbox RENAME TO plain;
CREATE TABLE outbox (LIKE plain INCLUDING DEFAULTS, PRIMARY KEY (id))
	PARTITION BY RANGE (id);
SELECT format('CREATE TABLE outbox_m%s PARTITION OF outbox FOR VALUES FROM (%s)
			  TO (%s) WITH (fillfactor = 50, autovacuum_enabled = off)', m,
			  CASE m WHEN 0 THEN 'MINVALUE' ELSE (m * :width)::text END,
			  CASE m WHEN 24 THEN 'MAXVALUE' ELSE ((m + 1) * :width)::text END)
  FROM generate_series(0, 24) m
\gexec
\if :any
CREATE OR REPLACE FUNCTION settle(ids bigint[], mids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WITH u AS (
		UPDATE outbox o SET status = 'sent', io_status = 'ACCEPTED',
			   message_id = r.mid, http_status = 201, settled_at = now(),
			   io_updated_at = now()
		  FROM unnest(ids, mids) AS r(id, mid)
		 WHERE o.id = r.id AND o.id = ANY (ids) AND o.status = 'sending'
		RETURNING o.id)
	INSERT INTO poll_due SELECT now(), min(id), array_agg(id) FROM u;
END $$;
\endif
