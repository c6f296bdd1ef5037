--
-- A dedup_key makes a repeated call harmless: unique per service, with the
-- content.
--
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true), ('imu', true);
\set md '''Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante.'''
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'k') AS first \gset
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'k') = :first AS same_id;
-- the same content, written otherwise
SELECT io_enqueue_message('rssmra80a01h501u ', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'k', lot => 'other', priority => 1) = :first AS same_id;
SELECT io_enqueue_message(jsonb_build_object('content', jsonb_build_object('markdown', :md, 'subject', 'Avviso TARI 2026'), 'feature_level_type', NULL, 'fiscal_code', 'RSSMRA80A01H501U'), service => 'tari', dedup_key => 'k') = :first AS same_id;
SELECT count(*) FROM io_msg.outbox;
SELECT count(*) FROM io_msg.body;
SELECT count(*) FROM io_msg.pending;
-- other content
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2027', :md, service => 'tari', dedup_key => 'k');
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'k', due_date => '2026-12-16');
SELECT io_enqueue_message('BNCLRA85B41F205U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'k');
-- another service
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'imu', dedup_key => 'k') <> :first AS other_id;
-- an amount written 100 and 100.0 is one content
SELECT io_enqueue_message('{"fiscal_code": "RSSMRA80A01H501U", "content": {"subject": "Avviso TARI 2026", "markdown": "Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante.", "payment_data": {"amount": 100.0, "notice_number": "012345678901234567"}}}', service => 'tari', dedup_key => 'n')
     = io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, payment_data => io_payment_data(100, '012345678901234567'), service => 'tari', dedup_key => 'n') AS same_id;
-- a rolled-back call frees its key
BEGIN;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'r') > 0 AS enqueued;
ROLLBACK;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2027', :md, service => 'tari', dedup_key => 'r') > 0 AS enqueued;
BEGIN;
SAVEPOINT s;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 's') > 0 AS enqueued;
ROLLBACK TO s;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2027', :md, service => 'tari', dedup_key => 's') > 0 AS enqueued;
COMMIT;
-- in one statement
SELECT count(DISTINCT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => 'one')) FROM generate_series(1, 5);
-- not a key
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => '');
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => repeat('x', 256));
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', :md, service => 'tari', dedup_key => repeat(U&'\+01F600', 255)) > 0 AS enqueued;
SELECT count(*) FROM io_msg.outbox o LEFT JOIN io_msg.pending p USING (id) LEFT JOIN io_msg.body b USING (id) WHERE p.id IS NULL OR b.id IS NULL;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
