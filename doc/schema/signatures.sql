-- signatures.sql: which form of io_enqueue_message does a call reach?
CREATE SCHEMA sig;
SET search_path = sig;

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date timestamptz DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL, service text DEFAULT NULL,
	reference text DEFAULT NULL, dedup_key text DEFAULT NULL,
	lot text DEFAULT NULL, priority integer DEFAULT NULL,
	send_after timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT 'timestamptz' $$;

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date date, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL, service text DEFAULT NULL,
	reference text DEFAULT NULL, dedup_key text DEFAULT NULL,
	lot text DEFAULT NULL, priority integer DEFAULT NULL,
	send_after timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT 'date' $$;

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date text, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL, service text DEFAULT NULL,
	reference text DEFAULT NULL, dedup_key text DEFAULT NULL,
	lot text DEFAULT NULL, priority integer DEFAULT NULL,
	send_after timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;

-- every call with 1 .. 15 arguments, all of them literals, NULLs or untyped $n
CREATE FUNCTION args(kind text, n int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE kind WHEN '$n' THEN '$' || i WHEN 'NULL' THEN 'NULL'
					  ELSE quote_literal((ARRAY['C', 'S', 'M', '2026-12-16',
						   '{}', '{}', 't', 'ADVANCED', 'svc', 'ref', 'k',
						   'lot', '5', '2026-12-16', '2026-12-16'])[i]) END, ', '
					  ORDER BY i)
	  FROM generate_series(1, n) i $$;

CREATE TABLE v (c char(16), vc varchar, t text, d date, ts timestamp,
				tz timestamptz, j json, jb jsonb, si smallint, i integer,
				bi bigint, n name);
INSERT INTO v SELECT 'C', 'S', 'M', '2026-12-16', '2026-12-16', '2026-12-16',
					 '{}', '{}', 1, 1, 1, 'n';

CREATE FUNCTION call(args text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r text;
BEGIN
	IF args NOT LIKE '%$%' THEN
		EXECUTE 'SELECT io_enqueue_message(' || args || ') FROM v' INTO r;
		RETURN r;
	END IF;
	EXECUTE 'PREPARE p AS SELECT io_enqueue_message(' || args || ')';
	SELECT parameter_types::text INTO r
	  FROM pg_prepared_statements WHERE name = 'p';
	DEALLOCATE p;
	RETURN CASE	-- the types that the parser gave to $n tell the form
		WHEN r LIKE '{jsonb%' THEN 'jsonb'
		WHEN r LIKE '{text,text,text}' OR args LIKE '%$3, payment%'
			 OR r LIKE '{text,text,text,"timestamp%' THEN 'timestamptz'
		WHEN r LIKE '{text,text,text,text%' THEN 'text'
		WHEN r LIKE '{text,text,text,date%' THEN 'date' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

CREATE VIEW positional AS
SELECT kind, string_agg(split_part(call(args(kind, n)), ' (', 1), ', ' ORDER BY n)
		   AS "with 1, 2, 3 … 15 arguments"
  FROM unnest(ARRAY['literals', 'NULL', '$n']) kind, generate_series(1, 15) n
 GROUP BY kind;

\echo the jsonb form with a text fifth: ambiguous from 5 to 8 arguments
CREATE FUNCTION io_enqueue_message(
	message jsonb, service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT 'jsonb' $$;
SELECT * FROM positional;
DROP FUNCTION io_enqueue_message(jsonb, text, text, text, text, integer,
								 timestamptz, timestamptz);

\echo the jsonb form with the nested objects where the other forms have them
CREATE FUNCTION io_enqueue_message(
	message jsonb, service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT 'jsonb' $$;
SELECT * FROM positional;

\echo call by call
CREATE TABLE try (n serial, args text);
INSERT INTO try (args) VALUES
('''C'', ''S'', ''M'''),
('c, vc, t'),
('c, n, vc'),
('''C'', ''S'', ''M'', ''2026-12-16'''),
('''C'', ''S'', ''M'', NULL'),
('NULL, NULL, NULL'),
('NULL, NULL, NULL, NULL'),
('''C'', ''S'', ''M'', d'),
('''C'', ''S'', ''M'', DATE ''2026-12-16'''),
('''C'', ''S'', ''M'', current_date + 30'),
('''C'', ''S'', ''M'', current_date + interval ''1 month'''),
('''C'', ''S'', ''M'', ts'),
('''C'', ''S'', ''M'', tz'),
('''C'', ''S'', ''M'', now() + interval ''30 days'''),
('''C'', ''S'', ''M'', t'),
('''C'', ''S'', ''M'', vc'),
('''C'', ''S'', ''M'', c'),
('''C'', ''S'', ''M'', n'),
('''C'', ''S'', ''M'', NULL::date'),
('''C'', ''S'', ''M'', CASE WHEN true THEN ''2026-12-16'' END'),
('''C'', ''S'', ''M'', (SELECT ''2026-12-16'')'),
('''C'', ''S'', ''M'', coalesce(NULL, ''2026-12-16'')'),
('''C'', ''S'', ''M'', 20261216'),
('''C'', ''S'', ''M'', interval ''1 day'''),
('''C'', ''S'', ''M'', NULL, ''{}'', NULL, true, ''ADVANCED'', ''svc'', ''ref'', ''k'', ''lot'', 5, now(), now()'),
('''C'', ''S'', ''M'', d, jb, jb, true, ''STANDARD'', ''svc'', ''ref'', ''k'', ''lot'', si, ts, d'),
('''C'', ''S'', ''M'', d, j'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'''),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => ''2026-12-16'''),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => d'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => ts'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => tz'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => t'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', due_date => NULL'),
('markdown => ''M'', subject => ''S'', fiscal_code => ''C'', service => ''svc'', priority => 1'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', priority => si'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', priority => ''1'''),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', priority => bi'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', priority => 1.0'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', send_after => d'),
('fiscal_code => ''C'', subject => ''S'', markdown => ''M'', payment_data => ''{}'', service => ''svc'''),
('''C'', ''S'', ''M'', payment_data => jb, due_date => d'),
('''C'', ''S'', ''M'', payment_data => ''{}'', due_date => ''2026-12-16'''),
('''C'', ''S'', ''M'', service => ''svc'', reference => ''r'''),
('''C'', ''S'', ''M'', lot => NULL'),
('jb'), ('''{}'''), ('NULL'), ('t'), ('j'),
('jb, ''svc'''), ('''{}'', ''svc'''),
('jb, ''svc'', ''ref'''),
('''{}'', ''svc'', ''ref'''),
('''{}''::jsonb, ''svc'', ''ref'', ''k'', NULL, NULL, NULL, ''lot'', 5'),
(E'\'C\', \'S\', \'M\', \'2026-12-16\', \'{}\''),
('''C'', ''S'', ''M'', NULL, jb'),
('''C'', ''S'', ''M'', ''2026-12-16'', NULL, jb'),
('message => jb, lot => ''l'', priority => 1, send_after => ts, payment_data => ''{}'''),
('message => ''{}'', service => ''svc'', reference => ''ref'''),
('message => ''{}'', due_date => ''2026-12-16'''),
('''{}'', reference => ''ref'', lot => ''l'''),
('to_jsonb(v.*), service => ''svc'''),
('jsonb_build_object(''a'', 1), priority => si'),
('$1, $2, $3'),
('$1, $2, $3, $4'),
('$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15'),
('$1, $2, $3, $4::date'),
('$1, $2, $3, $4::timestamptz'),
('$1'), ('$1, $2'),
('$1::jsonb, $2, $3'),
('message => $1, service => $2, reference => $3'),
('fiscal_code => $1, subject => $2, markdown => $3'),
('fiscal_code => $1, subject => $2, markdown => $3, due_date => $4'),
('fiscal_code => $1, subject => $2, markdown => $3, due_date => $4, payment_data => $5, priority => $6, send_after => $7'),
('$1, $2, $3, payment_data => $4');
SELECT args, call(args) AS reached FROM try ORDER BY n;
DROP SCHEMA sig CASCADE;
