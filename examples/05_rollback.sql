/*
 * 05_rollback.sql
 *    A mistake that is noticed in time: what is rolled back was never a message.
 */
BEGIN;

-- 100 notices of another office, by the look of their numbers.
INSERT INTO notice
SELECT overlay(notice_number PLACING '99' FROM 2 FOR 2), service, debtor, fiscal_code,
       description, amount, due_date
  FROM notice
 WHERE service = 'tari'
 ORDER BY notice_number
 LIMIT 100;

SELECT count(*) AS messages_of_the_batch
  FROM io_msg.message
 WHERE reference LIKE '_99%';

ROLLBACK;

SELECT count(*) AS messages_of_the_batch
  FROM io_msg.message
 WHERE reference LIKE '_99%';
