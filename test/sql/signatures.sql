-- Which form of io_enqueue_message does a call reach?  None is ambiguous.
CREATE FUNCTION pg_temp.args(kind text, n integer) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE kind WHEN '$n' THEN '$' || i WHEN 'NULL' THEN 'NULL'
	                  ELSE quote_literal((ARRAY['C', 'S', 'M', '2026-12-16',
	                       '{}', '{}', 't', 'ADVANCED', 'svc', 'ref', 'k',
	                       'lot', '3', '2026-12-16', '2026-12-16'])[i]) END, ', '
	                  ORDER BY i)
	  FROM generate_series(1, n) i $$;

-- The form that the parser chooses, told by what a view of the call depends on
-- or, for a prepared statement, by the types that it gives to $n.
CREATE FUNCTION pg_temp.chosen(args text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	form text;
BEGIN
	IF args LIKE '%$%' THEN
		EXECUTE 'PREPARE p AS SELECT io_enqueue_message(' || args || ')';
		SELECT CASE WHEN p.parameter_types[1] = 'jsonb'::regtype THEN 'jsonb'
		            WHEN cardinality(p.parameter_types) = 3 THEN 'timestamptz'
		            ELSE p.parameter_types[4]::text END
		  INTO form FROM pg_prepared_statements AS p WHERE p.name = 'p';
		DEALLOCATE p;
		RETURN replace(form, 'timestamp with time zone', 'timestamptz');
	END IF;
	EXECUTE 'CREATE TEMP VIEW v AS SELECT io_enqueue_message(' || args || ')';
	SELECT CASE WHEN f.proargtypes[0] = 'jsonb'::regtype THEN 'jsonb'
	            ELSE f.proargtypes[3]::regtype::text END
	  INTO form
	  FROM pg_rewrite AS r
	  JOIN pg_depend AS d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
	  JOIN pg_proc AS f ON f.oid = d.refobjid AND d.refclassid = 'pg_proc'::regclass
	 WHERE r.ev_class = 'v'::regclass AND f.proname = 'io_enqueue_message';
	DROP VIEW v;
	RETURN replace(form, 'timestamp with time zone', 'timestamptz');
EXCEPTION
	WHEN ambiguous_function OR undefined_function THEN
		RETURN SQLSTATE;
	WHEN invalid_text_representation THEN
		RETURN 'jsonb';	-- and the literal is no JSON
END $$;

SELECT kind, string_agg(pg_temp.chosen(pg_temp.args(kind, n)), ', ' ORDER BY n) AS forms
  FROM unnest(ARRAY['literals', 'NULL', '$n']) AS kind, generate_series(1, 15) AS n
 GROUP BY kind ORDER BY kind;

SELECT call, pg_temp.chosen(call) AS form
  FROM unnest(ARRAY[
	$$fiscal_code => 'C', subject => 'S', markdown => 'M'$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => '2026-12-16'$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => NULL$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => DATE '2026-12-16'$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => now()$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => now()::timestamp$$,
	$$fiscal_code => 'C', subject => 'S', markdown => 'M', due_date => '2026-12-16'::varchar$$,
	$$fiscal_code => 'C'::varchar, subject => 'S'::text, markdown => 'M'::char(3), service => 'svc'$$,
	$$'C', 'S', 'M', payment_data => '{}', priority => 1::smallint$$,
	$$message => '{}'$$,
	$$message => '{}', service => 'svc', lot => 'l', priority => 1$$,
	$$'{}'::jsonb, 'svc', 'ref', 'key'$$,
	$$'{}'::jsonb, 'svc', 'ref', 'key', '{}', NULL, true, 'lot', 1, now(), now()$$
	]) WITH ORDINALITY AS t(call, n)
 ORDER BY n;
