--
-- Who may do what: nothing to PUBLIC, and what io_grant gives, no more.
--
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '-'
BEGIN;
DELETE FROM io_msg.service;

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
	 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'io_msg';
CREATE TEMP VIEW function AS
	SELECT p.* FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid;
CREATE TEMP VIEW relation AS
	SELECT c.* FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid;

-- PUBLIC has nothing (none of these lists shows a row)
SELECT p.oid::regprocedure FROM function AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0;
SELECT c.oid::regclass FROM relation AS c, aclexplode(c.relacl) AS a WHERE a.grantee = 0;
SELECT n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'io_msg' AND a.grantee = 0;
-- nothing runs with its owner's rights and the caller's search_path
SELECT p.oid::regprocedure FROM function AS p JOIN pg_language AS l ON l.oid = p.prolang
 WHERE (p.prosecdef OR l.lanname <> 'c')
   AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}';
-- all that people call or read is described
SELECT p.oid::regprocedure FROM function AS p JOIN pg_extension AS e ON e.extname = 'io_msg'
 WHERE p.pronamespace = e.extnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM relation AS c WHERE c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL;

-- what each kind gets
CREATE ROLE regress_io_sender;
CREATE ROLE regress_io_reader;
CREATE ROLE regress_io_operator;
CREATE ROLE regress_io_nobody;
SELECT io_grant('regress_io_sender');           -- no service yet
INSERT INTO io_msg.service (id, name) VALUES (1, 'tari'), (2, 'permits');
SELECT io_grant('regress_io_sender', service => 'tari');
SELECT io_grant('regress_io_reader', 'reader');
SELECT io_grant('regress_io_operator', 'operator');
CREATE TEMP VIEW granted AS
	SELECT r.role, string_agg(DISTINCT format('%s %s', o.privilege, o.name), E'\n' ORDER BY format('%s %s', o.privilege, o.name)) AS may
	  FROM (VALUES ('regress_io_sender'), ('regress_io_reader'), ('regress_io_operator'), ('regress_io_nobody')) AS r (role)
	  LEFT JOIN (
		SELECT a.grantee, a.privilege_type AS privilege, CASE n.nspname WHEN 'io_msg' THEN 'io_msg.' ELSE '' END || p.proname AS name
		  FROM function AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace, aclexplode(p.proacl) AS a
		 UNION ALL
		SELECT a.grantee, a.privilege_type, c.relname FROM relation AS c, aclexplode(c.relacl) AS a
		 UNION ALL
		SELECT a.grantee, a.privilege_type, 'schema io_msg' FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'io_msg'
	       ) AS o ON o.grantee = r.role::regrole
	 GROUP BY r.role;
SELECT * FROM granted ORDER BY role;
SELECT s.name, r.role_name FROM io_msg.service_role AS r JOIN io_msg.service AS s ON s.id = r.service_id ORDER BY 1, 2;
SELECT io_grant('regress_io_sender');           -- the services that exist, and again is no error
SELECT s.name, r.role_name FROM io_msg.service_role AS r JOIN io_msg.service AS s ON s.id = r.service_id ORDER BY 1, 2;

-- as a reader: the views and the two functions, but no table and no act
SET ROLE regress_io_reader;
SELECT count(*) >= 0 AS read FROM io_msg.message;
SELECT count(*) >= 0 AS read FROM io_msg.daily_report;
SELECT service, due FROM io_msg.queue ORDER BY service;
SELECT count(*) >= 0 AS read FROM io_msg.unreachable;
SELECT service, quota_calls FROM io_msg.account_in_force ORDER BY service;
SELECT profile_calls >= 0 AS read FROM io_msg.stat;
SELECT count(*) > 0 AS read FROM io_health();
SELECT io_explain(-1);
SELECT count(*) FROM io_msg.outbox;
SELECT count(*) FROM io_msg.body;
SELECT io_cancel(-1);
SELECT io_msg.key_state('tari');
SELECT io_msg.wake();
SELECT io_grant('regress_io_reader', 'operator');
RESET ROLE;

-- as an operator: acts, but cannot arm, grant or write to tables
SET ROLE regress_io_operator;
SELECT io_pause('tari'), io_resume('tari');
SELECT io_cancel_lot('nosuch');
SELECT io_retry(-1);
SELECT io_arm();
SELECT io_msg.restamp(NULL, NULL, NULL, NULL);
UPDATE io_msg.service SET paused = false;
RESET ROLE;
SELECT action, role_name FROM io_msg.audit WHERE role_name = 'regress_io_operator' ORDER BY at;

-- as a sender: nothing to read
SET ROLE regress_io_sender;
SELECT count(*) FROM io_msg.message;
SELECT io_explain(-1);
RESET ROLE;

-- operators and functions of a caller's schema are not run with the owner's rights
CREATE SCHEMA regress_io_evil AUTHORIZATION regress_io_operator;
SET ROLE regress_io_operator;
CREATE FUNCTION regress_io_evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run as %', current_user; END$$;
CREATE OPERATOR regress_io_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_io_evil.equal);
CREATE FUNCTION regress_io_evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run as %', current_user; END$$;
SET LOCAL search_path = regress_io_evil, pg_catalog, public;
SELECT 'a'::text = 'b'::text;                   -- the trap works
SELECT io_pause('permits'), io_resume('permits'), io_cancel_lot('nosuch'), io_release(lot => 'nosuch');
SELECT count(*) > 0 AS read FROM io_health();
SELECT count(*) >= 0 AS read FROM io_msg.queue;
SELECT count(*) >= 0 AS read FROM io_msg.message;
RESET search_path;
RESET ROLE;

-- what io_grant refuses
SELECT io_grant('regress_io_nosuch');
SELECT io_grant('public');
SELECT io_grant('regress_io_nobody', 'owner');
SELECT io_grant('regress_io_nobody', NULL);
SELECT io_grant('regress_io_nobody', service => 'nosuch');
SELECT io_grant('regress_io_nobody', 'reader', 'tari');
SELECT * FROM granted WHERE role = 'regress_io_nobody';

-- the name of a role is a name, whatever is in it
CREATE ROLE "regress_io ""odd"", pg_monitor";
SELECT io_grant('regress_io "odd", pg_monitor', 'reader');
SELECT has_function_privilege('regress_io "odd", pg_monitor', p.oid, 'EXECUTE') FROM function AS p WHERE p.proname = 'io_health';

-- a schema that the role cannot use is opened to it
ROLLBACK;
BEGIN;
DROP EXTENSION io_msg;
CREATE SCHEMA "Io Msg";
CREATE EXTENSION io_msg SCHEMA "Io Msg";
CREATE ROLE regress_io_reader;
SELECT "Io Msg".io_grant('regress_io_reader', 'reader');
SET ROLE regress_io_reader;
SELECT count(*) > 0 AS read FROM "Io Msg".io_health();
RESET ROLE;
ROLLBACK;
