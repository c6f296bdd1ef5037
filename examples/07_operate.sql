/*
 * 07_operate.sql
 *    What an operator does on a working day.
 */

-- Is anything wrong?  The worst comes first; code is stable, for monitoring.
SELECT severity, code, problem, hint
  FROM io_health();

-- How long is the queue, when will it be through, and what holds it up?
SELECT service, due, scheduled, sending, uncertain, oldest_due_age, expected_end_at, waits_because
  FROM io_msg.queue;

-- Stop a service, and let it go on.  Messages can be enqueued meanwhile.
SELECT io_pause('mensa', reason => 'wrong prices in the last lot');
SELECT io_resume('mensa', reason => 'prices mended');

-- One notice: where does its message stand, and what happens next?
SELECT io_explain(m.id)
  FROM io_msg.message AS m
  JOIN notice AS n ON n.notice_number = m.reference
 ORDER BY m.id
 LIMIT 1;

-- Take back what has not left: a lot, or a single message with io_cancel(id).
SELECT io_cancel_lot('2027-12', reason => 'the due date was moved');

-- Put back what failed, once its cause is gone.
SELECT io_retry(id, reason => 'maximum amount raised at IO')
  FROM io_msg.message
 WHERE status = 'failed' AND reason = 'amount_over_maximum';

-- Messages whose outcome is not known: a person has to look (README, Uncertain).
SELECT id, service, reference, settled_at, explanation
  FROM io_msg.message
 WHERE status = 'uncertain'
 ORDER BY settled_at;

-- Who did what.
SELECT at, action, role_name, detail, reason
  FROM io_msg.audit
 ORDER BY at DESC
 LIMIT 10;
