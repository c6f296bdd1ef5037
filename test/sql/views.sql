--
-- What people read: io_explain, io_health, the views.
--
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '-'

-- All of it in one transaction that is rolled back: no worker sees these rows.
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = notice;

-- Stand-ins for what the server knows, so that every state can be had.
CREATE TEMP TABLE server AS
	SELECT true AS preloaded, 10 AS launcher_pid, 'running' AS state, 11 AS drainer_pid,
	       now() AS since, now() AS due_at, now() AS heartbeat, 0 AS failures,
	       NULL::text AS last_sqlstate, false AS in_recovery, 0 AS transaction_failures,
	       NULL::text AS transaction_sqlstate, NULL::timestamptz AS failing_since, false AS awaits_standby;
CREATE TEMP TABLE key_file (service text, state text);
CREATE TEMP TABLE trouble (account text, host_failures integer, throttled_until timestamptz);
CREATE TEMP TABLE pause (service_id integer, until timestamptz);
CREATE TEMP TABLE place AS
	SELECT 1::bigint AS system_identifier, 1::oid AS database_oid, 'a'::text AS instance, 1 AS timeline;
CREATE TEMP TABLE woken (n integer);
CREATE OR REPLACE FUNCTION io_msg.worker_state(
		OUT preloaded boolean, OUT launcher_pid integer, OUT state text, OUT drainer_pid integer,
		OUT since timestamptz, OUT due_at timestamptz, OUT heartbeat timestamptz,
		OUT failures integer, OUT last_sqlstate text, OUT in_recovery boolean,
		OUT transaction_failures integer, OUT transaction_sqlstate text, OUT failing_since timestamptz,
		OUT awaits_standby boolean)
	RETURNS record LANGUAGE sql AS 'SELECT * FROM pg_temp.server';
CREATE OR REPLACE FUNCTION io_msg.identity(OUT system_identifier bigint, OUT database_oid oid,
		OUT instance text, OUT timeline integer)
	RETURNS record LANGUAGE sql STABLE AS 'SELECT * FROM pg_temp.place';
CREATE OR REPLACE FUNCTION io_msg.key_state(service text) RETURNS text LANGUAGE sql AS
	$$SELECT coalesce((SELECT k.state FROM pg_temp.key_file AS k WHERE k.service = $1), 'ok')$$;
CREATE OR REPLACE FUNCTION io_msg.account_state(name text, base_url text,
		OUT host_failures integer, OUT throttled_until timestamptz) RETURNS record LANGUAGE sql AS
	$$SELECT t.host_failures, t.throttled_until FROM (SELECT) AS o
	    LEFT JOIN pg_temp.trouble AS t ON t.account IS NOT DISTINCT FROM $1 AND $2 = 'https://api.io.pagopa.it/api/v1'$$;
CREATE OR REPLACE FUNCTION io_msg.service_pause(service_id integer) RETURNS timestamptz LANGUAGE sql AS
	'SELECT p.until FROM pg_temp.pause AS p WHERE p.service_id = $1';
CREATE OR REPLACE FUNCTION io_msg.new_generation() RETURNS bigint LANGUAGE sql AS 'SELECT 8::bigint';
CREATE OR REPLACE FUNCTION io_msg.wake() RETURNS void LANGUAGE sql AS 'INSERT INTO pg_temp.woken VALUES (1)';

DELETE FROM io_msg.service;
DELETE FROM io_msg.service_stop;
DELETE FROM io_msg.pending;
DELETE FROM io_msg.poll;
DELETE FROM io_msg.body;
DELETE FROM io_msg.outbox;
DELETE FROM io_msg.uncertain;
ALTER TABLE io_msg.audit DISABLE TRIGGER append_only;
DELETE FROM io_msg.audit;
ALTER TABLE io_msg.audit ENABLE ALWAYS TRIGGER append_only;
UPDATE io_msg.installation
   SET generation = 7, system_identifier = 1, database_oid = 1, instance = 'a', paused = false;
INSERT INTO io_msg.service (id, name) VALUES (1, 'tari'), (2, 'permits');

-- A row in a state, with what belongs to it.
CREATE FUNCTION pg_temp.put(id bigint, status text, service_id integer DEFAULT 1,
		lot text DEFAULT NULL, reason text DEFAULT NULL, due timestamptz DEFAULT '2026-01-01 Z',
		kind text DEFAULT 'message', generation bigint DEFAULT 7, timeline integer DEFAULT 1)
	RETURNS void LANGUAGE sql AS $$
	INSERT INTO io_msg.outbox (id, generation, due_at, created_at, settled_at, timeline,
	                           service_id, priority, kind, status, fiscal_code, reason, message_id,
	                           lot, enqueued_by, session_role)
	VALUES ($1, $8, $6, '2026-01-01 Z',
	        CASE WHEN $2 NOT IN ('queued', 'sending') THEN '2026-01-03 Z'::timestamptz END, $9,
	        $3, 2, $7, CASE $2 WHEN 'sending' THEN 'queued' ELSE $2 END, 'AAABBB80A01H501X', $5,
	        CASE WHEN $2 = 'sent' THEN 'ULID' || $1 END, $4, 'clerk', 'clerk');
	INSERT INTO io_msg.body (id, body) SELECT $1, '{}' WHERE $7 = 'message';
	INSERT INTO io_msg.pending (generation, timeline, service_id, priority, due_at, id)
	SELECT $8, $9, $3, 2, $6, $1 WHERE $2 = 'queued';
	INSERT INTO io_msg.uncertain (id, since) SELECT $1, '2026-01-03 Z' WHERE $2 = 'uncertain';
$$;

--
-- io_explain: a sentence for every state
--
CREATE FUNCTION pg_temp.waits(what text, id bigint DEFAULT 1) RETURNS TABLE (what text, explanation text)
	LANGUAGE sql AS 'SELECT $1, io_explain($2)';

SELECT pg_temp.put(1, 'queued'), pg_temp.put(2, 'queued', due => '2999-01-01 Z'), pg_temp.put(3, 'queued', due => '2999-01-01 Z'),
       pg_temp.put(4, 'queued', generation => 6), pg_temp.put(5, 'queued', timeline => 2), pg_temp.put(6, 'sending'),
       pg_temp.put(7, 'sending'), pg_temp.put(8, 'sending', generation => 6), pg_temp.put(9, 'sent'), pg_temp.put(10, 'sent'),
       pg_temp.put(11, 'sent'), pg_temp.put(12, 'sent'), pg_temp.put(13, 'failed', reason => 'invalid_request: subject'),
       pg_temp.put(14, 'failed', reason => 'attempts_exhausted'), pg_temp.put(15, 'uncertain', reason => 'no_answer'),
       pg_temp.put(16, 'not_allowed', reason => 'sender_not_allowed', lot => 'L1'), pg_temp.put(17, 'expired', reason => 'expired'),
       pg_temp.put(18, 'cancelled', reason => 'cancelled: wrong amount'), pg_temp.put(19, 'cancelled', reason => 'dry_run'),
       pg_temp.put(20, 'checked', kind => 'profile'), pg_temp.put(21, 'queued', kind => 'profile'),
       pg_temp.put(22, 'sent', generation => 6), pg_temp.put(23, 'queued', due => '2999-01-02 Z'),
       pg_temp.put(24, 'queued'), pg_temp.put(25, 'queued', due => '2999-01-01 Z'), pg_temp.put(26, 'sent'),
       pg_temp.put(27, 'not_allowed', reason => 'not_in_only_recipients'), pg_temp.put(28, 'uncertain', 2, reason => 'interrupted'),
       pg_temp.put(29, 'uncertain', reason => 'being_verified'), pg_temp.put(30, 'uncertain', reason => 'not_verified'),
       pg_temp.put(31, 'sent', reason => 'resolved_sent'), pg_temp.put(32, 'failed', reason => 'resolved_not_sent'),
       pg_temp.put(33, 'queued', due => '2999-01-01 Z', reason => 'mark_unconfirmed');
UPDATE io_msg.drainer SET in_flight = '{6}', orphans = '{7}';
UPDATE io_msg.outbox SET attempts = 2, reason = 'server_error' WHERE id = 3;
UPDATE io_msg.outbox SET reason = 'not_sent' WHERE id = 25;
UPDATE io_msg.outbox SET expires_at = '2999-01-01 Z' WHERE id IN (1, 23);
UPDATE io_msg.outbox SET expires_at = '2026-01-02 Z' WHERE id IN (17, 24);
UPDATE io_msg.outbox SET attempts = 1, http_status = 400 WHERE id = 13;
UPDATE io_msg.outbox SET attempts = 10, http_status = 500 WHERE id = 14;
UPDATE io_msg.outbox SET io_status = 'ACCEPTED', due_at = '2999-01-01 Z' WHERE id = 9;
UPDATE io_msg.outbox SET io_status = 'PROCESSED', read_status = 'READ', payment_status = 'NOT_PAID' WHERE id = 10;
UPDATE io_msg.outbox SET io_status = 'REJECTED', io_status_at = '2026-01-04 Z', lot = 'L1' WHERE id = 11;
UPDATE io_msg.outbox SET message_id = NULL WHERE id IN (12, 31);
UPDATE io_msg.outbox SET io_status = 'FAILED' WHERE id = 26;
INSERT INTO io_msg.poll VALUES (7, 1, 1, '2999-01-01 Z', 9, '{9}'), (6, 1, 1, '2026-01-01 Z', 22, '{22}');
SELECT io_explain(id) FROM io_msg.outbox ORDER BY id;
SELECT io_explain(99);

-- why nothing leaves, the nearest cause first to be mended last
UPDATE io_msg.outbox SET expires_at = NULL WHERE id = 1;
CREATE TEMP TABLE told (n serial, what text, explanation text);
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('nothing in the way');
UPDATE io_msg.service SET only_recipients = '{}' WHERE id = 1;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('only_recipients');
UPDATE io_msg.service SET dry_run = true WHERE id = 1;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('dry run');
UPDATE io_msg.service SET dry_run = false WHERE id = 1;
INSERT INTO pause VALUES (1, '2026-01-05 Z');
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('no pause any more');
UPDATE pause SET until = '2999-01-05 Z';
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('a pause');
INSERT INTO trouble VALUES (NULL, 0, '2999-01-05 Z');
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('throttled');
UPDATE trouble SET host_failures = 4;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('host not reached');
INSERT INTO key_file VALUES ('tari', 'no_line');
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('no key');
INSERT INTO io_msg.service_stop VALUES (1, 'key_refused', 401, NULL, '2026-01-05 Z');
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('stopped');
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('stopped, a poll', 9);
UPDATE io_msg.service SET paused = true WHERE id = 1;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('service paused');
UPDATE pg_temp.server SET heartbeat = '2026-01-05 Z';
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('worker stands still');
UPDATE pg_temp.server SET awaits_standby = true;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('standby does not confirm');
UPDATE pg_temp.server SET transaction_failures = 3, transaction_sqlstate = '53100', failing_since = '2026-01-05 Z';
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('transactions fail');
UPDATE pg_temp.server SET failures = 3, last_sqlstate = '53100';
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('worker failing');
ALTER TABLE io_msg.body SET UNLOGGED;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('unlogged');
UPDATE io_msg.drainer SET unclean_starts = '{2026-01-01 00:00 Z, 2026-01-01 00:05 Z, 2026-01-01 00:10 Z}';
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('crash loop');
UPDATE io_msg.installation SET paused = true;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('database paused');
UPDATE pg_temp.server SET launcher_pid = NULL;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('no launcher');
UPDATE pg_temp.server SET preloaded = false;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('not preloaded');
UPDATE pg_temp.place SET database_oid = 2;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('a template copy');
UPDATE pg_temp.server SET in_recovery = true;
UPDATE pg_temp.place SET database_oid = 1, timeline = NULL;
INSERT INTO told (what, explanation) SELECT * FROM pg_temp.waits('standby');
\x on
SELECT what, explanation FROM told ORDER BY n;
\x off

--
-- io_health: the same troubles, one by one
--
UPDATE pg_temp.place SET timeline = 1;
UPDATE pg_temp.server SET preloaded = true, launcher_pid = 10, failures = 0, last_sqlstate = NULL, in_recovery = false,
       transaction_failures = 0, awaits_standby = false, heartbeat = now();
UPDATE io_msg.installation SET paused = false;
ALTER TABLE io_msg.body SET LOGGED;
UPDATE io_msg.drainer SET unclean_starts = '{}';
DELETE FROM io_msg.service_stop;
UPDATE io_msg.service SET paused = false, only_recipients = NULL;
DELETE FROM key_file;
DELETE FROM trouble;
DELETE FROM pause;
-- what this server's own settings add is not looked at here
CREATE VIEW pg_temp.sick AS SELECT * FROM io_health() WHERE code NOT IN ('fsync_off', 'synchronous_commit_off');
\x on
SELECT * FROM pg_temp.sick;
\x off
DELETE FROM io_msg.pending;
DELETE FROM io_msg.outbox WHERE status IN ('queued', 'uncertain');
DELETE FROM io_msg.uncertain;
-- ok: no error and no warning, and so never with fsync off, as test servers may have it
SELECT count(*) FILTER (WHERE severity = 'ok') = CASE current_setting('fsync') WHEN 'on' THEN 1 ELSE 0 END AS ok,
       count(*) FILTER (WHERE severity IN ('error', 'warning') AND code <> 'fsync_off') AS wrong FROM io_health();

CREATE FUNCTION pg_temp.sickness(command text) RETURNS TABLE (severity text, code text, problem text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE command;
		CREATE TEMP TABLE now_sick AS TABLE pg_temp.sick;
		RETURN QUERY SELECT s.severity, s.code, s.problem FROM now_sick AS s WHERE s.code <> 'ok';
		RAISE SQLSTATE 'UNDO1';
	EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	END;
END
$$;
SELECT s.* FROM unnest(ARRAY[
	'UPDATE pg_temp.server SET in_recovery = true',
	'UPDATE pg_temp.server SET preloaded = false, launcher_pid = NULL, state = NULL',
	'UPDATE pg_temp.server SET launcher_pid = NULL',
	$$UPDATE pg_temp.server SET failures = 3, last_sqlstate = '53100'$$,
	$$UPDATE pg_temp.server SET transaction_failures = 2, transaction_sqlstate = '53100', failing_since = '2026-01-05 Z'$$,
	$$UPDATE pg_temp.server SET transaction_failures = 3, transaction_sqlstate = '53100', failing_since = '2026-01-05 Z'$$,
	'UPDATE pg_temp.server SET awaits_standby = true',
	$$UPDATE pg_temp.server SET awaits_standby = true, heartbeat = '2026-01-05 Z'$$,
	$$UPDATE pg_temp.server SET heartbeat = '2026-01-05 Z'$$,
	$$UPDATE pg_temp.server SET state = 'waiting', heartbeat = '2026-01-05 Z'$$,
	$$UPDATE pg_temp.server SET state = NULL; SELECT pg_temp.put(61, 'queued')$$,
	'UPDATE pg_temp.place SET database_oid = 2',
	$$UPDATE pg_temp.place SET system_identifier = 2, instance = 'b'$$,
	'DELETE FROM io_msg.installation',
	'ALTER TABLE io_msg.pending SET UNLOGGED',
	$$UPDATE io_msg.drainer SET unclean_starts = '{2026-01-01 00:00 Z, 2026-01-01 00:05 Z, 2026-01-01 00:10 Z}'$$,
	$$UPDATE io_msg.drainer SET unclean_starts = '{2026-01-01 00:00 Z, 2026-01-01 00:05 Z, 2026-01-01 00:10:01 Z}'$$,
	$$UPDATE io_msg.drainer SET unclean_starts = '{2026-01-01 00:00 Z, 2026-01-01 00:05 Z, 2026-01-01 00:10 Z}'; SELECT io_resume()$$,
	'UPDATE io_msg.installation SET paused = true',
	$$INSERT INTO pg_temp.key_file VALUES ('tari', 'unsafe'), ('permits', 'malformed')$$,
	$$INSERT INTO io_msg.service_stop VALUES (2, 'forbidden', 403, NULL, '2026-01-05 Z')$$,
	$$UPDATE io_msg.service SET paused = true, dry_run = true, only_recipients = '{a,b}' WHERE id = 2$$,
	$$INSERT INTO pg_temp.pause VALUES (1, '2026-01-05 Z'), (2, '2999-01-05 Z')$$,
	$$INSERT INTO pg_temp.trouble VALUES (NULL, 7, '2999-01-05 Z')$$,
	$$INSERT INTO pg_temp.trouble VALUES (NULL, 0, '2999-01-05 Z'); UPDATE io_msg.service SET paused = true WHERE id = 1$$,
	$$INSERT INTO pg_temp.trouble VALUES ('comune', 2, NULL); INSERT INTO io_msg.account VALUES ('comune');
	  UPDATE io_msg.service SET account = 'comune' WHERE id = 1$$,
	'DELETE FROM io_msg.service',
	$$SELECT pg_temp.put(62, 'queued')$$,
	$$SELECT pg_temp.put(63, 'queued'); UPDATE io_msg.service SET paused = true WHERE id = 1$$,
	$$SELECT pg_temp.put(64, 'queued', generation => 5)$$,
	$$SELECT pg_temp.put(65, 'sending', generation => 5)$$,
	$$SELECT pg_temp.put(66, 'uncertain')$$
	]) WITH ORDINALITY AS t (command, n) CROSS JOIN LATERAL pg_temp.sickness(t.command) AS s
 ORDER BY t.n, s.code, s.problem;

--
-- The views
--
DELETE FROM io_msg.outbox;
DELETE FROM io_msg.uncertain;
DELETE FROM io_msg.pending;
DELETE FROM io_msg.poll;
UPDATE io_msg.drainer SET in_flight = '{74}', orphans = '{}';
SELECT pg_temp.put(71, 'queued', lot => 'L1'), pg_temp.put(72, 'queued', lot => 'L1', due => '2999-01-01 Z'),
       pg_temp.put(73, 'queued', lot => 'L1', generation => 6), pg_temp.put(74, 'sending', lot => 'L1'),
       pg_temp.put(75, 'sent', lot => 'L1'), pg_temp.put(76, 'sent', lot => 'L1'), pg_temp.put(77, 'sent', lot => 'L1'),
       pg_temp.put(78, 'failed', lot => 'L1', reason => 'invalid_request: subject'), pg_temp.put(79, 'uncertain', lot => 'L1', reason => 'no_answer'),
       pg_temp.put(80, 'not_allowed', 2, reason => 'no_profile'), pg_temp.put(81, 'expired', 2), pg_temp.put(82, 'cancelled', 2),
       pg_temp.put(83, 'queued', kind => 'profile'), pg_temp.put(84, 'not_allowed', 2, reason => 'not_in_only_recipients');
UPDATE io_msg.outbox SET io_status = 'PROCESSED', read_status = 'READ', payment_status = 'PAID' WHERE id = 75;
UPDATE io_msg.outbox SET io_status = 'REJECTED', io_status_at = '2026-01-04 Z' WHERE id = 76;
UPDATE io_msg.outbox SET io_status = 'ACCEPTED' WHERE id = 77;
UPDATE io_msg.outbox SET http_status = 400 WHERE id = 78;
-- half an hour before midnight in UTC is the next day in Rome
UPDATE io_msg.outbox SET created_at = '2026-06-30 23:30 Z' WHERE id = 80;
SELECT id, service, fiscal_code, lot, status, io_status, reason, explanation, held, sent_at, http_status
  FROM io_msg.message ORDER BY id;
\x on
SELECT * FROM io_msg.message WHERE id = 75;
SELECT * FROM io_msg.daily_report ORDER BY day, service, lot;
SELECT service, due, scheduled, held, sending, uncertain, oldest_due_at, oldest_due_age > interval '1 day' AS old,
       next_due_at, settled_per_s, expected_end_at, waits_because FROM io_msg.queue ORDER BY service;
\x off
-- 120 settled in the last minute, 2 a second: what is due is through in a second
INSERT INTO io_msg.outbox (id, generation, due_at, created_at, settled_at, timeline, service_id, priority, kind, status,
                           fiscal_code, enqueued_by, session_role)
SELECT n, 7, now(), now(), clock_timestamp(), 1, 1, 2, 'message', 'sent', 'AAABBB80A01H501X', 'clerk', 'clerk' FROM generate_series(101, 220) AS n;
INSERT INTO io_msg.service_stop VALUES (2, 'forbidden', 403, NULL, '2026-01-05 Z');
SELECT service, due, settled_per_s, expected_end_at - clock_timestamp() BETWEEN '-1 min' AND '1 min' AS soon, waits_because
  FROM io_msg.queue ORDER BY service;
-- a standby cannot tell its timeline: nothing is called held there
UPDATE pg_temp.place SET timeline = NULL;
SELECT id, held FROM io_msg.message WHERE status = 'queued' ORDER BY id;
UPDATE pg_temp.place SET timeline = 1, instance = 'copy';
SELECT id, held FROM io_msg.message WHERE status = 'queued' ORDER BY id;
SELECT * FROM io_msg.unreachable ORDER BY id;

INSERT INTO io_msg.account (name, base_url, quota_calls, proxy) VALUES ('ente', 'https://io.example/api', 250, 'http://proxy:3128');
UPDATE io_msg.service SET account = 'ente' WHERE id = 2;
SELECT * FROM io_msg.account_in_force ORDER BY service;

CREATE OR REPLACE FUNCTION io_msg.counters(OUT profile_calls bigint, OUT message_calls bigint,
		OUT status_calls bigint, OUT sent bigint, OUT not_allowed bigint, OUT failed bigint,
		OUT retried bigint, OUT uncertain bigint, OUT throttled bigint, OUT latency_us bigint)
	RETURNS record LANGUAGE sql AS 'SELECT 10::bigint, 8::bigint, 6::bigint, 5::bigint, 2::bigint, 1::bigint, 1::bigint, 1::bigint, 3::bigint, 1000::bigint';
SELECT * FROM io_msg.stat;

--
-- Reasons in words: none that is known by code alone
--
SELECT code FROM unnest('{accepted_without_id,answer_unreadable,configuration_unknown,forbidden,gateway_error,invalid_request,key_refused,no_answer,no_profile,not_sent,payee_not_allowed,recipient_forbidden,resend_stopped,sender_not_allowed,server_error,throttled,unexpected_status,cancelled,dry_run,expired,attempts_exhausted,interrupted,interrupted_elsewhere}'::text[]) AS code
 WHERE io_msg.reason_text(code) = 'the reason is not known' OR io_msg.reason_text(code) IS NULL;
SELECT io_msg.reason_text('nosuch'), io_msg.reason_text(NULL), io_msg.reason_text('cancelled: it''s: late');

ROLLBACK;
