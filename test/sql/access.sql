--
-- Who may enqueue for which service, and whom a row shows.
--
\set VERBOSITY terse
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true), ('imu', true), ('mensa', true);
CREATE ROLE regress_io_team;
CREATE ROLE regress_io_alice LOGIN IN ROLE regress_io_team;
CREATE ROLE regress_io_app LOGIN;
CREATE ROLE regress_io_guest LOGIN;
CREATE ROLE regress_io_noinherit LOGIN NOINHERIT IN ROLE regress_io_team;
INSERT INTO io_msg.service_role SELECT id, 'regress_io_team' FROM io_msg.service WHERE name = 'tari';
INSERT INTO io_msg.service_role SELECT id, 'regress_io_gone' FROM io_msg.service WHERE name = 'imu';
\set md '''Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante.'''

-- nothing is granted to PUBLIC
SET SESSION AUTHORIZATION regress_io_alice;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari');
SELECT io_check_profile('RSSMRA80A01H501U', 'tari');
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari');
SELECT io_payment_data(1, '012345678901234567');
SELECT io_wait(1);
RESET SESSION AUTHORIZATION;
SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
 WHERE p.proname ~ '^io_' AND a.grantee = 0;

-- EXECUTE and a right on one service: that one alone
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_io_alice, regress_io_app, regress_io_guest, regress_io_noinherit;
SET SESSION AUTHORIZATION regress_io_alice;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', reference => 'plain') > 0 AS enqueued;
SELECT io_check_profile('RSSMRA80A01H501U', 'tari') > 0 AS queued;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'imu');
SELECT io_check_profile('RSSMRA80A01H501U', 'imu');
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'imu');
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari');
-- only one's own services are named
\set VERBOSITY default
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'mensa');
\set VERBOSITY terse
-- and nothing can be read
SELECT count(*) FROM io_msg.outbox;
SELECT count(*) FROM io_msg.service;
SELECT nextval('io_msg.outbox_id_seq');
SELECT current_user, session_user, current_setting('search_path');
RESET SESSION AUTHORIZATION;

SET SESSION AUTHORIZATION regress_io_guest;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari');
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
RESET SESSION AUTHORIZATION;
-- NOINHERIT: only as the role itself
SET SESSION AUTHORIZATION regress_io_noinherit;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari');
RESET SESSION AUTHORIZATION;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_io_team;
SET SESSION AUTHORIZATION regress_io_noinherit;
SET ROLE regress_io_team;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', reference => 'set role') > 0 AS enqueued;
SELECT current_user, session_user;
RESET ROLE;
RESET SESSION AUTHORIZATION;

-- a definer's right serves those who fire its trigger; the row shows them
CREATE TABLE regress_notice (code text);
CREATE FUNCTION regress_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
	PERFORM io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), service => 'tari', reference => NEW.code);
	RETURN NULL;
END $$;
GRANT CREATE ON SCHEMA public TO regress_io_alice;
ALTER FUNCTION regress_tell() OWNER TO regress_io_alice;
CREATE TRIGGER tell AFTER INSERT ON regress_notice FOR EACH ROW EXECUTE FUNCTION regress_tell();
GRANT INSERT ON regress_notice TO regress_io_app, regress_io_guest;
SET SESSION AUTHORIZATION regress_io_app;
INSERT INTO regress_notice VALUES ('definer trigger');
RESET SESSION AUTHORIZATION;
GRANT regress_io_guest TO regress_io_app;
SET SESSION AUTHORIZATION regress_io_app;
SET ROLE regress_io_guest;
INSERT INTO regress_notice VALUES ('definer trigger, set role');
RESET ROLE;
RESET SESSION AUTHORIZATION;
-- the same trigger without the definer's right
ALTER FUNCTION regress_tell() SECURITY INVOKER;
SET SESSION AUTHORIZATION regress_io_app;
INSERT INTO regress_notice VALUES ('invoker trigger');
RESET SESSION AUTHORIZATION;
-- a superuser, as itself and as somebody
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'mensa', reference => 'superuser') > 0 AS enqueued;
SELECT reference, kind, replace(enqueued_by, :'USER', 'me') AS enqueued_by, replace(session_role, :'USER', 'me') AS session_role FROM io_msg.outbox ORDER BY id;

-- after an error that is caught one is oneself again
SET SESSION AUTHORIZATION regress_io_alice;
DO $$
BEGIN
	PERFORM io_enqueue_message('X', 'y', 'z', service => 'tari');
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE WARNING '% % %', current_user, session_user, current_setting('search_path');
END $$;
SELECT current_user, current_setting('search_path');
SELECT count(*) FROM io_msg.outbox;
RESET SESSION AUTHORIZATION;

-- the extension may belong to a role that cannot log in
CREATE ROLE regress_io_owner NOLOGIN;
DROP EXTENSION io_msg;
GRANT ALL ON SCHEMA public TO regress_io_owner;
SELECT format('GRANT CREATE ON DATABASE %I TO regress_io_owner', current_database()) \gexec
ALTER ROLE regress_io_owner SUPERUSER;
SET ROLE regress_io_owner;
CREATE EXTENSION io_msg;
RESET ROLE;
ALTER ROLE regress_io_owner NOSUPERUSER;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
INSERT INTO io_msg.service_role SELECT id, 'regress_io_team' FROM io_msg.service WHERE name = 'tari';
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_io_alice;
SET SESSION AUTHORIZATION regress_io_alice;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) AS id;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, dedup_key => 'k') AS id;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, dedup_key => 'k') AS id;
SELECT io_wait(1, '0 s');
RESET SESSION AUTHORIZATION;
SELECT enqueued_by, session_role FROM io_msg.outbox ORDER BY id;

DROP EXTENSION io_msg;
CREATE EXTENSION io_msg;
DROP TABLE regress_notice;
DROP FUNCTION regress_tell();
REVOKE ALL ON SCHEMA public FROM regress_io_alice, regress_io_owner;
SELECT format('REVOKE ALL ON DATABASE %I FROM regress_io_owner', current_database()) \gexec
DROP ROLE regress_io_alice, regress_io_app, regress_io_guest, regress_io_noinherit, regress_io_team, regress_io_owner;
