--
-- What IO would refuse is refused at once, with the field and without its
-- value; io_validate_message tells everything and raises nothing.
--
SET client_min_messages = warning;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);

-- codes of all problems, by both ways: they must agree
CREATE FUNCTION problems(fiscal_code text DEFAULT 'RSSMRA80A01H501U', subject text DEFAULT 'Avviso TARI 2026', markdown text DEFAULT repeat('m', 80),
	payment_data jsonb DEFAULT NULL, third_party_data jsonb DEFAULT NULL, feature_level_type text DEFAULT NULL,
	reference text DEFAULT NULL, lot text DEFAULT NULL, priority int DEFAULT NULL, send_after timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
	RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
	refused boolean := false;
BEGIN
	SELECT string_agg(v.field || ' ' || v.code, ', ') INTO found
	  FROM io_validate_message(fiscal_code, subject, markdown, payment_data => payment_data, third_party_data => third_party_data,
		feature_level_type => feature_level_type, reference => reference, lot => lot, priority => priority, send_after => send_after, expires_at => expires_at) v;
	BEGIN
		PERFORM io_enqueue_message(fiscal_code, subject, markdown, payment_data => payment_data, third_party_data => third_party_data,
			feature_level_type => feature_level_type, reference => reference, lot => lot, priority => priority, send_after => send_after, expires_at => expires_at);
	EXCEPTION WHEN OTHERS THEN
		refused := true;
	END;
	RETURN CASE WHEN refused THEN 'refused: ' ELSE 'taken: ' END || coalesce(found, '');
END $$;

-- fiscal codes
SELECT cf, problems(fiscal_code => cf), io_is_fiscal_code(cf), io_is_fiscal_code(cf, true) AS strict
  FROM unnest(ARRAY['RSSMRA80A01H501U', 'rssmra80a01h501u', E'\tRSSMRA80A01H501U ', 'RSSMRA80A01H501X', 'RSSMRA80A99H501U', 'RSSMRA80F01H501U',
	'RSSMRAULA01H501U', '12345678901', 'RSSMRA80A01H501', 'RSSMRA80A01H501UU', 'RSSMRA80A01 H501U', '', ' ', 'РSSMRA80A01H501U']) AS cf;
SELECT io_is_fiscal_code(NULL), io_is_fiscal_code('x', NULL);

-- lengths are UTF-16 code units, both ends allowed
SELECT n, problems(subject => repeat('x', n)) AS ascii, problems(subject => repeat('è', n)) AS accents,
       problems(subject => repeat(U&'\+01F600', n / 2)) AS emoji
  FROM unnest(ARRAY[0, 8, 9, 10, 11, 12, 118, 119, 120, 121, 122]) AS n;
SELECT n, problems(markdown => repeat('x', n)) AS ascii, problems(markdown => repeat(U&'\+01F600', n / 2)) AS emoji
  FROM unnest(ARRAY[0, 78, 79, 80, 81, 9999, 10000, 10001, 10002]) AS n;
SELECT problems(subject => repeat(' ', 10)) AS blank, problems(subject => E'one\ntwo\r\nthree') AS lines, problems(subject => repeat(E'\u0001', 10)) AS control;

-- payment data
SELECT d, problems(payment_data => d::jsonb) FROM unnest(ARRAY[
	'{"amount": 1, "notice_number": "012345678901234567"}', '{"amount": 9999999999, "notice_number": "312345678901234567"}',
	'{"amount": 0, "notice_number": "012345678901234567"}', '{"amount": -1, "notice_number": "012345678901234567"}',
	'{"amount": 10000000000, "notice_number": "012345678901234567"}', '{"amount": 1e400, "notice_number": "012345678901234567"}',
	'{"amount": -1e400, "notice_number": "012345678901234567"}', '{"amount": 100.0, "notice_number": "012345678901234567"}', '{"amount": 1e2, "notice_number": "012345678901234567"}',
	'{"amount": 1.5, "notice_number": "012345678901234567"}', '{"amount": "1", "notice_number": "012345678901234567"}', '{"amount": null, "notice_number": "012345678901234567"}',
	'{"amount": 1, "notice_number": "412345678901234567"}', '{"amount": 1, "notice_number": "01234567890123456"}', '{"amount": 1, "notice_number": "0123456789012345678"}',
	'{"amount": 1, "notice_number": 112345678901234567}', '{"amount": 1}', '{"notice_number": "012345678901234567"}', '{}', '[]', 'null', '1', '"x"', 'true',
	'{"amount": 1, "notice_number": "012345678901234567", "invalid_after_due_date": true}', '{"amount": 1, "notice_number": "012345678901234567", "invalid_after_due_date": null}',
	'{"amount": 1, "notice_number": "012345678901234567", "invalid_after_due_date": "true"}', '{"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "12345678901"}}',
	'{"amount": 1, "notice_number": "012345678901234567", "payee": null}', '{"amount": 1, "notice_number": "012345678901234567", "payee": {}}',
	'{"amount": 1, "notice_number": "012345678901234567", "due_date": "x"}']) AS d;

-- third-party data
SELECT d, problems(third_party_data => d::jsonb) FROM unnest(ARRAY[
	'{"id": "1"}', '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR"}', '{"id": "1", "configuration_id": "0e9852ccb8a04128bd637c807b9d80d3"}']) AS d;
UPDATE io_msg.service SET third_party = true, payee = true;
SELECT problems(payment_data => '{"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "12345678901"}}');
SELECT problems(payment_data => '{"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "1234567890"}}');
SELECT d, problems(third_party_data => d::jsonb) FROM unnest(ARRAY[
	'{"id": "1"}', '{"id": "", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR"}', '{"id": 1, "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR"}',
	'{"id": "1", "configuration_id": "01hmvm9w74rwh93nt1eynkknnr"}', '{"id": "1", "configuration_id": "01IMVM9W74RWH93NT1EYNKKNNR"}', '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNN"}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_precondition": "ALWAYS", "has_remote_content": true}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_precondition": "NONE"}', '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_precondition": true}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_attachments": true}', '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_attachments": null, "has_remote_content": null}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "original_sender": "", "summary": ""}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "original_receipt_date": "2026-01-01T00:00:00Z"}', '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "original_receipt_date": "2026-01-01"}',
	'{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "original_receipt_date": "0001-01-01T00:00:00+01:00"}']) AS d;
-- what the service may send
SELECT problems(feature_level_type => 'ADVANCED'), problems(feature_level_type => 'STANDARD'), problems(feature_level_type => 'advanced'), problems(feature_level_type => '');
UPDATE io_msg.service SET premium = true, third_party = false, payee = false, max_allowed_payment_amount = 1000;
SELECT problems(feature_level_type => 'ADVANCED'),
       problems(feature_level_type => 'ADVANCED', third_party_data => '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR", "has_attachments": true}') AS attachments,
       problems(third_party_data => '{"id": "1", "configuration_id": "01HMVM9W74RWH93NT1EYNKKNNR"}') AS standard;
SELECT problems(payment_data => '{"amount": 1000, "notice_number": "012345678901234567"}'), problems(payment_data => '{"amount": 1001, "notice_number": "012345678901234567"}');
UPDATE io_msg.service SET max_allowed_payment_amount = 0;
SELECT problems(payment_data => '{"amount": 1, "notice_number": "012345678901234567"}');

-- what is ours
SELECT p, problems(priority => p) FROM unnest(ARRAY[-1, 0, 1, 4, 5, 2147483647, NULL]) AS p;
SELECT problems(send_after => 'infinity'), problems(send_after => '-infinity'), problems(expires_at => 'infinity'), problems(expires_at => '-infinity');
SELECT problems(expires_at => now() - interval '1 s') AS past, problems(send_after => now() + interval '2 h', expires_at => now() + interval '1 h') AS too_early, problems(send_after => now() + interval '1 h', expires_at => now() + interval '2 h') AS good;
SELECT problems(reference => repeat('x', 255), lot => repeat('x', 255)), problems(reference => repeat('x', 256), lot => repeat('x', 256));
SELECT * FROM io_validate_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), service => 'nobody');
SELECT * FROM io_validate_message(NULL, NULL, NULL);
-- everything at once, also where the caller's other columns stand beside it
SELECT v.* FROM (VALUES ('x', 'short', 'short', '{"amount": 0}'::jsonb)) AS campaign (cf, s, m, p), io_validate_message(cf, s, m, payment_data => p, due_date => '2026-02-30', priority => 9) AS v;

-- the errors in full
SELECT io_enqueue_message('x', 'short', 'short', service => 'tari');
SELECT io_enqueue_message(NULL, 'Avviso TARI 2026', repeat('m', 80));
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Per RSSMRA80A01H501U', repeat('m', 80));
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), payment_data => '{"amount": 1, "notice_number": "012345678901234567", "payee": {"fiscal_code": "12345678901"}}');
SELECT io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), due_date => 'infinity'::timestamptz);

-- builders
SELECT io_payment_data(12050, '012345678901234567'), io_payment_data(notice_number => '012345678901234567', amount => 1, invalid_after_due_date => false, payee_fiscal_code => '12345678901');
SELECT io_payment_data(0, '012345678901234567');
SELECT io_payment_data(NULL, '012345678901234567');
SELECT io_payment_data(1, NULL);
SELECT io_payment_data(1, 'x', payee_fiscal_code => '12345678901');
SELECT io_payment_data(1, '012345678901234567', payee_fiscal_code => 'RSSMRA80A01H501U');
SELECT io_third_party_data('1', '01HMVM9W74RWH93NT1EYNKKNNR');
SELECT io_third_party_data('1', '01HMVM9W74RWH93NT1EYNKKNNR', true, true, 'ONCE', 'sender', '2026-01-01 12:00+01', 'summary');
SELECT io_third_party_data('1', NULL);
SELECT io_third_party_data('', 'x', has_precondition => 'NONE');
SELECT io_third_party_data('1', '01HMVM9W74RWH93NT1EYNKKNNR', original_receipt_date => 'infinity');
DROP FUNCTION problems;
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
