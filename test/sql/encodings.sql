--
-- Databases in other encodings: characters are counted and kept as IO will
-- get them; SQL_ASCII must hold UTF-8.
--
SET client_min_messages = warning;
SELECT current_database() AS here \gset
CREATE DATABASE regress_io_latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_io_latin9 ENCODING 'LATIN9' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_io_ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';

\c regress_io_latin1
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION io_msg;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Città più cara', repeat('è', 80), dedup_key => 'k') AS id \gset
SELECT body #>> '{content,subject}' AS subject, length(body #>> '{content,markdown}') FROM io_msg.body WHERE id = :id;
-- what the worker will send
SELECT encode(convert_to(body #>> '{content,subject}', 'UTF8'), 'hex') FROM io_msg.body WHERE id = :id;
-- the hash is that of the UTF-8
SELECT content_hash = sha256(convert_to(body::text, 'UTF8')) AS of_utf8 FROM io_msg.dedup_key JOIN io_msg.body USING (id);
SELECT n, (SELECT string_agg(code, ', ') FROM io_validate_message('RSSMRA80A01H501U', repeat('ù', n), repeat('è', 80))) FROM unnest(ARRAY[9, 10, 120, 121]) AS n;
SELECT io_enqueue_message('{"fiscal_code": "RSSMRA80A01H501U", "content": {"subject": "Citt\u00e0 pi\u00f9 cara", "markdown": "Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante."}}') AS id \gset
SELECT body #>> '{content,subject}' AS subject FROM io_msg.body WHERE id = :id;
SELECT io_is_fiscal_code('RSSMRA80A01H501Ù');
SELECT io_payment_data(1, '01234567890123456ù');

\c regress_io_latin9
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION io_msg;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Totale: 120,50 €', repeat('€', 80)) AS id \gset
SELECT body #>> '{content,subject}' AS subject, encode(convert_to(body #>> '{content,subject}', 'UTF8'), 'hex') FROM io_msg.body WHERE id = :id;
SELECT n, (SELECT string_agg(code, ', ') FROM io_validate_message('RSSMRA80A01H501U', repeat('€', n), repeat('€', 80))) FROM unnest(ARRAY[9, 10, 120, 121]) AS n;

\c regress_io_ascii
SET client_min_messages = warning;
CREATE EXTENSION io_msg;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
-- bytes count as the UTF-8 that they are: 5 emoji of 4 bytes are 10 units
SELECT n, (SELECT string_agg(code, ', ') FROM io_validate_message('RSSMRA80A01H501U', repeat(E'\xf0\x9f\x98\x80', n), repeat('m', 80))) FROM unnest(ARRAY[4, 5, 60, 61]) AS n;
SELECT io_enqueue_message('RSSMRA80A01H501U', E'Citt\xc3\xa0 pi\xc3\xb9 cara', repeat('m', 80), dedup_key => 'k') AS id \gset
SELECT encode(convert_to(body #>> '{content,subject}', 'SQL_ASCII'), 'hex') FROM io_msg.body WHERE id = :id;
-- LATIN1 in it
SELECT * FROM io_validate_message('RSSMRA80A01H501U', E'Citt\xe0 pi\xf9 cara', E'\xe8' || repeat('m', 80), third_party_data => jsonb_build_object('id', E'\xe8'));
\set VERBOSITY sqlstate
SELECT io_enqueue_message('RSSMRA80A01H501U', E'Citt\xe0 pi\xf9 cara', repeat('m', 80));
\set VERBOSITY default
SELECT io_is_fiscal_code(E'RSSMRA80A01H501\xf9');

\c :here
DROP DATABASE regress_io_latin1 WITH (FORCE);
DROP DATABASE regress_io_latin9 WITH (FORCE);
DROP DATABASE regress_io_ascii WITH (FORCE);
