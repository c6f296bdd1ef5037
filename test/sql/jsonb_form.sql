--
-- The form of io_enqueue_message that takes IO's own JSON: every field that IO
-- knows, nothing else.
--
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
INSERT INTO io_msg.service (name, paused, premium, payee, third_party) VALUES ('tari', true, true, true, true);
CREATE FUNCTION message(content jsonb DEFAULT '{}', rest jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"fiscal_code": "RSSMRA80A01H501U"}' || jsonb_build_object('content',
		jsonb_build_object('subject', 'Avviso TARI 2026', 'markdown', repeat('m', 80)) || content) || rest
$$;

-- all fields at once
BEGIN;
SELECT io_enqueue_message(message(
	content => '{"require_secure_channels": true, "due_date": "2026-12-16T23:59:59+01:00",
		"payment_data": {"amount": 12050.00, "notice_number": "012345678901234567", "invalid_after_due_date": true, "payee": {"fiscal_code": "12345678901"}},
		"third_party_data": {"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_remote_content": true, "has_attachments": true,
			"has_precondition": "NEVER", "original_sender": "s", "original_receipt_date": "2026-01-01T00:00:00.5Z", "summary": "x"},
		"eu_covid_cert": {"auth_code": ""},
		"prescription_data": {"nre": "123456789012345", "iup": "1", "prescriber_fiscal_code": "RSSMRA80A01H501U"},
		"legal_data": {"sender_mail_from": "x", "has_attachment": false, "message_unique_id": "y", "original_message_url": "z", "pec_server_service_id": "s"}}',
	rest => '{"feature_level_type": "ADVANCED", "time_to_live": 3600, "default_addresses": {"email": "a@example.com"}}'),
	service => 'tari', reference => 'r', dedup_key => 'k', lot => 'l', priority => 3) AS id \gset
COMMIT;
SELECT jsonb_pretty(body::jsonb) FROM io_msg.body WHERE id = :id;
SELECT advanced, has_payment, due_date AT TIME ZONE 'UTC' AS due_date_utc, reference, dedup_key, lot, priority FROM io_msg.outbox WHERE id = :id;
-- null for what has a default is left out
BEGIN;
SELECT io_enqueue_message(message(content => '{"third_party_data": {"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_attachments": null, "has_remote_content": null}}',
	rest => '{"feature_level_type": null, "time_to_live": null}')) AS id \gset
COMMIT;
SELECT body::jsonb - 'fiscal_code' #- '{content,markdown}' FROM io_msg.body WHERE id = :id;

-- what is wrong, and where
CREATE FUNCTION problems(message jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(v.field || ' ' || v.code, ', '), '') FROM io_validate_message(message) AS v
$$;
SELECT m, problems(m::jsonb) FROM unnest(ARRAY['{}', '[]', '1', 'null', '"x"', 'true', '{"content": {}}', '{"content": []}', '{"content": null}', '{"content": "x", "fiscal_code": 1}']) AS m;
SELECT problems(NULL);
SELECT c, problems(message(content => c::jsonb)) FROM unnest(ARRAY[
	'{"subject": null}', '{"subject": 1}', '{"subject": {}}', '{"subject": ["x"]}', '{"markdown": true}', '{"markdown": null}', '{"due_date": null}', '{"due_date": 1}', '{"due_date": ""}',
	'{"require_secure_channels": null}', '{"require_secure_channels": 1}', '{"require_secure_channels": "true"}',
	'{"payment_data": null}', '{"payment_data": [1]}', '{"payment_data": {"amount": 1, "notice_number": null}}', '{"payment_data": {"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "RSSMRA80A01H501U"}}}',
	'{"payment_data": {"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "12345678901", "name": "x"}}}', '{"third_party_data": null}', '{"third_party_data": {}}', '{"third_party_data": {"id": "1", "configuration_id": null}}',
	'{"eu_covid_cert": {}}', '{"eu_covid_cert": {"auth_code": 1}}', '{"eu_covid_cert": null}',
	'{"prescription_data": {}}', '{"prescription_data": {"nre": "12345678901234", "iup": "", "prescriber_fiscal_code": "x"}}', '{"prescription_data": "x"}',
	'{"legal_data": {}}', '{"legal_data": {"sender_mail_from": "", "has_attachment": 1, "message_unique_id": null}}',
	'{"Subject": "x"}', '{"dueDate": "x", "paymentData": {}}', '{"": 1}', '{"RSSMRA80A01H501U": 1}', '{"a b": 1}', '{"mario.rossi@example.com": 1}']) AS c;
SELECT r, problems(message(rest => r::jsonb)) FROM unnest(ARRAY[
	'{"fiscal_code": null}', '{"fiscal_code": 1}', '{"fiscal_code": "x"}', '{"time_to_live": 3599}', '{"time_to_live": 3600}', '{"time_to_live": 604800}', '{"time_to_live": 604801}', '{"time_to_live": 3600.5}', '{"time_to_live": "3600"}',
	'{"feature_level_type": "PREMIUM"}', '{"feature_level_type": 1}', '{"default_addresses": {}}', '{"default_addresses": null}', '{"default_addresses": {"email": "x"}}', '{"default_addresses": {"email": null, "pec": "x"}}',
	'{"subject": "x"}', '{"id": "x"}', '{"service": "tari"}', '{"due_date": "2026-12-16T00:00:00Z"}']) AS r;
-- a duplicate key: the last one counts, as in jsonb
SELECT problems('{"fiscal_code": "x", "fiscal_code": "RSSMRA80A01H501U", "content": {"subject": "Avviso TARI 2026", "markdown": "Le ricordiamo la scadenza della rata unica. Il pagamento si effettua dalla app, con il pulsante."}}');
SELECT io_enqueue_message('{"fiscal_code": "RSSMRA80A01H501U", "content": {"subject": "Avviso TARI 2026", "markdown": "short", "boh": 1}}');
SELECT io_enqueue_message('[]'::jsonb);
SELECT io_enqueue_message(NULL::jsonb);
SELECT io_enqueue_message(message(content => '{"nome": "x"}'));
-- what is given apart goes into the content, and may be there only once
SELECT io_enqueue_message(message(), payment_data => io_payment_data(100, '301000001234567890'),
                          require_secure_channels => true) AS id \gset
SELECT body -> 'content' -> 'payment_data' AS payment_data,
       body -> 'content' -> 'require_secure_channels' AS require_secure_channels
  FROM io_msg.body WHERE id = :id;
SELECT field, code FROM io_validate_message(message(content => '{"require_secure_channels": true}'),
                                            require_secure_channels => false);
SELECT field, code FROM io_validate_message('{"content": []}'::jsonb, payment_data => '{}');
SELECT io_enqueue_message(message(), third_party_data => '{"id": ""}');
DROP FUNCTION message(jsonb, jsonb);
DROP FUNCTION problems(jsonb);
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.dedup_key;
