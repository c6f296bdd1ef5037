-- claim.sql: fills a shape in bulk and times claim + mark, turn by turn.
CREATE TABLE m.times (what text, scene text, step text, ms numeric);
CREATE TABLE m.cursor (due_at timestamptz, id bigint);
INSERT INTO m.cursor VALUES ('-infinity', 0);

-- rows from first on, due a microsecond apart, an hour ago
CREATE PROCEDURE m.fill(first bigint, n bigint, g anyelement,
						services int DEFAULT 1, prio int DEFAULT 5,
						due interval DEFAULT '-1 hour')
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO outbox (id, generation, timeline, service_id, priority,
						fiscal_code, reference, lot, due_at)
	SELECT i, g, 1, 1 + i % services, prio, 'AAAAAA00A00A000A', '2026/' || i,
		   'TARI-2026', now() + due + i * interval '1 microsecond'
	  FROM generate_series(first, first + n - 1) i;
	IF to_regclass('pending') IS NOT NULL THEN
		INSERT INTO pending (action, generation, timeline, service_id,
							 priority, due_at, id)
		SELECT 's', g, 1, service_id, priority, due_at, id
		  FROM outbox WHERE id >= first;
	END IF;
END $$;

-- with cursor: the claim starts behind the last row it took
CREATE PROCEDURE m.turns(what text, scene text, n int, cursor boolean,
						 service int DEFAULT 1, quiet boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[]; f m.cursor; t timestamptz; ms numeric[]; ms_settle numeric[];
BEGIN
	PERFORM set_config('synchronous_commit', 'off', false);
	FOR i IN 1 .. n LOOP
		SELECT * INTO f FROM m.cursor;
		IF NOT cursor THEN f := ('-infinity', 0); END IF;
		t := clock_timestamp();
		ids := claim(service, f.due_at, f.id);
		EXIT WHEN ids IS NULL;
		PERFORM mark(ids);
		ms := ms || (1000 * extract(epoch FROM clock_timestamp() - t));
		UPDATE m.cursor c SET due_at = o.due_at, id = o.id FROM outbox o
		 WHERE o.id = (SELECT max(x) FROM unnest(ids) x);
		COMMIT;
		t := clock_timestamp();
		PERFORM settle(ids, array_fill('01HZX3J6K8Q2V5W7Y9A1B3C5D7'::text,
									   ARRAY[cardinality(ids)]));
		ms_settle := ms_settle
			|| (1000 * extract(epoch FROM clock_timestamp() - t));
		COMMIT;
	END LOOP;
	IF NOT quiet THEN
		INSERT INTO m.times
		SELECT what, scene, 'claim + mark', x FROM unnest(ms[11:]) x
		UNION ALL
		SELECT what, scene, 'settle', x FROM unnest(ms_settle[11:]) x;
	END IF;
END $$;

-- a turn of 32, milliseconds
CREATE VIEW m.by_scene AS
SELECT step, scene, what AS shape, count(*) AS turns,
	   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2)
		   AS median,
	   round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 2)
		   AS p99
  FROM m.times GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
