/*
 * hostile.sql: a schema whose objects look like pg_catalog's, for hostile.pl.
 * One statement, one empty line.
 */
CREATE SCHEMA hostile;

GRANT USAGE ON SCHEMA hostile TO PUBLIC;

DO $$
DECLARE
	f record;
	o record;
	t record;
BEGIN
	/* Every function of pg_catalog that ours may call, by any of its types. */
	FOR f IN
		SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments,
		       CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL) AS result
		  FROM pg_proc AS p JOIN pg_type AS r ON r.oid = p.prorettype
		 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
		   AND p.proname IN ('array_position', 'array_to_string', 'btrim', 'cardinality', 'clock_timestamp',
		       'coalesce', 'concat', 'concat_ws', 'current_setting', 'format', 'generate_series',
		       'has_function_privilege', 'jsonb_build_object', 'left', 'length', 'lower', 'nextval', 'now',
		       'pg_sleep', 'quote_ident', 'replace', 'session_user', 'set_config', 'sha256', 'split_part',
		       'starts_with', 'strpos', 'substr', 'to_char', 'unnest', 'upper')
		   AND r.typtype <> 'p'
		   AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) AS a (oid) JOIN pg_type AS x ON x.oid = a.oid
		                    WHERE x.typname IN ('internal', 'cstring', 'any', 'trigger'))
		   AND p.provariadic = 0 AND p.proargmodes IS NULL
	LOOP
		EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql VOLATILE AS %L',
			f.proname, f.arguments, f.result, 'BEGIN RAISE EXCEPTION ''hostile''; END');
	END LOOP;
	FOR t IN SELECT unnest('{text,bigint,integer,smallint,boolean,timestamptz,bytea,oid,name,jsonb}'::text[]) AS name
	LOOP
		FOR o IN SELECT unnest('{=,<>,<,>,<=,>=}'::text[]) AS name
		LOOP
			EXECUTE format('CREATE FUNCTION hostile.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L',
				'op ' || o.name || t.name, t.name, t.name, 'BEGIN RAISE EXCEPTION ''hostile''; END');
			EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.%I)',
				o.name, t.name, t.name, 'op ' || o.name || t.name);
		END LOOP;
	END LOOP;
	FOR t IN SELECT unnest('{pg_extension,pg_class,pg_proc,pg_roles,pg_auth_members,pg_namespace,pg_database,pg_stat_activity,outbox,pending,drainer,service}'::text[]) AS name
	LOOP
		EXECUTE format('CREATE VIEW hostile.%I AS SELECT 1 / (random() * 0)::integer AS oid, NULL::text AS name', t.name);
	END LOOP;
END
$$;

CREATE TYPE hostile.text AS (hostile integer);

CREATE TYPE hostile.int8 AS (hostile integer);

CREATE TYPE hostile.timestamptz AS (hostile integer);

CREATE TYPE hostile.jsonb AS (hostile integer);

/* With hostile.statements no row of io_msg's can be reached but by SQL. */
CREATE FUNCTION hostile.secure_rows() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS '
DECLARE one regclass;
BEGIN
	IF current_setting(''hostile.statements'', true) IS DISTINCT FROM ''on'' THEN RETURN; END IF;
	FOR one IN SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(''io_msg'') AND c.relkind = ''r'' LOOP
		EXECUTE format(''ALTER TABLE %s ENABLE ROW LEVEL SECURITY'', one);
	END LOOP;
END';

CREATE EVENT TRIGGER secure_rows ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION hostile.secure_rows();
