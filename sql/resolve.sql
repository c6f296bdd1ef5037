/* ----------------------------------------------------------------------
 * What a person says of a message that IO may have accepted
 *
 * The only way from uncertain to anything else, unless its service has
 * on_uncertain = 'resend'.  An id is checked with IO first, by the worker:
 * until then the row stays uncertain.
 */
CREATE FUNCTION io_msg.lock_uncertain(id bigint) RETURNS io_msg.outbox
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o io_msg.outbox;
BEGIN
	SELECT r.* INTO o FROM io_msg.outbox AS r WHERE r.id = lock_uncertain.id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'message % does not exist', lock_uncertain.id USING ERRCODE = 'no_data_found';
	END IF;
	IF o.status = 'uncertain' THEN
		SELECT r.* INTO o FROM io_msg.outbox AS r WHERE r.id = lock_uncertain.id
		   FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'message % is being changed by another transaction', lock_uncertain.id
				USING ERRCODE = 'lock_not_available', HINT = 'Try again.';
		END IF;
	END IF;
	IF o.status <> 'uncertain' THEN
		RAISE EXCEPTION 'message % is not uncertain: its status is %', lock_uncertain.id, o.status
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Only what is uncertain needs a person''s word.';
	END IF;
	RETURN o;
END
$$;
REVOKE ALL ON FUNCTION io_msg.lock_uncertain(bigint) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.lock_uncertain(bigint) IS
'An uncertain row of outbox, locked. Errors: P0002 no such id, 55000 not uncertain, 55P03 another transaction is changing it.';

CREATE FUNCTION io_msg.check_resolution(o io_msg.outbox, outcome text, message_id text, reason text)
	RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF outcome IS NULL OR outcome NOT IN ('sent', 'not_sent', 'send_again') THEN
		RAISE EXCEPTION 'outcome is not valid' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'It is one of sent, not_sent and send_again.';
	END IF;
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'reason must be given' USING ERRCODE = 'null_value_not_allowed',
			HINT = 'It is kept in io_msg.audit with your name.';
	END IF;
	IF message_id IS NOT NULL AND outcome <> 'sent' THEN
		RAISE EXCEPTION 'message_id goes with outcome sent only' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF message_id !~ '^[0-9A-HJKMNP-TV-Z]{26}$' THEN
		RAISE EXCEPTION 'message_id is not valid' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'IO''s ids have 26 digits and capital letters, without I, L, O and U.';
	END IF;
	IF message_id IS NOT NULL THEN
		/* Two people with the same id come one after the other. */
		LOCK TABLE io_msg.installation IN SHARE UPDATE EXCLUSIVE MODE;
	END IF;
	IF message_id IS NOT NULL AND EXISTS (SELECT FROM io_msg.outbox AS r
		 WHERE r.message_id = check_resolution.message_id AND r.id <> o.id) THEN
		RAISE EXCEPTION 'message_id belongs to another message' USING ERRCODE = 'unique_violation',
			HINT = 'See io_msg.message.';
	END IF;
	IF outcome = 'send_again' AND NOT EXISTS (SELECT FROM io_msg.body AS b WHERE b.id = o.id) THEN
		RAISE EXCEPTION 'message % cannot be sent again: its content has been erased', o.id
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enqueue it anew.';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION io_msg.check_resolution(io_msg.outbox, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.check_resolution(io_msg.outbox, text, text, text) IS
'Whether what io_resolve was given makes sense; where there is a message_id, reads the whole outbox. Errors: 22023, 22004 no reason, 23505 the id is another message''s, 55000 no content to send again.';

CREATE FUNCTION io_resolve(id bigint, outcome text, message_id text DEFAULT NULL, reason text DEFAULT NULL)
	RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	o io_msg.outbox;
	due CONSTANT timestamptz := clock_timestamp();
BEGIN
	o := io_msg.lock_uncertain(io_resolve.id);
	PERFORM io_msg.check_resolution(o, io_resolve.outcome, io_resolve.message_id, io_resolve.reason);
	here := io_msg.must_be_armed();
	UPDATE io_msg.outbox AS r
	   SET status = CASE WHEN io_resolve.message_id IS NOT NULL THEN 'uncertain'
	                     WHEN io_resolve.outcome = 'sent' THEN 'sent'
	                     WHEN io_resolve.outcome = 'not_sent' THEN 'failed' ELSE 'queued' END,
	       reason = CASE WHEN io_resolve.message_id IS NOT NULL THEN 'being_verified'
	                     WHEN io_resolve.outcome = 'sent' THEN 'resolved_sent'
	                     WHEN io_resolve.outcome = 'not_sent' THEN 'resolved_not_sent'
	                     /* The first may have been accepted, whatever becomes of the next. */
	                     ELSE 'maybe_accepted' END,
	       message_id = io_resolve.message_id,
	       settled_at = CASE WHEN io_resolve.message_id IS NOT NULL THEN r.settled_at
	                         WHEN io_resolve.outcome <> 'send_again' THEN due END,
	       attempts = CASE WHEN io_resolve.outcome = 'send_again' THEN 0 ELSE r.attempts END,
	       expires_at = CASE WHEN io_resolve.outcome <> 'send_again' OR r.expires_at > due THEN r.expires_at END,
	       generation = here.generation, timeline = here.timeline, due_at = due, polls = 0
	 WHERE r.id = o.id;
	IF io_resolve.message_id IS NOT NULL THEN
		INSERT INTO io_msg.poll (generation, timeline, service_id, due_at, first_id, ids)
		VALUES (here.generation, here.timeline, o.service_id, due, o.id, ARRAY[o.id]);
	ELSE
		DELETE FROM io_msg.uncertain AS u WHERE u.id = o.id;
	END IF;
	IF io_resolve.outcome = 'send_again' THEN
		INSERT INTO io_msg.pending (generation, timeline, service_id, priority, due_at, id)
		VALUES (here.generation, here.timeline, o.service_id, o.priority, due, o.id);
	END IF;
	PERFORM io_msg.note('resolve', o.service_id, o.id,
	                    jsonb_build_object('outcome', io_resolve.outcome, 'message_id', io_resolve.message_id,
	                                       'was', o.reason, 'attempts', o.attempts), io_resolve.reason);
	PERFORM io_msg.wake();
	RETURN (SELECT r.status FROM io_msg.outbox AS r WHERE r.id = o.id);
END
$$;
REVOKE ALL ON FUNCTION io_resolve(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_resolve(bigint, text, text, text) IS
'Settles an uncertain message by a person''s word. outcome: sent (with message_id, IO''s id, the worker asks IO first and the row stays uncertain until then), not_sent (it becomes failed; io_retry can send it later), send_again (which may reach the citizen twice; unless IO accepts it, the message is uncertain again). reason is kept in io_msg.audit with the caller. Returns the row''s status. Errors: P0002 no such id, 55000 not uncertain or no content left, 55P03 another transaction is changing it, 22023 outcome or message_id not valid, 22004 no reason, 23505 the id is another message''s.';
