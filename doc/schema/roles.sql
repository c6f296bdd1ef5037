-- roles.sql: what a function sees of its caller.  outer_user is what
-- GetOuterUserId() gives in C: the role that SET ROLE chose, else the session's.
\o /dev/null
CREATE ROLE r_login LOGIN; CREATE ROLE r_clerk; CREATE ROLE r_owner;
CREATE ROLE r_owner2; CREATE ROLE r_other;
GRANT r_clerk TO r_login;
CREATE SCHEMA roles; GRANT ALL ON SCHEMA roles TO PUBLIC;
SET search_path = roles;

CREATE TABLE seen (n serial, scene text, cur name, sess name, role text,
				   outer_user name);
GRANT ALL ON seen, seen_n_seq TO PUBLIC;

CREATE FUNCTION outer_user() RETURNS name LANGUAGE sql AS $$
	SELECT CASE current_setting('role') WHEN 'none' THEN session_user
		   ELSE current_setting('role')::name END $$;

-- stands for io_enqueue_message: SECURITY INVOKER
CREATE FUNCTION enqueue(scene text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO roles.seen (scene, cur, sess, role, outer_user)
	VALUES (scene, current_user, session_user, current_setting('role'),
			roles.outer_user()) $$;

SET ROLE r_owner;
CREATE FUNCTION definer(scene text) RETURNS void LANGUAGE sql
	SECURITY DEFINER AS $$ SELECT roles.enqueue(scene) $$;
CREATE TABLE notice (scene text);
GRANT ALL ON notice TO PUBLIC;
CREATE FUNCTION on_notice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
	AS $$ BEGIN PERFORM roles.enqueue(NEW.scene); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON notice FOR EACH ROW
	EXECUTE FUNCTION on_notice();
CREATE TABLE notice_invoker (scene text);
GRANT ALL ON notice_invoker TO PUBLIC;
CREATE FUNCTION on_notice_invoker() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN PERFORM roles.enqueue(NEW.scene); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON notice_invoker FOR EACH ROW
	EXECUTE FUNCTION on_notice_invoker();
CREATE TABLE base (scene text);
CREATE TRIGGER t BEFORE INSERT ON base FOR EACH ROW
	EXECUTE FUNCTION on_notice_invoker();
CREATE VIEW base_view AS SELECT * FROM base;
GRANT ALL ON base_view TO PUBLIC;
SET ROLE r_owner2;
CREATE FUNCTION definer2(scene text) RETURNS void LANGUAGE sql
	SECURITY DEFINER AS $$ SELECT roles.definer(scene) $$;
RESET ROLE;
CREATE FUNCTION set_role(scene text) RETURNS void LANGUAGE sql
	SET role = r_clerk AS $$ SELECT roles.enqueue(scene) $$;
CREATE FUNCTION set_role_inside(scene text) RETURNS void LANGUAGE plpgsql
	SECURITY DEFINER AS $$ BEGIN SET LOCAL ROLE r_other;
	PERFORM roles.enqueue(scene); END $$;

\c - r_login
SET search_path = roles;
SELECT enqueue('plain call');
SELECT definer('SECURITY DEFINER function');
SELECT definer2('definer inside definer');
INSERT INTO notice_invoker VALUES ('trigger, invoker');
INSERT INTO notice VALUES ('trigger, SECURITY DEFINER');
INSERT INTO base_view VALUES ('invoker trigger under a view of its owner');
SET ROLE r_clerk;
SELECT enqueue('SET ROLE r_clerk');
INSERT INTO notice VALUES ('SET ROLE r_clerk; trigger, definer');
SELECT definer2('SET ROLE r_clerk; definer inside definer');
RESET ROLE;
SELECT set_role('function with SET role = r_clerk');
\set ON_ERROR_STOP off
\echo SET ROLE inside a definer:
SELECT set_role_inside('SET ROLE inside a definer');
\set ON_ERROR_STOP on
\c - postgres
SET search_path = roles;
SET SESSION AUTHORIZATION r_clerk;
SELECT enqueue('superuser; SET SESSION AUTHORIZATION r_clerk');
INSERT INTO notice VALUES ('superuser; SET SESSION AUTHORIZATION r_clerk; trigger, definer');
RESET SESSION AUTHORIZATION;
SET ROLE r_clerk;
INSERT INTO notice VALUES ('superuser; SET ROLE r_clerk; trigger, definer');
RESET ROLE;
\o
SELECT scene, cur AS "current_user", sess AS "session_user", role AS "setting role",
	   outer_user FROM seen ORDER BY n;
DROP SCHEMA roles CASCADE;
DROP OWNED BY r_owner, r_owner2; DROP ROLE r_login, r_clerk, r_owner, r_owner2, r_other;
