/* ----------------------------------------------------------------------
 * What people query.
 *
 * Views of the extension's owner over tables that nobody else may read.
 * Nothing is granted here: io_grant does that.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW io_msg.message WITH (security_barrier) AS
	SELECT o.id, s.name AS service, o.fiscal_code, o.reference, o.lot,
	       CASE WHEN o.status = 'queued' AND p.id IS NULL THEN 'sending' ELSE o.status END AS status,
	       o.io_status, o.read_status, o.payment_status, o.message_id,
	       split_part(o.reason, ': ', 1) AS reason, io_msg.reason_text(o.reason) AS explanation,
	       o.priority, o.created_at, o.due_at, o.expires_at,
	       CASE WHEN o.status = 'sent' THEN o.settled_at END AS sent_at,
	       o.settled_at, o.io_status_at, o.attempts, o.http_status,
	       o.status = 'queued' AND p.id IS NOT NULL
	       AND (h.armed IS NOT TRUE OR o.generation <> h.generation
	            OR o.timeline <> coalesce(h.timeline, o.timeline)) AS held,
	       o.due_date, o.dedup_key, o.enqueued_by, o.session_role
	  FROM io_msg.outbox AS o
	  LEFT JOIN io_msg.service AS s ON s.id = o.service_id
	 CROSS JOIN io_msg.present() AS h
	  LEFT JOIN io_msg.pending AS p ON p.generation = o.generation AND p.timeline = o.timeline
	   AND p.service_id = o.service_id AND p.priority = o.priority
	   AND p.due_at = o.due_at AND p.id = o.id
	 WHERE o.kind = 'message';
COMMENT ON VIEW io_msg.message IS
'Each message: status is ours, io_status, read_status and payment_status are IO''s. due_at is when it may be sent (or tried again), settled_at when it left our hands, sent_at the same for what IO accepted. held: it comes from another copy of this database or an earlier timeline, or this database is not armed. reason is a stable code, explanation the same in words. No content.';

CREATE VIEW io_msg.daily_report AS
	SELECT (o.created_at AT TIME ZONE 'Europe/Rome')::date AS day, s.name AS service, o.lot,
	       count(*) AS messages,
	       count(*) FILTER (WHERE o.status = 'queued' AND p.id IS NOT NULL) AS queued,
	       count(*) FILTER (WHERE o.status = 'queued' AND p.id IS NULL) AS sending,
	       count(*) FILTER (WHERE o.status = 'sent') AS sent,
	       count(*) FILTER (WHERE o.status = 'failed') AS failed,
	       count(*) FILTER (WHERE o.status = 'uncertain') AS uncertain,
	       count(*) FILTER (WHERE o.status = 'not_allowed') AS not_allowed,
	       count(*) FILTER (WHERE o.status = 'expired') AS expired,
	       count(*) FILTER (WHERE o.status = 'cancelled') AS cancelled,
	       count(*) FILTER (WHERE o.status = 'sent'
	         AND coalesce(o.io_status, '') NOT IN ('PROCESSED', 'REJECTED', 'FAILED')) AS io_open,
	       count(*) FILTER (WHERE o.io_status = 'PROCESSED') AS io_processed,
	       count(*) FILTER (WHERE o.io_status = 'REJECTED') AS io_rejected,
	       count(*) FILTER (WHERE o.io_status = 'FAILED') AS io_failed,
	       count(*) FILTER (WHERE o.read_status = 'READ') AS "read",
	       count(*) FILTER (WHERE o.payment_status = 'PAID') AS paid,
	       round(count(*) FILTER (WHERE o.status = 'sent' AND o.io_status IS DISTINCT FROM 'REJECTED')::numeric
	             / nullif(count(*) FILTER (WHERE o.status = 'sent' OR o.status = 'not_allowed'
	                AND o.reason IS DISTINCT FROM 'not_in_only_recipients'), 0), 4)
	       AS reachable_share
	  FROM io_msg.outbox AS o LEFT JOIN io_msg.service AS s ON s.id = o.service_id
	  LEFT JOIN io_msg.pending AS p ON p.generation = o.generation AND p.timeline = o.timeline
	   AND p.service_id = o.service_id AND p.priority = o.priority
	   AND p.due_at = o.due_at AND p.id = o.id
	 WHERE o.kind = 'message'
	 GROUP BY 1, 2, 3;
COMMENT ON VIEW io_msg.daily_report IS
'Messages by the day on which they were enqueued (Europe/Rome), service and lot: by our status, by IO''s, read and paid. io_open: sent, IO has not decided. reachable_share, 0 to 1: of those about whom IO told us, the part not refused by profile or IO; null when IO told nothing.';

CREATE VIEW io_msg.queue AS
	WITH here AS (SELECT h.generation, h.timeline, h.armed, clock_timestamp() AS at FROM io_msg.present() AS h),
	waiting AS (
		SELECT p.service_id,
		       count(*) FILTER (WHERE c.claimable AND p.due_at <= h.at) AS due,
		       count(*) FILTER (WHERE c.claimable AND p.due_at > h.at) AS scheduled,
		       count(*) FILTER (WHERE NOT c.claimable) AS held,
		       min(p.due_at) FILTER (WHERE c.claimable AND p.due_at <= h.at) AS oldest_due_at,
		       min(p.due_at) FILTER (WHERE c.claimable AND p.due_at > h.at) AS next_due_at
		  FROM io_msg.pending AS p CROSS JOIN here AS h
		 CROSS JOIN LATERAL (SELECT h.armed IS TRUE AND p.generation = h.generation
		         AND p.timeline = coalesce(h.timeline, p.timeline) AS claimable) AS c
		 GROUP BY p.service_id),
	taken AS (
		SELECT o.service_id, count(*) AS sending
		  FROM io_msg.drainer AS d
		 CROSS JOIN LATERAL unnest(d.in_flight || d.orphans) AS i (id)
		  JOIN io_msg.outbox AS o ON o.id = i.id AND o.status = 'queued'
		 GROUP BY o.service_id),
	doubt AS (
		SELECT o.service_id, count(*) AS uncertain
		  FROM io_msg.uncertain AS u JOIN io_msg.outbox AS o ON o.id = u.id
		 GROUP BY o.service_id),
	settled AS (
		SELECT o.service_id, count(*) / 60.0 AS settled_per_s
		  FROM io_msg.outbox AS o CROSS JOIN here AS h
		 WHERE o.settled_at > h.at - interval '1 min'
		 GROUP BY o.service_id)
	SELECT s.name AS service, coalesce(w.due, 0) AS due, coalesce(w.scheduled, 0) AS scheduled,
	       coalesce(w.held, 0) AS held, coalesce(t.sending, 0) AS sending,
	       coalesce(u.uncertain, 0) AS uncertain, w.oldest_due_at,
	       h.at - w.oldest_due_at AS oldest_due_age, w.next_due_at,
	       round(coalesce(d.settled_per_s, 0), 2) AS settled_per_s,
	       CASE WHEN coalesce(w.due, 0) > 0 THEN
	            h.at + make_interval(secs => (w.due / nullif(d.settled_per_s, 0))::double precision)
	       END AS expected_end_at,
	       coalesce(io_msg.why_database_waits(), io_msg.why_service_waits(s.id)) AS waits_because
	  FROM io_msg.service AS s
	  LEFT JOIN waiting AS w ON w.service_id = s.id
	  LEFT JOIN taken AS t ON t.service_id = s.id
	  LEFT JOIN doubt AS u ON u.service_id = s.id
	  LEFT JOIN settled AS d ON d.service_id = s.id
	 CROSS JOIN here AS h;
COMMENT ON VIEW io_msg.queue IS
'Each service: rows due now, scheduled for later (retries included), held, being sent, uncertain; since when the oldest due row waits; how many rows a second left our hands over the last minute, and when what is due now would be through at that rate; why nothing leaves at the moment (null: it flows). Messages and profile checks. Reads the whole outbox.';

CREATE VIEW io_msg.message_attempt WITH (security_barrier) AS
	SELECT t.id, s.name AS service, o.reference, t.number, t.marked_at, t.ended_at, t.class, t.reason,
	       io_msg.reason_text(t.reason) AS explanation, t.http_status, t.duration_ms, t.phase, t.key
	  FROM io_msg.attempt AS t JOIN io_msg.outbox AS o ON o.id = t.id
	  LEFT JOIN io_msg.service AS s ON s.id = o.service_id;
COMMENT ON VIEW io_msg.message_attempt IS
'For support: the attempts to send a message that did not simply end in sent, with the words for the reason. No content and no fiscal code.';

CREATE VIEW io_msg.unreachable WITH (security_barrier) AS
	SELECT o.id, s.name AS service, o.fiscal_code, o.reference, o.lot,
	       CASE WHEN o.status = 'not_allowed' THEN io_msg.reason_text(o.reason)
	            ELSE 'IO did not deliver it: the person is not on IO or does not want messages of the service'
	       END AS why,
	       CASE WHEN o.status = 'not_allowed' THEN o.settled_at ELSE o.io_status_at END AS since
	  FROM io_msg.outbox AS o LEFT JOIN io_msg.service AS s ON s.id = o.service_id
	 WHERE o.kind = 'message'
	   AND (o.status = 'not_allowed' AND o.reason IS DISTINCT FROM 'not_in_only_recipients'
	        OR o.status = 'sent' AND o.io_status = 'REJECTED');
COMMENT ON VIEW io_msg.unreachable IS
'Messages that did not reach their person on IO, for the paper letter: not on IO, inbox off or service not wanted, found before sending (our not_allowed) or after (IO''s REJECTED).';

CREATE VIEW io_msg.account_in_force AS
	SELECT s.name AS service, a.name AS account,
	       coalesce(a.base_url, 'https://api.io.pagopa.it/api/v1') AS base_url,
	       coalesce(a.quota_calls, 150) AS quota_calls,
	       coalesce(a.quota_period, '5 s'::interval) AS quota_period,
	       a.proxy
	  FROM io_msg.service AS s LEFT JOIN io_msg.account AS a ON a.name = s.account;
COMMENT ON VIEW io_msg.account_in_force IS
'Where each service''s calls go and how many are allowed. account is null where IO''s official values hold; services without account share one quota.';

CREATE VIEW io_msg.stat AS
	SELECT c.profile_calls, c.message_calls, c.status_calls, c.sent, c.not_allowed, c.failed,
	       c.retried, c.uncertain, c.throttled,
	       round(c.latency_us / 1000.0 / nullif(c.message_calls, 0), 3) AS mean_latency_ms,
	       round((c.profile_calls + c.message_calls + c.status_calls)::numeric
	             / nullif(c.sent, 0), 3) AS calls_per_sent
	  FROM io_msg.counters() AS c;
COMMENT ON VIEW io_msg.stat IS
'What this database''s worker did since the server started: calls by kind, outcomes, mean time to answer of message calls in ms, and calls of all kinds for each message sent.';
