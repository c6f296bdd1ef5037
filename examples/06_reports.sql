/*
 * 06_reports.sql
 *    Who was reached, who was not, and why.
 */

-- Our status and IO's, side by side.
SELECT status, io_status, count(*) AS messages
  FROM io_msg.message
 GROUP BY status, io_status
 ORDER BY messages DESC, status, io_status;

-- Each service: what happened to its messages, and which share could be reached.
SELECT service, sum(messages) AS messages, sum(sent) AS sent, sum(io_processed) AS processed,
       sum(not_allowed) AS not_allowed, sum(failed + uncertain + expired) AS to_look_at,
       sum(queued + sending) AS waiting
  FROM io_msg.daily_report
 GROUP BY service
 ORDER BY service;

-- Why messages did not go.
SELECT reason, explanation, count(*) AS messages
  FROM io_msg.message
 WHERE status NOT IN ('queued', 'sending', 'sent')
 GROUP BY reason, explanation
 ORDER BY messages DESC, reason;

-- The paper letters: notices whose debtor cannot be reached on IO.
SELECT n.service, count(*) AS letters, round(sum(n.amount) / 100.0, 2) AS euros
  FROM notice AS n
  LEFT JOIN io_msg.unreachable AS u ON u.reference = n.notice_number
 WHERE u.id IS NOT NULL OR length(n.fiscal_code) <> 16
 GROUP BY n.service
 ORDER BY n.service;

-- What it cost: calls to IO for each message sent.
SELECT profile_calls, message_calls, status_calls, sent, calls_per_sent, throttled
  FROM io_msg.stat;
