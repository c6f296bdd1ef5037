--
-- io_enqueue_message puts a checked message into the outbox; io_check_profile
-- a question.
--
\set VERBOSITY terse
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
-- paused: nothing of this test is ever sent
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
\set md '''Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante.'''

-- every way to call
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) > 0 AS positional;
SELECT io_enqueue_message(fiscal_code => 'RSSMRA80A01H501U', subject => 'Avviso TARI 2026', markdown => :md) > 0 AS named;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, '2026-12-16') > 0 AS unknown_literal;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, NULL) > 0 AS untyped_null;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, DATE '2026-12-16') > 0 AS a_date;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, TIMESTAMPTZ '2026-12-16 12:00+01') > 0 AS a_timestamptz;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, due_date => '2026-12-16', reference => 'r') > 0 AS mixed;
SELECT io_enqueue_message('{"fiscal_code": "RSSMRA80A01H501U", "content": {"subject": "Avviso TARI 2026", "markdown": "Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante."}}') > 0 AS unknown_json;
PREPARE untyped AS SELECT io_enqueue_message($1, $2, $3, $4) > 0 AS untyped_parameters;
EXECUTE untyped('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, '2026-12-16');
PREPARE untyped_named AS SELECT io_enqueue_message(fiscal_code => $1, subject => $2, markdown => $3, due_date => $4, payment_data => $5) > 0 AS untyped_named_parameters;
EXECUTE untyped_named('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, NULL, NULL);
SELECT kind, due_date AT TIME ZONE 'UTC' AS due_date_utc, count(*) FROM io_msg.outbox GROUP BY 1, 2 ORDER BY 2;

-- every parameter arrives
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
SELECT io_enqueue_message(
         fiscal_code => E' \t rssmra80a01h501u\n', subject => 'Avviso TARI 2026', markdown => :md,
         due_date => TIMESTAMPTZ '2026-12-16 22:59:59.123456Z',
         payment_data => io_payment_data(12050, '012345678901234567', true),
         require_secure_channels => true, feature_level_type => 'STANDARD',
         service => 'tari', reference => 'N-1', dedup_key => 'k-1', lot => 'L-1', priority => 1,
         send_after => clock_timestamp() + interval '1 day', expires_at => clock_timestamp() + interval '2 days') > 0 AS enqueued;
SELECT o.kind, o.status, o.fiscal_code, o.due_date AT TIME ZONE 'UTC' AS due_date_utc, o.has_payment, o.advanced,
       o.reference, o.dedup_key, o.lot, o.priority, o.due_at > o.created_at + interval '23 hours' AS later,
       o.expires_at > o.due_at AS expires, o.enqueued_by = current_user AS by_me, o.session_role = session_user AS my_session,
       o.generation = i.generation AS generation, o.timeline > 0 AS timeline
  FROM io_msg.outbox o, io_msg.installation i \gx
SELECT jsonb_pretty(body::jsonb) FROM io_msg.body;
SELECT count(*) FROM io_msg.pending p JOIN io_msg.outbox o USING (generation, timeline, service_id, priority, due_at, id);
-- a time in the past is now
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, send_after => '2001-01-01') AS id \gset
SELECT due_at = created_at AS at_once, due_at > now() - interval '1 minute' AS now FROM io_msg.outbox WHERE id = :id;
-- a rolled-back message has never been
BEGIN;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) > 0 AS enqueued;
ROLLBACK;
SELECT count(*) FROM io_msg.outbox;

-- a profile check has no body
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
SELECT io_check_profile(' rssmra80a01h501u ') > 0 AS queued;
SELECT io_check_profile(fiscal_code => 'RSSMRA80A01H501U', service => 'tari') > 0 AS queued;
SELECT kind, status, fiscal_code, priority, (SELECT count(*) FROM io_msg.body) AS bodies,
       (SELECT count(*) FROM io_msg.pending p WHERE p.id = o.id) AS pending
  FROM io_msg.outbox o;
SELECT io_check_profile('12345678901');
SELECT io_check_profile(NULL);
SELECT io_check_profile('RSSMRA80A01H501U', 'nobody');

-- which service is meant
INSERT INTO io_msg.service (name, paused) VALUES ('imu', true);
\set VERBOSITY default
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'nobody');
\set VERBOSITY terse
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'imu') > 0 AS named;
INSERT INTO io_msg.service (name, paused) VALUES ('default', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) AS id \gset
SELECT s.name FROM io_msg.outbox o JOIN io_msg.service s ON s.id = o.service_id WHERE o.id = :id;
DELETE FROM io_msg.service;
\set VERBOSITY default
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);

-- what a statement has learnt of its service does not outlive a change
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
DO $$
DECLARE
	id bigint;
BEGIN
	FOR cents IN 10 .. 12 LOOP
		id := io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), payment_data => io_payment_data(cents, '012345678901234567'));
		UPDATE io_msg.service SET max_allowed_payment_amount = 11;
	END LOOP;
END $$;
DO $$
DECLARE
	id bigint;
BEGIN
	FOR i IN 1 .. 3 LOOP
		id := io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), service => CASE WHEN i < 3 THEN 'tari' ELSE repeat('tari', 20) END);
	END LOOP;
END $$;
SELECT count(io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), service => 'tari')) FROM generate_series(1, 1000);
DELETE FROM io_msg.service;

-- a kept plan survives that the extension goes and comes again
SET client_min_messages = warning;
DROP EXTENSION io_msg;
CREATE EXTENSION io_msg;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, dedup_key => 'k') AS id;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, dedup_key => 'k') AS id;
SELECT count(*) FROM io_msg.outbox;

-- what others put on the tables is served: indexes of any kind, triggers
CREATE INDEX regress_expression ON io_msg.outbox (lower(reference)) WHERE reference IS NOT NULL;
CREATE INDEX regress_body ON io_msg.body USING gin ((body::jsonb));
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, reference => 'INDEXED') AS id \gset
SET enable_seqscan = off;
SELECT id = :id AS found FROM io_msg.outbox WHERE lower(reference) = 'indexed' AND reference IS NOT NULL;
SELECT count(*) FROM io_msg.body WHERE body::jsonb @> '{"fiscal_code": "RSSMRA80A01H501U"}';
RESET enable_seqscan;
DROP INDEX io_msg.regress_expression, io_msg.regress_body;
CREATE TABLE regress_seen (what text, id bigint);
CREATE FUNCTION regress_see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.regress_seen VALUES (TG_TABLE_NAME, NEW.id);
	RETURN NULL;
END $$;
CREATE TRIGGER see AFTER INSERT ON io_msg.outbox FOR EACH ROW EXECUTE FUNCTION regress_see();
CREATE TRIGGER see AFTER INSERT ON io_msg.body FOR EACH ROW EXECUTE FUNCTION regress_see();
CREATE TRIGGER see AFTER INSERT ON io_msg.pending FOR EACH ROW EXECUTE FUNCTION regress_see();
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, reference => 'seen', lot => 'l', due_date => '2026-12-16') AS id \gset
SELECT what, id = :id AS this FROM regress_seen;
DROP TRIGGER see ON io_msg.outbox;
DROP TRIGGER see ON io_msg.body;
DROP TRIGGER see ON io_msg.pending;
DROP TABLE regress_seen;
DROP FUNCTION regress_see();
SELECT count(DISTINCT to_jsonb(o) - '{id,reference,lot,due_date,created_at,due_at,dedup_key}'::text[]) AS alike FROM io_msg.outbox o;
-- the rows meet the tables' own conditions
CREATE TABLE regress_copy (LIKE io_msg.outbox INCLUDING ALL);
INSERT INTO regress_copy SELECT * FROM io_msg.outbox;
DROP TABLE regress_copy;

-- whatever has a table's name, or a column's, is what is meant, until it is rolled back
BEGIN;
ALTER TABLE io_msg.pending RENAME TO regress_pending;
CREATE TABLE io_msg.pending (LIKE io_msg.regress_pending INCLUDING ALL);
ALTER TABLE io_msg.body RENAME body TO regress_body;
ALTER TABLE io_msg.body ALTER regress_body DROP NOT NULL;
ALTER TABLE io_msg.body ADD body json;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) AS id \gset
SELECT (SELECT count(*) FROM io_msg.pending WHERE id = :id) AS here, (SELECT count(*) FROM io_msg.regress_pending WHERE id = :id) AS there;
SELECT regress_body IS NULL AS not_here, body->>'fiscal_code' AS fiscal_code FROM io_msg.body WHERE id = :id;
ROLLBACK;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) AS id \gset
SELECT body->>'fiscal_code' AS fiscal_code FROM io_msg.body JOIN io_msg.pending USING (id) WHERE id = :id;

-- a service is found also where its tables are not as io_msg made them
CREATE ROLE regress_sender;
SELECT io_grant('regress_sender', 'sender', service => 'tari');
SET ROLE regress_sender;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari') > 0 AS named;
RESET ROLE;
BEGIN;
ALTER TABLE io_msg.service DROP CONSTRAINT service_name_key;
ALTER TABLE io_msg.service_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE io_msg.installation ENABLE ROW LEVEL SECURITY;
SET ROLE regress_sender;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari') > 0 AS named;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) > 0 AS meant;
ROLLBACK;
-- the only one, else the one named default
INSERT INTO io_msg.service (name, paused) VALUES ('imu', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
INSERT INTO io_msg.service (name, paused) VALUES ('default', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md) AS id \gset
SELECT name FROM io_msg.service JOIN io_msg.outbox ON service_id = service.id WHERE outbox.id = :id;
DELETE FROM io_msg.service WHERE name <> 'tari';
DROP OWNED BY regress_sender;
DROP ROLE regress_sender;

-- read-only
BEGIN READ ONLY;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
ROLLBACK;
BEGIN READ ONLY;
SELECT io_check_profile('RSSMRA80A01H501U');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md);
ROLLBACK;

-- nobody's search_path is obeyed
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.never(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.never);
SET search_path = hostile, pg_catalog, public;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari') > 0 AS enqueued;
SHOW search_path;
RESET search_path;
DROP SCHEMA hostile CASCADE;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
