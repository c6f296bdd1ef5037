/*
 * demo_compare.sql
 *    The rows of io_msg beside the ledger of the local IO, message by message.
 */
\set QUIET on
SET client_min_messages = warning;
DROP TABLE IF EXISTS comparison, ledger, ledger_line, citizen;

CREATE TABLE ledger_line (line jsonb);
CREATE TABLE citizen (fiscal_code text PRIMARY KEY, profile text);

-- A line of JSON is one column: neither of these characters is ever in it.
\set copy_ledger '\\copy ledger_line FROM ' :'ledger' ' WITH (FORMAT csv, QUOTE E''\\x01'', DELIMITER E''\\x02'')'
:copy_ledger
\set copy_citizens '\\copy citizen FROM ' :'citizens' ' WITH (FORMAT csv)'
:copy_citizens

CREATE TABLE ledger AS
SELECT line ->> 'id' AS message_id, line ->> 'service' AS service,
       line ->> 'fiscal_code' AS fiscal_code,
       line #>> '{content,payment_data,notice_number}' AS notice_number,
       (line #>> '{content,payment_data,amount}')::bigint AS amount,
       (line #>> '{content,due_date}')::timestamptz AS due_date
  FROM ledger_line;

CREATE TABLE comparison AS
WITH sent AS (
    SELECT m.message_id, m.service, m.fiscal_code, m.reference, n.amount,
           (n.due_date + TIME '23:59:59') AT TIME ZONE 'Europe/Rome' AS due_date
      FROM io_msg.message AS m
      JOIN notice AS n ON n.notice_number = m.reference
     WHERE m.status = 'sent'),
pair AS (
    SELECT s.message_id AS ours, l.message_id AS at_io
      FROM sent AS s
      FULL JOIN ledger AS l
        ON (l.message_id, l.service, l.fiscal_code, l.notice_number, l.amount, l.due_date)
         = (s.message_id, s.service, s.fiscal_code, s.reference, s.amount, s.due_date)),
counted (line, what, io_msg, ledger) AS (
    SELECT 1, 'sent / accepted', (SELECT count(*) FROM sent), (SELECT count(*) FROM ledger)
    UNION ALL
    SELECT 1 + row_number() OVER (ORDER BY v.name), '  ' || v.name,
           (SELECT count(*) FROM sent WHERE service = v.name),
           (SELECT count(*) FROM ledger WHERE service = v.name)
      FROM io_msg.service AS v
    UNION ALL
    SELECT 10, 'distinct notices', (SELECT count(DISTINCT reference) FROM sent),
           (SELECT count(DISTINCT notice_number) FROM ledger)
    UNION ALL
    SELECT 11, 'same id, person, notice, amount, due date',
           (SELECT count(*) FROM sent), (SELECT count(*) FROM pair WHERE ours = at_io)
    UNION ALL
    SELECT 12, 'only on one side', (SELECT count(*) FROM pair WHERE at_io IS NULL),
           (SELECT count(*) FROM pair WHERE ours IS NULL)
    UNION ALL
    SELECT 13, 'of the batch that was rolled back',
           (SELECT count(*) FROM io_msg.message WHERE reference LIKE '_99%'),
           (SELECT count(*) FROM ledger WHERE notice_number LIKE '_99%')
    UNION ALL
    SELECT 14, 'to citizens who may not be written to',
           (SELECT count(*) FROM sent JOIN citizen AS c USING (fiscal_code) WHERE c.profile <> 'allowed'),
           (SELECT count(*) FROM ledger JOIN citizen AS c USING (fiscal_code) WHERE c.profile <> 'allowed')
    UNION ALL
    SELECT 15, 'not sent to citizens who may be written to',
           (SELECT count(*) FROM io_msg.message JOIN citizen AS c USING (fiscal_code)
             WHERE c.profile = 'allowed' AND status <> 'sent'), 0
    UNION ALL
    SELECT 16, 'settled / notices', (SELECT count(*) FROM io_msg.message WHERE status IN ('sent', 'not_allowed')),
           (SELECT count(*) FROM notice))
SELECT line, what, io_msg, ledger,
       io_msg = ledger AND (line NOT BETWEEN 12 AND 15 OR io_msg = 0)
       AND (line NOT IN (1, 16) OR io_msg > 0) AS agrees
  FROM counted;

SELECT what, io_msg, ledger, CASE WHEN agrees THEN 'yes' ELSE 'NO' END AS agrees
  FROM comparison
 ORDER BY line;
