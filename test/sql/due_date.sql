--
-- The forms of a due date and what leaves.
--
SET client_min_messages = warning;
SET datestyle = 'ISO, DMY';
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);

-- what IO would get for a due date, or why it is refused
CREATE FUNCTION sent(due anyelement) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	new_id bigint;
	state text;
	message text;
BEGIN
	new_id := io_enqueue_message('RSSMRA80A01H501U', 'Avviso TARI 2026', repeat('m', 80), due_date => due);
	RETURN (SELECT coalesce(b.body #>> '{content,due_date}', 'absent') ||
	               CASE WHEN o.due_date IS DISTINCT FROM (b.body #>> '{content,due_date}')::timestamptz
	                    THEN ' but outbox differs' ELSE '' END
	          FROM io_msg.body b JOIN io_msg.outbox o USING (id) WHERE b.id = new_id);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	RETURN format('%s %s', state, message);
END $$;

-- a date is the end of that day in Italy: DST, year ends, leap days
SELECT d, sent(d) FROM unnest(ARRAY[
	'2026-01-12', '2026-07-12', '2026-03-27', '2026-03-28', '2026-03-29', '2026-03-30',
	'2026-10-23', '2026-10-24', '2026-10-25', '2026-10-26', '2026-12-31', '2027-01-01', '2028-02-29',
	'2050-08-15', '1999-12-31', '0001-01-01', '9999-12-31']::date[]) AS d;
SELECT d, sent(d) FROM unnest(ARRAY['infinity', '-infinity', '0001-12-31 BC', '4713-01-01 BC', '10000-01-01', '5874897-12-31']::date[]) AS d;
-- whatever the session's time zone
SET timezone = 'Pacific/Kiritimati';
SELECT sent(DATE '2026-12-31'), sent('2026-12-31'::text);
SET timezone = 'America/Los_Angeles';
SELECT sent(DATE '2026-12-31'), sent('2026-12-31'::text);
RESET timezone;

-- a timestamp is cut to milliseconds
SELECT sent(t) FROM unnest(ARRAY[
	'2026-12-16 22:59:59Z', '2026-12-16 23:59:59.9999+01', '2026-12-31 23:59:59.9999Z', '1969-12-31 23:59:59.9999Z',
	'0001-01-01 00:00Z', '9999-12-31 23:59:59.999999Z', '9999-12-31 23:59:59-01', '0001-01-01 00:00+01', 'infinity', '-infinity',
	'294276-12-31 00:00Z', '4713-01-01 00:00Z BC', NULL]::timestamptz[]) AS t;

-- a text is a date or a timestamp with a zone
SELECT t, sent(t) FROM unnest(ARRAY[
	'2026-12-16', ' 2026-12-16 ', E'2026-12-16\n', '2026-12-16T22:59:59Z', '2026-12-16t22:59:59z', '2026-12-16 22:59:59+00',
	'2026-12-16 23:59:59+01', '2026-12-16T23:59:59.5+01:00', '2026-12-16 23:59 Europe/Rome', '2026-07-16 23:59 CEST',
	'2026-12-16 24:00:00Z', '2026-12-16 17:59:59-05:00']) AS t;
SELECT sent('2026-12-16 23:59:59+01'::timestamptz::text) AS own_output;
SELECT t, sent(t) FROM unnest(ARRAY[
	'', ' ', '2026-12-16T22:59:59', '2026-12-16 22:59', '2026-12-16 22:59:59.123', '16/12/2026', '12/16/2026', '2026-2-3', '20261216',
	'2026-02-29', '2026-02-30T00:00:00Z', '2026-13-01', '2026-12-32', '2026-00-10', '0000-01-01', '2026-12-16 25:00:00Z', '2026-12-16 10:61:00Z',
	'2026-12-16 +01', '2026-12-16 BC', '2026-12-16 10:00+01 BC', 'infinity', '-infinity', 'today', 'now', 'tomorrow', 'epoch', 'allballs',
	'2026-12-16 10:00 Mars/Olympus', '2026-12-16 10:00+99', '10000-01-01', '10000-01-01T00:00:00Z', 'RSSMRA80A01H501U',
	'2026-12-16 10:00Z RSSMRA80A01H501U', '2026-12-16 RSSMRA80A01H501U', '2026-12-16 10:00 RSSMRA/AAAH', '2026-12-16 10:00 CET CET',
	'2026-12-16 10:00 today', '2026-12-16 10:00Z+01', '2026-12-16 10:00 +01 +01']) AS t;
SELECT sent(repeat('9', 5000)) AS long_text, sent('2026-12-16 10:00Z' || repeat(' x', 60)) AS long_tail;
-- whatever DateStyle
SET datestyle = 'SQL, DMY';
SELECT sent('2026-03-04'::text), sent('2026-03-04 10:00Z'::text), sent(DATE '2026-03-04');
SET datestyle = 'Postgres, MDY';
SELECT sent('2026-03-04'::text), sent('2026-03-04 10:00Z'::text), sent(DATE '2026-03-04');
SET datestyle = 'ISO, DMY';

-- every day of some years: the last second of the day in Italy, by other means
SELECT count(*), count(DISTINCT right(sent(d), 14)) AS times,
       count(*) FILTER (WHERE sent(d)::timestamptz <> (d + time '23:59:59') AT TIME ZONE 'Europe/Rome') AS wrong
  FROM (SELECT generate_series(DATE '2025-12-01', DATE '2028-03-31', interval '1 day')::date AS d) x;

-- in IO's own form only what IO documents
CREATE FUNCTION sent_json(due text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	new_id bigint;
BEGIN
	new_id := io_enqueue_message(jsonb_build_object('fiscal_code', 'RSSMRA80A01H501U', 'content',
		jsonb_build_object('subject', 'Avviso TARI 2026', 'markdown', repeat('m', 80), 'due_date', due)));
	RETURN (SELECT b.body #>> '{content,due_date}' FROM io_msg.body b WHERE b.id = new_id);
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s %s', SQLSTATE, SQLERRM);
END $$;
SELECT t, sent_json(t) FROM unnest(ARRAY[
	'2026-12-16T22:59:59Z', '2026-12-16T22:59:59.000Z', '2026-12-16T23:59:59+01:00', '2026-12-16T23:59:59.123456789+01:00',
	'2026-12-16', '2026-12-16T22:59:59', '2026-12-16 22:59:59Z', '2026-12-16T23:59:59+01', '2026-02-30T00:00:00Z',
	'2026-12-16T24:00:00Z', '0000-01-01T00:00:00Z', '0001-01-01T00:00:00+01:00', '10000-01-01T00:00:00Z', 'x', '']) AS t;
DROP FUNCTION sent(anyelement);
DROP FUNCTION sent_json(text);
DELETE FROM io_msg.service;
TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending;
