--
-- The functions by which people run the flow.
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

-- What a statement does: its result, or its SQLSTATE, error and hint.
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	hint text;
BEGIN
	EXECUTE command INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END
$$;

-- What is being sent has no row in pending.
CREATE VIEW pg_temp.sending AS SELECT unnest(in_flight) AS id FROM io_msg.drainer;
-- Every queued row that is not being sent has its one row of pending, and nothing else has one.
CREATE VIEW pg_temp.broken AS
	SELECT o.id, o.status, p.id AS pending
	  FROM (SELECT * FROM io_msg.outbox WHERE status = 'queued' AND id NOT IN (TABLE pg_temp.sending)) AS o
	  FULL JOIN io_msg.pending AS p
	    ON (o.generation, o.timeline, o.service_id, o.priority, o.due_at, o.id)
	     = (p.generation, p.timeline, p.service_id, p.priority, p.due_at, p.id)
	 WHERE o.id IS NULL OR p.id IS NULL;

--
-- io_cancel takes back what is queued, and only that
--
UPDATE io_msg.drainer SET in_flight = '{2,12,22}';
SELECT pg_temp.put(1, 'queued'), pg_temp.put(2, 'sending'), pg_temp.put(3, 'sent'),
       pg_temp.put(4, 'queued', kind => 'profile'), pg_temp.put(5, 'uncertain'), pg_temp.put(6, 'queued');
SELECT io_cancel(1, 'wrong amount'), io_cancel(2), io_cancel(3), io_cancel(4), io_cancel(5);
SELECT io_cancel(1) AS again;
SELECT id, status, reason, settled_at IS NOT NULL AS settled FROM io_msg.outbox ORDER BY id;
SELECT id FROM io_msg.pending ORDER BY id;
SELECT pg_temp.try('SELECT io_cancel(99)'), pg_temp.try('SELECT io_cancel(NULL)');
TABLE pg_temp.broken;
SELECT action, service_id, id, detail, reason, role_name = current_user AS me FROM io_msg.audit ORDER BY at;

-- the caller is seen through the definer's rights
CREATE ROLE regress_io_operator;
SELECT io_grant('regress_io_operator', 'operator');
SET ROLE regress_io_operator;
SELECT io_cancel(6);
RESET ROLE;
SELECT role_name, session_role = session_user AS session FROM io_msg.audit WHERE id = 6;

--
-- io_cancel_lot: a lot of one service or of all, never what is being sent
--
SELECT count(pg_temp.put(n, 'queued', lot => 'L1')) FROM generate_series(1001, 1100) AS n;
SELECT pg_temp.put(11, 'queued', 2, 'L1'), pg_temp.put(12, 'sending', lot => 'L1'), pg_temp.put(13, 'sent', lot => 'L1'),
       pg_temp.put(14, 'queued', lot => 'L2'), pg_temp.put(15, 'queued', lot => 'L1', generation => 6);
SELECT io_cancel_lot('L1', 'tari', 'withdrawn') AS tari, io_cancel_lot('L1') AS all_services, io_cancel_lot('L1') AS again;
SELECT lot, status, reason, count(*) FROM io_msg.outbox WHERE lot IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT id FROM io_msg.pending ORDER BY id;
TABLE pg_temp.broken;
SELECT action, service_id, id, detail, reason FROM io_msg.audit WHERE action = 'cancel_lot' ORDER BY at;
SELECT pg_temp.try('SELECT io_cancel_lot(NULL)'), pg_temp.try($$SELECT io_cancel_lot('L1', 'nosuch')$$);

--
-- io_retry: only what provably never reached IO
--
SELECT pg_temp.put(21, 'queued'), pg_temp.put(22, 'sending'), pg_temp.put(23, 'sent'),
       pg_temp.put(24, 'failed', reason => 'invalid_request'), pg_temp.put(25, 'uncertain'),
       pg_temp.put(26, 'not_allowed', reason => 'no_profile'), pg_temp.put(27, 'expired', reason => 'expired'),
       pg_temp.put(28, 'cancelled', reason => 'cancelled: dry_run'),
       pg_temp.put(29, 'cancelled', reason => 'dry_run'),
       pg_temp.put(30, 'cancelled', reason => 'not_in_only_recipients'),
       pg_temp.put(31, 'checked', kind => 'profile'), pg_temp.put(32, 'failed', kind => 'profile'),
       pg_temp.put(33, 'failed'), pg_temp.put(34, 'failed', generation => 6), pg_temp.put(35, 'cancelled', reason => 'cancelled');
UPDATE io_msg.outbox SET attempts = 5, http_status = 400 WHERE id = 24;
UPDATE io_msg.outbox SET expires_at = '2026-01-02 Z' WHERE id = 27;
UPDATE io_msg.outbox SET expires_at = '2999-01-01 Z' WHERE id = 26;
DELETE FROM io_msg.body WHERE id = 33;
TRUNCATE pg_temp.woken;
SELECT o.id, o.status, o.reason, pg_temp.try(format('SELECT io_retry(%s)', o.id))
  FROM (SELECT id, status, reason FROM io_msg.outbox WHERE id BETWEEN 21 AND 35 ORDER BY id) AS o;
SELECT count(*) AS wakes FROM pg_temp.woken;
SELECT id, status, attempts, generation, timeline, due_at > now() - interval '1 min' AS due_now, settled_at,
       http_status, reason, expires_at
  FROM io_msg.outbox WHERE id BETWEEN 21 AND 35 AND status = 'queued' ORDER BY id;
TABLE pg_temp.broken;
SELECT action, id, detail, reason FROM io_msg.audit WHERE action = 'retry' ORDER BY at;
SELECT pg_temp.try('SELECT io_retry(99)');

--
-- io_pause, io_resume: a service or the whole database
--
SELECT io_pause('tari', 'holidays'), io_pause('tari') AS again;
SELECT io_pause(), io_pause() AS again;
SELECT name, paused FROM io_msg.service ORDER BY id;
SELECT paused FROM io_msg.installation;
INSERT INTO io_msg.service_stop VALUES (1, 'key_refused', 401, NULL, '2026-01-05 Z'), (2, 'forbidden', 403, NULL, '2026-01-05 Z');
TRUNCATE pg_temp.woken;
SELECT io_resume('tari'), io_resume('tari') AS again;
SELECT io_resume('permits') AS stopped_only;
SELECT io_resume(), io_resume() AS again;
SELECT count(*) AS wakes FROM pg_temp.woken;
SELECT name, paused, t.* FROM io_msg.service AS s LEFT JOIN io_msg.service_stop AS t ON t.service_id = s.id ORDER BY s.id;
SELECT paused FROM io_msg.installation;
SELECT action, service_id, detail, reason FROM io_msg.audit WHERE action IN ('pause', 'resume') ORDER BY at;
SELECT pg_temp.try($$SELECT io_pause('nosuch')$$), pg_temp.try($$SELECT io_resume('nosuch')$$);

--
-- io_release: rows of another generation or timeline, and no others
--
DELETE FROM io_msg.pending;
DELETE FROM io_msg.outbox;
UPDATE pg_temp.place SET timeline = 2;          -- a promotion
SELECT pg_temp.put(41, 'queued', lot => 'L1'), pg_temp.put(42, 'queued', 2, lot => 'L1'),
       pg_temp.put(43, 'queued', generation => 6, timeline => 2), pg_temp.put(44, 'sent', lot => 'L1'),
       pg_temp.put(45, 'queued', timeline => 2), pg_temp.put(46, 'sending'), pg_temp.put(47, 'sending', 2),
       pg_temp.put(48, 'sending', timeline => 2), pg_temp.put(49, 'sending'),
       pg_temp.put(50, 'queued', 2, lot => 'L2'), pg_temp.put(51, 'cancelled'),
       pg_temp.put(52, 'sent', lot => 'L2'), pg_temp.put(53, 'sent', lot => 'L1', due => '2026-01-02 Z'),
       pg_temp.put(54, 'sent', generation => 6);
UPDATE io_msg.outbox SET created_at = '2025-06-01 Z' WHERE id = 50;
UPDATE io_msg.drainer SET in_flight = '{48}', orphans = '{49}';
-- 53 has been asked about since: it counts in its second row only
INSERT INTO io_msg.poll VALUES (7, 1, 1, '2026-01-01 Z', 44, '{44,52,53}'), (7, 1, 1, '2026-01-02 Z', 53, '{53}'),
       (6, 1, 1, '2026-01-01 Z', 54, '{54}'), (7, 1, 1, '2025-01-01 Z', 44, '{44}');
SELECT io_release('permits', 'L1') AS by_service_and_lot;
SELECT io_release(ids => '{43,45,51}') AS by_ids;
SELECT io_release(before => '2026-01-01 Z') AS by_age;
SELECT io_release(lot => 'nosuch') AS none;
SELECT id, generation, timeline, status FROM io_msg.outbox ORDER BY id;
-- sent messages are asked about again; those left behind stay together
TRUNCATE pg_temp.woken;
SELECT io_release(lot => 'L1') AS lot;
SELECT count(*) AS wakes FROM pg_temp.woken;
SELECT * FROM io_msg.poll ORDER BY generation, timeline, due_at, first_id;
-- the rest; what this database's worker was sending is not touched
SELECT io_release(reason => 'old primary is gone') AS everything;
SELECT id, generation, timeline, status, reason FROM io_msg.outbox ORDER BY id;
SELECT id, generation, timeline FROM io_msg.pending ORDER BY id;
SELECT * FROM io_msg.poll ORDER BY generation, timeline, due_at, first_id;
UPDATE io_msg.drainer SET in_flight = '{48,49}', orphans = '{}';
TABLE pg_temp.broken;
SELECT service_id, detail, reason FROM io_msg.audit WHERE action = 'release' ORDER BY at;
SELECT pg_temp.try($$SELECT io_release('nosuch')$$);

--
-- io_arm: this database, and no copy of it
--
SELECT io_arm() AS already;
SELECT generation, system_identifier, instance FROM io_msg.installation;
UPDATE pg_temp.place SET instance = 'staging';
SELECT pg_temp.try('SELECT io_release()');
SELECT io_arm() AS new_generation;
SELECT generation, system_identifier, instance FROM io_msg.installation;
SELECT id, generation, timeline FROM io_msg.pending ORDER BY id;
UPDATE pg_temp.place SET system_identifier = 2, timeline = 1;
CREATE OR REPLACE FUNCTION io_msg.new_generation() RETURNS bigint LANGUAGE sql AS 'SELECT 9::bigint';
SELECT io_arm(adopt => true, reason => 'pg_upgrade') AS adopted;
SELECT io_arm(true) AS nothing_left;
SELECT id, generation, timeline FROM io_msg.pending ORDER BY id;
TABLE pg_temp.broken;
SELECT detail, reason FROM io_msg.audit WHERE action = 'arm' ORDER BY at;
-- a database without its row, as some restores leave it
DELETE FROM io_msg.installation;
SELECT io_arm();
SELECT generation, system_identifier, instance, paused FROM io_msg.installation;

ROLLBACK;
