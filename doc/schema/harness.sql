-- harness.sql: lives messages through as the drainer does: one transaction a
-- turn settles the last 32 and marks the next 32 (or as many as m.turn says).
CREATE SCHEMA m;
CREATE FUNCTION m.turn() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 32';
CREATE TABLE m.wal (shape text, kb int, fpi boolean, step text, median numeric,
					mean numeric);
CREATE TABLE m.hot (shape text, kb int, fpi boolean, rel text, upd bigint,
					hot bigint, dead bigint, heap_bytes bigint,
					index_bytes bigint);

CREATE FUNCTION m.lsn() RETURNS bigint LANGUAGE sql AS
$$ SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint $$;

-- a body that pglz cannot shrink much
CREATE FUNCTION m.body(kb int) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('markdown',
		  string_agg(md5(i::text), '')) FROM generate_series(1, kb * 32) i $$;

CREATE PROCEDURE m.note(what text, kb int, fpi boolean, step text,
						bytes bigint[], per numeric)
LANGUAGE sql AS $$
	INSERT INTO m.wal
	SELECT what, kb, fpi, step,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY b) / per, avg(b) / per
	  FROM unnest(bytes) b;
$$;

CREATE PROCEDURE m.live(what text, n int, kb int, fpi boolean)
LANGUAGE plpgsql AS $$
DECLARE
	b jsonb := m.body(kb);
	a bigint; z bigint;
	prev bigint[] := '{}'; ids bigint[];
	w_enq bigint[]; w_mark bigint[]; w_settle bigint[]; w_poll bigint[];
BEGIN
	PERFORM set_config('synchronous_commit', 'off', false);
	FOR i IN 1 .. n LOOP
		a := m.lsn();
		PERFORM enqueue(i, 1, gen(), b);
		COMMIT;
		w_enq := w_enq || (m.lsn() - a);
	END LOOP;
	PERFORM set_config('synchronous_commit', 'on', false);
	ANALYZE;
	IF fpi THEN CHECKPOINT; END IF;
	LOOP
		a := m.lsn();
		IF prev <> '{}' THEN
			PERFORM settle(prev, array_fill('01HZX3J6K8Q2V5W7Y9A1B3C5D7'::text,
											ARRAY[cardinality(prev)]));
			z := m.lsn();
			w_settle := w_settle || (z - a);
			a := z;
		END IF;
		ids := coalesce(claim(1, '-infinity', 0), '{}');
		IF ids <> '{}' THEN PERFORM mark(ids); END IF;
		PERFORM note_orphans(ids);
		COMMIT;
		z := m.lsn();
		IF ids <> '{}' THEN w_mark := w_mark || (z - a); END IF;
		EXIT WHEN ids = '{}';
		prev := ids;
	END LOOP;
	IF fpi THEN CHECKPOINT; END IF;
	LOOP
		a := m.lsn();
		ids := poll();
		COMMIT;
		EXIT WHEN ids IS NULL;
		w_poll := w_poll || (m.lsn() - a);
	END LOOP;
	IF cardinality(w_mark) <> ceil(1.0 * n / m.turn())
	   OR cardinality(w_settle) <> ceil(1.0 * n / m.turn())
	   OR cardinality(w_poll) <> ceil(1.0 * n / m.turn()) THEN
		RAISE 'shape % lost rows: % % %', what, cardinality(w_mark),
			  cardinality(w_settle), cardinality(w_poll);
	END IF;
	CALL m.note(what, kb, fpi, 'enqueue', w_enq, 1);
	CALL m.note(what, kb, fpi, 'mark', w_mark, m.turn());
	CALL m.note(what, kb, fpi, 'settle', w_settle, m.turn());
	CALL m.note(what, kb, fpi, 'poll', w_poll, m.turn());
END $$;

CREATE PROCEDURE m.note_hot(what text, kb int, fpi boolean)
LANGUAGE sql AS $$
	SELECT pg_stat_force_next_flush();
	INSERT INTO m.hot
	SELECT what, kb, fpi, relname, n_tup_upd, n_tup_hot_upd, n_dead_tup,
		   pg_relation_size(relid), pg_indexes_size(relid)
	  FROM pg_stat_user_tables WHERE schemaname = current_schema()
	   AND relname IN ('outbox', 'pending', 'poll_due');
$$;

-- by records, no full-page images: the median of the turns
CREATE VIEW m.by_records AS
SELECT shape, kb,
	   round(max(median) FILTER (WHERE step = 'enqueue')) AS enqueue,
	   round(max(median) FILTER (WHERE step = 'mark')) AS mark,
	   round(max(median) FILTER (WHERE step = 'settle')) AS settle,
	   round(sum(median) FILTER (WHERE step IN ('mark', 'settle')))
		   AS mark_settle,
	   round(max(median) FILTER (WHERE step = 'poll')) AS poll,
	   round(sum(mean)) AS whole_life_mean
  FROM m.wal WHERE NOT fpi GROUP BY shape, kb ORDER BY shape, kb;

-- in total, a checkpoint before the drain and before the polls: the mean
CREATE VIEW m.after_checkpoint AS
SELECT shape, kb,
	   round(sum(mean) FILTER (WHERE step IN ('mark', 'settle')))
		   AS mark_settle,
	   round(max(mean) FILTER (WHERE step = 'poll')) AS poll
  FROM m.wal WHERE fpi GROUP BY shape, kb ORDER BY shape, kb;

-- when all messages have lived their life, nothing vacuumed
CREATE VIEW m.rows_left AS
SELECT shape, kb, rel, upd, round(100.0 * hot / nullif(upd, 0), 1) AS hot_pct,
	   dead, heap_bytes / 1024 AS heap_kb, index_bytes / 1024 AS index_kb
  FROM m.hot WHERE NOT fpi ORDER BY shape, kb, rel;
