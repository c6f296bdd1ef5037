--
-- Personal data in subjects, and fields that IO discards: one WARNING a
-- transaction each, with a count.
--
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
CREATE FUNCTION say(subject text) RETURNS boolean LANGUAGE sql AS $$
	SELECT io_enqueue_message('RSSMRA80A01H501U', subject, repeat('m', 80)) > 0
$$;
SELECT say('Scriva a anagrafe@comune.example.it');
BEGIN;
SELECT count(say(s)) FROM unnest(ARRAY['Scriva a anagrafe@comune.example.it', 'Chiami il 06 12345678', 'Bonifico a IT60X0542811101000000123456',
	'a@example.it o 333 1234567', 'Avviso 012345678901234567', 'Avviso TARI 2026', 'Scadenza 16/12/2026']) AS s;
SELECT say('Chiami il +39 333 1234567');
COMMIT;
-- nothing more in the next one
SELECT say('Avviso TARI 2026');
-- what is rolled back is not counted
BEGIN;
SELECT say('Chiami il 06 12345678');
ROLLBACK;
BEGIN;
SELECT say('Chiami il 06 12345678');
SAVEPOINT a;
SELECT say('Scriva a anagrafe@comune.example.it');
SAVEPOINT b;
SELECT say('Scriva a anagrafe@comune.example.it');
RELEASE b;
ROLLBACK TO a;
SAVEPOINT c;
SELECT say('Bonifico a IT60X0542811101000000123456');
RELEASE c;
SELECT say('Chiami il 06 12345678');
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT say('Chiami il 06 12345678');
ROLLBACK TO a;
COMMIT;
DO $$
BEGIN
	FOR i IN 1 .. 100 LOOP
		BEGIN
			PERFORM say('Chiami il 06 12345678');
			IF i % 2 = 0 THEN
				RAISE EXCEPTION 'undo';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
END $$;
-- a refused message is not counted, a repeated one is not enqueued
DO $$
BEGIN
	PERFORM io_enqueue_message('x', 'Chiami il 06 12345678', repeat('m', 80));
EXCEPTION WHEN invalid_parameter_value THEN
	NULL;
END $$;
BEGIN;
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Chiami il 06 12345678', repeat('m', 80), dedup_key => 'k') = io_enqueue_message('RSSMRA80A01H501U', 'Chiami il 06 12345678', repeat('m', 80), dedup_key => 'k') AS same_id;
COMMIT;
-- fields that IO discards
SELECT io_enqueue_message(jsonb_build_object('fiscal_code', 'RSSMRA80A01H501U', 'default_addresses', jsonb_build_object('email', 'a@example.com'),
	'content', jsonb_build_object('subject', 'Avviso TARI 2026', 'markdown', repeat('m', 80), 'prescription_data', jsonb_build_object('nre', repeat('1', 15))))) > 0 AS enqueued
  FROM generate_series(1, 3);
-- in a validation they are rows
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'a@example.it o 333 1234567', repeat('m', 80));
DROP FUNCTION say(text);
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
