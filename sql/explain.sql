/* ----------------------------------------------------------------------
 * Why: in words, for people and for monitoring.  Neither content nor fiscal
 * codes are shown here.
 */

/*
 * The reasons that rows and stopped services carry.  Those of the first part
 * are what src/core/verdict.h makes of an answer of IO, in the same words;
 * those of the second the extension's own.  What follows ": " is a detail.
 */
CREATE FUNCTION io_msg.reason_text(reason text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE split_part($1, ': ', 1)
		WHEN 'accepted' THEN 'IO accepted the message'
		WHEN 'accepted_without_id' THEN 'IO accepted the message, but its id could not be read'
		WHEN 'amount_over_maximum' THEN 'the amount is above what IO allows this service'
		WHEN 'answer_unreadable' THEN 'the answer of IO could not be read'
		WHEN 'attachments_not_advanced' THEN 'attachments need a message of type ADVANCED'
		WHEN 'configuration_missing' THEN 'the third-party data has no configuration id'
		WHEN 'configuration_not_own' THEN 'the configuration id belongs to another organization'
		WHEN 'configuration_unknown' THEN 'IO does not know the configuration id'
		WHEN 'eu_covid_cert_not_allowed' THEN 'the organization may not send this kind of message'
		WHEN 'forbidden' THEN 'IO refuses the service: check its state, its groups and the addresses it may call from'
		WHEN 'forbidden_by_gateway' THEN 'IO''s gateway refuses the calls: check the client certificate and the network'
		WHEN 'gateway_error' THEN 'IO''s gateway could not reach its back end'
		WHEN 'guard_refused' THEN 'the request was held back before anything was sent'
		WHEN 'invalid_request' THEN 'IO found the request not valid'
		WHEN 'key_refused' THEN 'IO does not accept the service''s key'
		WHEN 'malformed_json' THEN 'IO could not parse the request'
		WHEN 'message_not_found' THEN 'IO does not know the message'
		WHEN 'message_not_own' THEN 'the message was sent by another service'
		WHEN 'no_answer' THEN 'the request was sent, but no answer arrived'
		WHEN 'no_profile' THEN 'the person is not on IO or has the inbox switched off'
		WHEN 'not_found' THEN 'IO answered that something was not found'
		WHEN 'not_sent' THEN 'the connection failed before anything was sent'
		WHEN 'payee_not_allowed' THEN 'the organization may not name a payee'
		WHEN 'premium_not_allowed' THEN 'the organization may not send messages of type ADVANCED'
		WHEN 'recipient_forbidden' THEN 'the service may not write to this recipient'
		WHEN 'redirected' THEN 'IO''s address answers with a redirect: check the URL'
		WHEN 'resend_stopped' THEN 'the connection broke and a second sending was stopped: the first may have arrived'
		WHEN 'route_unknown' THEN 'IO''s gateway does not know the path: check the URL'
		WHEN 'sender_allowed' THEN 'the person may be written to'
		WHEN 'sender_not_allowed' THEN 'the person does not want messages of the service'
		WHEN 'server_error' THEN 'IO had an internal error and did not take the request'
		WHEN 'server_error_unexplained' THEN 'an internal error was reported, but not by IO''s back end'
		WHEN 'status_read' THEN 'IO told the status of the message'
		WHEN 'third_party_not_allowed' THEN 'the organization may not send third-party data'
		WHEN 'throttled' THEN 'the quota of calls was used up'
		WHEN 'too_large' THEN 'the request was too large'
		WHEN 'unexpected_status' THEN 'the answer had a status that IO does not document'

		WHEN 'cancelled' THEN 'a person cancelled it'
		WHEN 'dry_run' THEN 'the service is in dry run, and nothing was sent'
		WHEN 'not_in_only_recipients' THEN 'the recipient is not among the only_recipients of the service'
		WHEN 'expired' THEN 'its time was over before it could be sent'
		WHEN 'attempts_exhausted' THEN 'IO did not take it in as many attempts as are allowed'
		WHEN 'content_not_read' THEN 'its content could not be read for a moment'
		WHEN 'content_unreadable' THEN 'its content could not be read'
		WHEN 'maybe_accepted' THEN 'an earlier request may have been accepted, and no other was'
		WHEN 'mark_unconfirmed' THEN 'no standby had confirmed that it was about to be sent'
		WHEN 'being_verified' THEN 'IO is asked about the message id that a person gave'
		WHEN 'not_verified' THEN 'IO does not know the message id that a person gave'
		WHEN 'resolved_sent' THEN 'a person found that IO had accepted it'
		WHEN 'resolved_not_sent' THEN 'a person found that IO had not accepted it'
		WHEN 'mark_interrupted' THEN 'the worker was interrupted before it was sent'
		WHEN 'service_stopped' THEN 'its service stopped before it was sent'
		WHEN 'stopped_before_sending' THEN 'the worker stopped before it was sent'
		WHEN 'stale_mark' THEN 'the worker was held up, and nothing was sent'
		WHEN 'body_missing' THEN 'its content is no longer there'
		WHEN 'interrupted' THEN 'the worker was cut off while it was being sent'
		WHEN 'interrupted_elsewhere' THEN 'it was being sent where this database was copied from'
		WHEN 'no_key' THEN 'the key file has no usable key for the service'
		WHEN 'host_not_allowed' THEN 'the address is not among io_msg.allowed_hosts'
		ELSE 'the reason is not known'
		END || CASE WHEN $1 LIKE '%: %' THEN substr($1, strpos($1, ': ')) ELSE '' END
$$;
REVOKE ALL ON FUNCTION io_msg.reason_text(text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.reason_text(text) IS
'A reason, as outbox and service_stop hold it, in words; null for null.';

CREATE FUNCTION io_msg.in_words(at timestamptz) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT to_char($1, 'YYYY-MM-DD HH24:MI:SS TZ') $$;
REVOKE ALL ON FUNCTION io_msg.in_words(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.in_words(timestamptz) IS 'A time, to the second, in the session''s time zone.';

/* In one statement, so that both tables are seen at one moment. */
CREATE FUNCTION io_msg.is_being_sent(o io_msg.outbox) RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM io_msg.outbox AS r
		 WHERE r.id = $1.id AND r.status = 'queued' AND $1.status = 'queued'
		   AND NOT EXISTS (SELECT FROM io_msg.pending AS p
		        WHERE p.generation = r.generation AND p.timeline = r.timeline
		          AND p.service_id = r.service_id AND p.priority = r.priority
		          AND p.due_at = r.due_at AND p.id = r.id))
$$;
REVOKE ALL ON FUNCTION io_msg.is_being_sent(io_msg.outbox) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.is_being_sent(io_msg.outbox) IS
'Whether a row of outbox is being sent: queued, and its row in pending is taken.';

CREATE FUNCTION io_msg.is_logged() RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NOT EXISTS (SELECT FROM pg_class AS c
	                    WHERE c.oid IN ('io_msg.outbox'::regclass, 'io_msg.body'::regclass, 'io_msg.pending'::regclass,
	                                    'io_msg.uncertain'::regclass, 'io_msg.attempt'::regclass, 'io_msg.dedup_key'::regclass,
	                                    'io_msg.drainer'::regclass, 'io_msg.installation'::regclass)
	                      AND c.relpersistence <> 'p')
$$;
REVOKE ALL ON FUNCTION io_msg.is_logged() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.is_logged() IS
'Whether the tables that say what was sent survive a crash: none has been made UNLOGGED.';

CREATE FUNCTION io_msg.why_database_waits() RETURNS text
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN w.in_recovery THEN 'this server is a standby, and only its primary sends'
		WHEN h.armed IS NOT TRUE THEN 'this database is not armed: it is a copy of the one that was, or has moved (io_arm makes it a sender)'
		WHEN NOT w.preloaded THEN 'the library is not loaded at server start (shared_preload_libraries)'
		WHEN w.launcher_pid IS NULL THEN 'io_msg''s launcher is not running'
		WHEN lower(current_setting('io_msg.enabled', true)) = 'off' THEN 'io_msg.enabled is off'
		WHEN h.paused THEN 'the whole database is paused (io_resume lets it go on)'
		WHEN io_msg.crash_loop() THEN 'the worker was cut off three times within 10 minutes (the server log says why; io_resume lets it go on)'
		WHEN NOT io_msg.is_logged() THEN 'a table of io_msg is unlogged, so that a crash would lose what was sent (ALTER TABLE ... SET LOGGED mends it)'
		WHEN w.failures > 0 THEN format('the worker failed %s times in a row, last with SQLSTATE %s (the server log says more)',
			w.failures, w.last_sqlstate)
		WHEN w.transaction_failures >= 3 THEN format('the transactions of the worker fail since %s, last with SQLSTATE %s (the server log says more)',
			io_msg.in_words(w.failing_since), w.transaction_sqlstate)
		WHEN w.awaits_standby AND w.heartbeat < clock_timestamp() - interval '2 s' THEN
			format('the worker waits for a synchronous standby since %s', io_msg.in_words(w.heartbeat))
		WHEN w.state = 'running' AND NOT w.awaits_standby AND w.heartbeat < clock_timestamp() - interval '8 s' THEN
			format('the worker has done nothing since %s', io_msg.in_words(w.heartbeat))
		END
	  FROM io_msg.worker_state() AS w CROSS JOIN io_msg.present() AS h
$$;
REVOKE ALL ON FUNCTION io_msg.why_database_waits() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.why_database_waits() IS
'Why nothing at all leaves this database, in words; null when something can.';

CREATE FUNCTION io_msg.key_problem(state text) RETURNS text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE $1
		WHEN 'ok' THEN NULL
		WHEN 'no_file' THEN 'the key file does not exist'
		WHEN 'unreadable' THEN 'the key file cannot be read'
		WHEN 'unsafe' THEN 'the key file is refused: others can read it, or it lies in the data directory'
		WHEN 'no_line' THEN 'the key file has no line for it'
		WHEN 'malformed' THEN 'its line in the key file is malformed'
		ELSE 'its key cannot be used (' || $1 || ')'
		END
$$;
REVOKE ALL ON FUNCTION io_msg.key_problem(text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.key_problem(text) IS 'A result of io_msg.key_state in words; null for ok.';

CREATE FUNCTION io_msg.why_service_waits(service_id integer) RETURNS text
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN s.paused THEN format('the service "%s" is paused (io_resume lets it go on)', s.name)
		WHEN t.service_id IS NOT NULL THEN format('the service "%s" is stopped since %s: %s%s', s.name,
			io_msg.in_words(t.stopped_at), io_msg.reason_text(t.reason),
			CASE WHEN t.http_status IS NOT NULL THEN format(' (HTTP status %s)', t.http_status) ELSE '' END)
		WHEN s.dry_run THEN NULL
		WHEN NOT h.allowed THEN format('the address of the service "%s" may not be called: its host or its proxy''s is not among io_msg.allowed_hosts, or it is http beyond the loopback', s.name)
		WHEN k.state <> 'ok' THEN format('the service "%s" has no key: %s', s.name, io_msg.key_problem(k.state))
		WHEN w.host_failures > 0 THEN format('%s could not be reached, %s times in a row', b.url, w.host_failures)
		WHEN w.throttled_until IS NOT NULL THEN
			format('IO takes nothing more from the account until %s (HTTP status 429)', io_msg.in_words(w.throttled_until))
		WHEN u.until > clock_timestamp() THEN
			format('the service "%s" waits until %s after several answers of IO that decide nothing', s.name, io_msg.in_words(u.until))
		END
	  FROM io_msg.service AS s
	  LEFT JOIN io_msg.service_stop AS t ON t.service_id = s.id
	  LEFT JOIN io_msg.account AS a ON a.name = s.account
	 CROSS JOIN LATERAL (SELECT io_msg.key_state(s.name) AS state) AS k
	 CROSS JOIN LATERAL (SELECT coalesce(a.base_url, 'https://api.io.pagopa.it/api/v1') AS url) AS b
	 CROSS JOIN LATERAL (SELECT io_msg.host_allowed(b.url, a.proxy) AS allowed) AS h
	 CROSS JOIN LATERAL io_msg.account_state(a.name, b.url) AS w
	 CROSS JOIN LATERAL (SELECT io_msg.service_pause(s.id) AS until) AS u
	 WHERE s.id = $1
$$;
REVOKE ALL ON FUNCTION io_msg.why_service_waits(integer) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.why_service_waits(integer) IS
'Why nothing leaves for one service, in words; null when it can send.';

CREATE FUNCTION io_msg.explain_queued(o io_msg.outbox) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	s io_msg.service;
	now CONSTANT timestamptz := clock_timestamp();
	told text;
	wait text;
BEGIN
	SELECT * INTO here FROM io_msg.present();
	SELECT v.* INTO s FROM io_msg.service AS v WHERE v.id = o.service_id;
	IF here.armed AND o.generation <> here.generation THEN
		RETURN 'is queued and held: it was enqueued in another copy of this database, or before this one was armed, and may have been sent there; io_release lets it go';
	ELSIF here.armed AND o.timeline <> here.timeline THEN
		RETURN 'is queued and held: it was enqueued before this server was promoted or recovered to an earlier time, and may have been sent already; io_release lets it go';
	END IF;
	told := CASE
		WHEN o.expires_at <= now THEN format('is queued, but its time was over at %s', io_msg.in_words(o.expires_at))
		WHEN o.due_at > now AND (o.attempts > 0 OR o.reason IS NOT NULL) THEN
			format('is queued after %s: %s; it will be tried again at %s', io_msg.tries(o.attempts),
			       io_msg.reason_text(o.reason), io_msg.in_words(o.due_at))
		WHEN o.due_at > now THEN format('is queued for %s', io_msg.in_words(o.due_at))
		ELSE 'is queued and due' END;
	IF o.expires_at > now THEN
		told := told || CASE WHEN o.expires_at < o.due_at THEN ', but expires before, at ' ELSE ', and expires at ' END
			|| io_msg.in_words(o.expires_at);
	END IF;
	wait := coalesce(io_msg.why_database_waits(), io_msg.why_service_waits(o.service_id));
	RETURN told || CASE
		WHEN wait IS NOT NULL THEN '; nothing leaves, for ' || wait
		WHEN o.expires_at <= now THEN '; the worker sets it to expired when its turn comes'
		WHEN s.dry_run THEN format('; the service "%s" is in dry run: it will be finished without any call to IO', s.name)
		WHEN o.fiscal_code <> ALL (s.only_recipients) THEN
			format('; its recipient is not among the only_recipients of the service "%s": it will be finished without any call to IO', s.name)
		WHEN o.due_at <= now THEN '; the worker takes it when its turn comes'
		ELSE '' END;
END
$$;
REVOKE ALL ON FUNCTION io_msg.explain_queued(io_msg.outbox) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.explain_queued(io_msg.outbox) IS 'The part of io_explain for a queued row.';

CREATE FUNCTION io_msg.tries(attempts integer) RETURNS text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE $1 WHEN 0 THEN 'an attempt that did not reach IO' WHEN 1 THEN '1 attempt' ELSE $1 || ' attempts' END $$;
REVOKE ALL ON FUNCTION io_msg.tries(integer) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.tries(integer) IS 'A number of counted attempts in words.';

CREATE FUNCTION io_msg.explain_sending(o io_msg.outbox) RETURNS text
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'is being sent' || CASE
		WHEN w.drainer_pid IS NOT NULL AND o.id = ANY (d.in_flight) THEN '; the answer of IO is awaited'
		WHEN o.id = ANY (d.in_flight) OR o.id = ANY (d.orphans) THEN
			', but its worker is gone and IO may have accepted it; the next worker sets it to uncertain'
		ELSE ' by the database that this row was copied from, and IO may have accepted it; io_release sets it to uncertain'
		END
	  FROM io_msg.worker_state() AS w LEFT JOIN io_msg.drainer AS d
	    ON o.id = ANY (d.in_flight) OR o.id = ANY (d.orphans)
	 LIMIT 1
$$;
REVOKE ALL ON FUNCTION io_msg.explain_sending(io_msg.outbox) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.explain_sending(io_msg.outbox) IS 'The part of io_explain for a row that is being sent.';

CREATE FUNCTION io_msg.explain_sent(o io_msg.outbox) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	next_at timestamptz;
	told text;
BEGIN
	told := format('was accepted by IO at %s', io_msg.in_words(o.settled_at)) || CASE
		WHEN o.reason = 'resolved_sent' THEN ', as a person found' ELSE '' END || CASE
		WHEN o.io_status IS NULL THEN ''
		WHEN o.io_status_at IS NULL AND o.io_status = 'ACCEPTED' THEN ' (ACCEPTED)'
		WHEN o.io_status = 'PROCESSED' THEN ' and is in the person''s inbox (PROCESSED)'
		WHEN o.io_status = 'REJECTED' THEN ', but not delivered: the person is not on IO or does not want messages of the service (REJECTED)'
		WHEN o.io_status = 'FAILED' THEN ', but IO could not process it (FAILED)'
		ELSE format(', and its status at IO was %s at %s', o.io_status, io_msg.in_words(o.io_status_at)) END
		|| CASE o.read_status WHEN 'READ' THEN ', read' WHEN 'UNREAD' THEN ', unread' ELSE '' END
		|| CASE o.payment_status WHEN 'PAID' THEN ', paid' WHEN 'NOT_PAID' THEN ', not paid' ELSE '' END;
	SELECT q.due_at INTO next_at FROM io_msg.poll AS q
	 WHERE q.generation = o.generation AND q.timeline = o.timeline
	   AND q.service_id = o.service_id AND q.due_at = o.due_at AND o.id = ANY (q.ids);
	IF next_at IS NULL THEN
		RETURN told || CASE WHEN o.message_id IS NULL
		                    THEN '; its id at IO is not known, so its status cannot be asked for'
		                    ELSE '; IO is not asked again' END;
	END IF;
	SELECT * INTO here FROM io_msg.present();
	IF here.generation <> o.generation OR here.timeline <> o.timeline THEN
		RETURN told || '; its status is not asked for here, as the row comes from another copy or an earlier timeline; io_release lets it go';
	END IF;
	RETURN told || coalesce('; IO is not asked, for ' ||
		coalesce(io_msg.why_database_waits(), io_msg.why_service_waits(o.service_id)),
		CASE WHEN next_at > clock_timestamp() THEN '; its status is asked for again at ' || io_msg.in_words(next_at)
		     ELSE '; its status is asked for when the quota has room' END);
END
$$;
REVOKE ALL ON FUNCTION io_msg.explain_sent(io_msg.outbox) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.explain_sent(io_msg.outbox) IS 'The part of io_explain for a row that IO accepted.';

CREATE FUNCTION io_explain(id bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o io_msg.outbox;
	settled text;
	why text;
BEGIN
	SELECT r.* INTO o FROM io_msg.outbox AS r WHERE r.id = io_explain.id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'message % does not exist', io_explain.id USING ERRCODE = 'no_data_found';
	END IF;
	settled := io_msg.in_words(o.settled_at);
	why := coalesce(': ' || io_msg.reason_text(o.reason), '')
		|| coalesce(' (HTTP status ' || nullif(o.http_status, 0) || ')', '');
	IF io_msg.is_being_sent(o) THEN
		o.status := 'sending';
	END IF;
	RETURN CASE o.kind WHEN 'message' THEN 'message ' ELSE 'profile check ' END || o.id || ' ' || CASE o.status
		WHEN 'queued' THEN io_msg.explain_queued(o)
		WHEN 'sending' THEN io_msg.explain_sending(o)
		WHEN 'sent' THEN io_msg.explain_sent(o)
		WHEN 'failed' THEN format('failed at %s after %s%s; io_retry puts it back', settled, io_msg.tries(o.attempts), why)
		WHEN 'uncertain' THEN format('is uncertain since %s%s; IO may have accepted it, so it is not sent again until a person decides (io_resolve)', settled, why)
		WHEN 'not_allowed' THEN format('was not sent%s, as found at %s; io_retry tries again', why, settled)
		WHEN 'expired' THEN format('expired at %s before it could be sent; io_retry sends it all the same', io_msg.in_words(o.expires_at))
		WHEN 'cancelled' THEN format('was finished at %s without being sent%s', settled, why)
		WHEN 'checked' THEN format('was answered by IO at %s; the answer is in io_msg.profile', settled)
		END;
END
$$;
REVOKE ALL ON FUNCTION io_explain(bigint) FROM PUBLIC;
COMMENT ON FUNCTION io_explain(bigint) IS
'One sentence: where a message or profile check stands, why, and what happens next and when, in the session''s time zone. Shows neither content nor fiscal code. Error: P0002 no such id.';
