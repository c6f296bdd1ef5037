--
-- io_wait returns when a row has left our hands, or when the time is over.
--
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80)) AS id \gset
-- the present status
SELECT io_wait(:id, NULL);
SELECT io_wait(:id, '0 s');
SELECT io_wait(:id, '-1 s');
SELECT clock_timestamp() AS before \gset
SELECT io_wait(:id, '100 ms'), clock_timestamp() - :'before' BETWEEN '100 ms' AND '10 s' AS waited;
-- being sent: queued without a row in pending
BEGIN;
DELETE FROM io_msg.pending;
SELECT io_wait(:id, '0 s');
ROLLBACK;
-- finished
UPDATE io_msg.outbox SET status = 'sent', settled_at = now() WHERE id = :id;
SELECT io_wait(:id);
SELECT io_wait(id => :id, timeout => '1 day');
SELECT io_wait(:id, 'infinity'::text::interval) WHERE current_setting('server_version_num')::int >= 170000
UNION ALL SELECT io_wait(:id, '1000000 years') WHERE current_setting('server_version_num')::int < 170000;
-- what cannot be
SELECT io_wait(-1);
SELECT io_wait(NULL);
BEGIN;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80)) AS id \gset
SAVEPOINT s;
SELECT io_wait(:id);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT io_wait(1);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT io_wait(1);
ROLLBACK;
-- interrupted
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80)) AS id \gset
SET statement_timeout = '200 ms';
SELECT io_wait(:id, '1 hour');
RESET statement_timeout;
-- whose rows
CREATE ROLE regress_io_sender;
CREATE ROLE regress_io_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_io_sender, regress_io_other;
INSERT INTO io_msg.service_role SELECT id, 'regress_io_sender' FROM io_msg.service;
SET ROLE regress_io_other;
SELECT io_wait(:id, '0 s');
RESET ROLE;
UPDATE io_msg.outbox SET enqueued_by = 'regress_io_other' WHERE id = :id;
SET ROLE regress_io_other;
SELECT io_wait(:id, '0 s');
SET ROLE regress_io_sender;
SELECT io_wait(:id, '0 s');
RESET ROLE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM regress_io_sender, regress_io_other;
DROP ROLE regress_io_sender, regress_io_other;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
