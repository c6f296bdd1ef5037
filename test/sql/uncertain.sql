--
-- What a person says of a message that IO may have accepted: io_resolve, and
-- the tables that are never changed.
--
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '-'

-- All of it in one transaction that is rolled back: no worker sees these rows.
BEGIN;
CREATE ROLE regress_io_ced;
INSERT INTO io_msg.service (id, name) VALUES (101, 'doubts');
SELECT io_grant('regress_io_ced', 'operator');
CREATE FUNCTION pg_temp.put(id bigint, status text DEFAULT 'uncertain', content boolean DEFAULT true)
	RETURNS void LANGUAGE sql AS $$
	INSERT INTO io_msg.outbox (id, generation, timeline, due_at, created_at, settled_at, expires_at, service_id, priority,
	                           kind, status, fiscal_code, reason, attempts, enqueued_by, session_role, message_id)
	VALUES ($1, 1, 1, '2026-01-01 Z', '2026-01-01 Z', '2026-01-03 Z', '2026-01-02 Z', 101, 3,
	        'message', $2, 'AAABBB80A01H501X', 'no_answer', 2, 'clerk', 'clerk',
	        CASE WHEN $2 = 'sent' THEN '01M80PBT6G5NC26T3DENQC8T9J' END);
	INSERT INTO io_msg.body (id, body) SELECT $1, '{}' WHERE $3;
	INSERT INTO io_msg.uncertain (id, since) SELECT $1, '2026-01-03 Z' WHERE $2 = 'uncertain';
$$;
SELECT pg_temp.put(n) FROM generate_series(9001, 9006) AS n;
SELECT pg_temp.put(9007, 'sent'), pg_temp.put(9008, 'queued'), pg_temp.put(9009, content => false);

-- what makes no sense changes nothing
SELECT io_resolve(9000, 'sent', reason => 'asked');
SELECT io_resolve(9007, 'sent', reason => 'asked');
SELECT io_resolve(9008, 'send_again', reason => 'asked');
SELECT io_resolve(9001, 'lost', reason => 'asked');
SELECT io_resolve(9001, NULL, reason => 'asked');
SELECT io_resolve(9001, 'sent');
SELECT io_resolve(9001, 'sent', reason => '  ');
SELECT io_resolve(9001, 'not_sent', '01M80PBT6G5NC26T3DENQC8T9K', 'asked');
SELECT io_resolve(9001, 'sent', '01M80PBT6G5NC26T3DENQC8T9', 'asked');
SELECT io_resolve(9001, 'sent', '01M80PBT6G5NC26T3DENQC8T9I', 'asked');
SELECT io_resolve(9001, 'sent', '01M80PBT6G5NC26T3DENQC8T9J', 'it is another''s');
SELECT io_resolve(9009, 'send_again', reason => 'asked');
SELECT count(*) FROM io_msg.uncertain WHERE id BETWEEN 9001 AND 9009;

-- each way
SET LOCAL ROLE regress_io_ced;
SELECT io_resolve(9001, 'sent', reason => 'the citizen has it');
SELECT io_resolve(9002, 'not_sent', reason => 'the citizen has nothing');
SELECT io_resolve(9003, 'send_again', reason => 'twice does no harm');
SELECT io_resolve(9004, 'sent', '01M80PBT6G5NC26T3DENQC8T9K', 'as IO''s support says');
RESET ROLE;
SELECT id, status, reason, message_id, attempts, polls, settled_at IS NOT NULL AS settled, expires_at IS NOT NULL AS expires
  FROM io_msg.outbox WHERE id BETWEEN 9001 AND 9004 ORDER BY id;
SELECT p.id, p.priority, (p.generation, p.timeline) = (h.generation, h.timeline) AS here
  FROM io_msg.pending AS p CROSS JOIN io_msg.present() AS h WHERE p.id BETWEEN 9001 AND 9009;
SELECT q.ids, (q.generation, q.timeline, q.due_at) = (o.generation, o.timeline, o.due_at) AS due
  FROM io_msg.poll AS q JOIN io_msg.outbox AS o ON o.id = q.first_id WHERE o.id BETWEEN 9001 AND 9009;
SELECT id FROM io_msg.uncertain WHERE id BETWEEN 9001 AND 9009 ORDER BY id;
SELECT action, role_name, id, detail, reason FROM io_msg.audit WHERE action = 'resolve' ORDER BY id;
-- once is enough; where IO is still asked, another word of a person counts
SELECT io_resolve(9001, 'not_sent', reason => 'no, it was not');
SELECT io_resolve(9004, 'not_sent', reason => 'that id was a mistake');
SELECT id, status, reason, message_id FROM io_msg.outbox WHERE id = 9004;

-- how attempts ended stays as it was, and so does what people did
INSERT INTO io_msg.attempt (id, number, ended_at, class, reason) VALUES (9001, 1, now(), 'unknown', 'no_answer');
UPDATE io_msg.attempt SET class = 'accepted';
DELETE FROM io_msg.attempt;
TRUNCATE io_msg.attempt;
UPDATE io_msg.audit SET reason = 'none';
DELETE FROM io_msg.audit;
TRUNCATE io_msg.audit;
SET LOCAL session_replication_role = 'replica';
DELETE FROM io_msg.audit;
RESET session_replication_role;
SELECT id, service, number, class, reason, explanation FROM io_msg.message_attempt WHERE id = 9001;
ROLLBACK;
