/* ----------------------------------------------------------------------
 * How people run the flow.
 *
 * The rule behind all of it: the worker never waits for a person.  It takes
 * rows of pending with SKIP LOCKED, and whoever changes a queued message
 * takes that row first.  A message that is being sent has none, so no lock of
 * ours can lie on it.  Hence: lock, then look, then change; and wait for
 * nobody.  Each act leaves a row in io_msg.audit.
 */

/* What the server knows: this database's worker, its keys, its counters. */
CREATE FUNCTION io_msg.worker_state(OUT preloaded boolean, OUT launcher_pid integer,
                                    OUT state text, OUT drainer_pid integer,
                                    OUT since timestamptz, OUT due_at timestamptz,
                                    OUT heartbeat timestamptz, OUT failures integer,
                                    OUT last_sqlstate text, OUT in_recovery boolean,
                                    OUT transaction_failures integer, OUT transaction_sqlstate text,
                                    OUT failing_since timestamptz, OUT awaits_standby boolean)
	RETURNS record LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'iomsg_health_worker_state';
REVOKE ALL ON FUNCTION io_msg.worker_state() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.worker_state() IS
'One row: is the library preloaded, the launcher there, and in which state is the worker of this database (null: it has no slot). failures are workers that ended badly in a row, transaction_failures the transactions of the one that runs.';

CREATE FUNCTION io_msg.account_state(name text, base_url text,
                                     OUT host_failures integer, OUT throttled_until timestamptz)
	RETURNS record LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'iomsg_health_account_state';
REVOKE ALL ON FUNCTION io_msg.account_state(text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.account_state(text, text) IS
'What keeps an account from calling, for all databases of this server: connections to its host that failed in a row, and until when IO has throttled it (null: it has not). A null name means IO''s official values.';

CREATE FUNCTION io_msg.service_pause(service_id integer) RETURNS timestamptz
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'iomsg_health_service_pause';
REVOKE ALL ON FUNCTION io_msg.service_pause(integer) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.service_pause(integer) IS
'Until when a service pauses after answers of IO that decided nothing, in the past once it has sent one message to see; null when it does not pause.';

CREATE FUNCTION io_msg.key_state(service text) RETURNS text
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'iomsg_health_key_state';
REVOKE ALL ON FUNCTION io_msg.key_state(text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.key_state(text) IS
'What the key file says of a service: ok, no_file, unreadable, unsafe, no_line or malformed. Never the key.';

CREATE FUNCTION io_msg.host_allowed(base_url text, proxy text) RETURNS boolean
	LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'iomsg_health_host_allowed';
REVOKE ALL ON FUNCTION io_msg.host_allowed(text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.host_allowed(text, text) IS
'Whether requests may go to an address: io_msg.allowed_hosts names its host and the proxy''s, if there is one, and it is https, or http on the loopback.';

CREATE FUNCTION io_msg.counters(OUT profile_calls bigint, OUT message_calls bigint,
                                OUT status_calls bigint, OUT sent bigint,
                                OUT not_allowed bigint, OUT failed bigint,
                                OUT retried bigint, OUT uncertain bigint,
                                OUT throttled bigint, OUT latency_us bigint)
	RETURNS record LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'iomsg_health_counters';
REVOKE ALL ON FUNCTION io_msg.counters() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.counters() IS
'What this database''s worker did since the server started; latency_us is the sum over message calls, in microseconds.';

CREATE FUNCTION io_msg.wake() RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'iomsg_api_wake';
REVOKE ALL ON FUNCTION io_msg.wake() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.wake() IS
'At commit, the worker looks at all settings and services anew.';

CREATE FUNCTION io_msg.caller() RETURNS name
	LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'iomsg_api_caller';
REVOKE ALL ON FUNCTION io_msg.caller() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.caller() IS
'The role that called, also inside a SECURITY DEFINER function.';

/* ----------------------------------------------------------------------
 * Shared steps
 */

CREATE FUNCTION io_msg.note(action text, service_id integer, id bigint, detail jsonb, reason text)
	RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO io_msg.audit (at, action, role_name, session_role, service_id, id, detail, reason)
	VALUES (clock_timestamp(), $1, io_msg.caller()::text, session_user::text, $2, $3,
	        nullif(jsonb_strip_nulls($4), '{}'), $5)
$$;
REVOKE ALL ON FUNCTION io_msg.note(text, integer, bigint, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.note(text, integer, bigint, jsonb, text) IS
'Adds a row to io_msg.audit in the name of the caller.';

CREATE FUNCTION io_msg.service_named(service text) RETURNS integer
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id integer;
BEGIN
	SELECT s.id INTO found_id FROM io_msg.service AS s WHERE s.name = service_named.service;
	IF found_id IS NULL AND service_named.service IS NOT NULL THEN
		RAISE EXCEPTION 'service "%" does not exist', service_named.service
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'The services are the rows of io_msg.service.';
	END IF;
	RETURN found_id;
END
$$;
REVOKE ALL ON FUNCTION io_msg.service_named(text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.service_named(text) IS
'The id of a service; null for null, an error (22023) for a name that does not exist.';

/*
 * On a standby the timeline is null: there nothing is sent anyway.
 */
CREATE FUNCTION io_msg.present(OUT generation bigint, OUT timeline integer, OUT armed boolean,
                               OUT paused boolean)
	RETURNS record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT n.generation, i.timeline,
	       (n.system_identifier, n.database_oid, n.instance)
	       IS NOT DISTINCT FROM (i.system_identifier, i.database_oid, i.instance),
	       n.paused
	  FROM io_msg.identity() AS i LEFT JOIN io_msg.installation AS n ON true
$$;
REVOKE ALL ON FUNCTION io_msg.present() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.present() IS
'The generation and timeline that a row must carry to be sent from here, and whether this database is the one that was armed.';

CREATE FUNCTION io_msg.crash_loop() RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM io_msg.drainer AS d LEFT JOIN io_msg.installation AS n ON true
	                WHERE d.slot = 0 AND cardinality(d.unclean_starts) = 3
	                  AND d.unclean_starts[3] - d.unclean_starts[1] <= interval '10 min'
	                  AND d.unclean_starts[1] > coalesce(n.resumed_at, '-infinity'))
$$;
REVOKE ALL ON FUNCTION io_msg.crash_loop() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.crash_loop() IS
'Whether the worker was cut off three times within 10 minutes, and nobody has called io_resume() since: then it begins nothing.';

CREATE FUNCTION io_msg.must_be_armed(OUT generation bigint, OUT timeline integer)
	RETURNS record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT h.generation, h.timeline INTO generation, timeline FROM io_msg.present() AS h;
	IF generation IS NULL THEN
		RAISE EXCEPTION 'this database is not armed'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Call io_arm() first, if it is to send.';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION io_msg.must_be_armed() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.must_be_armed() IS
'What a row must carry to be sent from here. Error: 55000 nobody has ever armed this database.';

/* ----------------------------------------------------------------------
 * Taking back what has not been sent
 */

CREATE FUNCTION io_msg.take_back(ids bigint[], reason text) RETURNS bigint
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	WITH doubt AS MATERIALIZED (
		SELECT DISTINCT t.id FROM io_msg.attempt AS t WHERE t.id = ANY ($1) AND t.class = 'unknown'),
	noted AS (
		INSERT INTO io_msg.uncertain (id, since) SELECT d.id, clock_timestamp() FROM doubt AS d
		ON CONFLICT DO NOTHING),
	changed AS (
		UPDATE io_msg.outbox AS o
		   SET settled_at = clock_timestamp(),
		       status = CASE WHEN o.id IN (SELECT d.id FROM doubt AS d) THEN 'uncertain' ELSE 'cancelled' END,
		       reason = CASE WHEN o.id IN (SELECT d.id FROM doubt AS d) THEN 'maybe_accepted'
		                     ELSE concat_ws(': ', 'cancelled', $2) END
		 WHERE o.id = ANY ($1)
		RETURNING o.status)
	SELECT count(*) FROM changed AS c WHERE c.status = 'cancelled'
$$;
REVOKE ALL ON FUNCTION io_msg.take_back(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.take_back(bigint[], text) IS
'Cancels rows whose rows in pending the caller has taken; returns how many. Those that IO may have accepted in an earlier attempt become uncertain instead.';

CREATE FUNCTION io_cancel(id bigint, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	seen record;
BEGIN
	/* The worker holds a row for milliseconds only: try for a tenth of a second. */
	FOR try IN 1 .. 5 LOOP
		DELETE FROM io_msg.pending AS p USING (
			SELECT q.* FROM io_msg.outbox AS o JOIN io_msg.pending AS q
			 USING (generation, timeline, service_id, priority, due_at, id)
			 WHERE o.id = io_cancel.id AND o.status = 'queued'
			   FOR UPDATE OF q SKIP LOCKED) AS q
		 WHERE p.generation = q.generation AND p.timeline = q.timeline
		   AND p.service_id = q.service_id AND p.priority = q.priority
		   AND p.due_at = q.due_at AND p.id = q.id;
		IF FOUND THEN
			PERFORM io_msg.take_back(ARRAY[io_cancel.id], io_cancel.reason);
			PERFORM io_msg.note('cancel', o.service_id, o.id, NULL, io_cancel.reason)
			   FROM io_msg.outbox AS o WHERE o.id = io_cancel.id;
			RETURN (SELECT o.status = 'cancelled' FROM io_msg.outbox AS o WHERE o.id = io_cancel.id);
		END IF;
		SELECT o.status, p.id IS NOT NULL AS can_be_sent INTO seen
		  FROM io_msg.outbox AS o LEFT JOIN io_msg.pending AS p
		 USING (generation, timeline, service_id, priority, due_at, id)
		 WHERE o.id = io_cancel.id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'message % does not exist', io_cancel.id
				USING ERRCODE = 'no_data_found';
		END IF;
		IF seen.status <> 'queued' OR NOT seen.can_be_sent THEN
			RETURN false;
		END IF;
		PERFORM pg_sleep(0.02);
	END LOOP;
	RAISE EXCEPTION 'message % is being changed by another transaction', io_cancel.id
		USING ERRCODE = 'lock_not_available', HINT = 'Try again.';
END
$$;
REVOKE ALL ON FUNCTION io_cancel(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION io_cancel(bigint, text) IS
'Takes back a queued message or profile check. True: it will not be sent. False: too late, it is being sent or finished, or an earlier request may have been accepted (io_explain says which). Its dedup_key stays taken. Errors: P0002 no such id, 55P03 another transaction is changing it.';

CREATE FUNCTION io_cancel_lot(lot text, service text DEFAULT NULL, reason text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	only_service integer := io_msg.service_named(io_cancel_lot.service);
	cancelled bigint;
BEGIN
	IF io_cancel_lot.lot IS NULL THEN
		RAISE EXCEPTION 'lot must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	WITH mine AS MATERIALIZED (
		SELECT p.* FROM io_msg.pending AS p JOIN io_msg.outbox AS o ON o.id = p.id
		 WHERE o.lot = io_cancel_lot.lot AND (only_service IS NULL OR p.service_id = only_service)
		   FOR UPDATE OF p SKIP LOCKED),
	taken AS (
		DELETE FROM io_msg.pending AS p USING mine AS m
		 WHERE p.generation = m.generation AND p.timeline = m.timeline
		   AND p.service_id = m.service_id AND p.priority = m.priority
		   AND p.due_at = m.due_at AND p.id = m.id
		RETURNING p.id)
	SELECT io_msg.take_back(array_agg(t.id), io_cancel_lot.reason) INTO cancelled FROM taken AS t;
	PERFORM io_msg.note('cancel_lot', only_service, NULL,
	                    jsonb_build_object('lot', io_cancel_lot.lot, 'count', cancelled),
	                    io_cancel_lot.reason);
	RETURN cancelled;
END
$$;
REVOKE ALL ON FUNCTION io_cancel_lot(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_cancel_lot(text, text, text) IS
'Takes back every queued row of a lot, of one service or of all; returns how many. Rows that are being sent, finished, or being changed by another transaction are left as they are.';

/* ----------------------------------------------------------------------
 * Putting back what was given up
 *
 * Only what provably never reached IO: refused, expired, not allowed, or
 * finished by a trial setting.  A row that a person cancelled stays so, and
 * one that is uncertain needs a decision, not a retry.
 */
CREATE FUNCTION io_retry(id bigint, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old io_msg.outbox;
	here record;
	due CONSTANT timestamptz := clock_timestamp();
BEGIN
	SELECT o.* INTO old FROM io_msg.outbox AS o WHERE o.id = io_retry.id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'message % does not exist', io_retry.id USING ERRCODE = 'no_data_found';
	END IF;
	IF old.status IN ('failed', 'expired', 'not_allowed', 'cancelled') THEN
		SELECT o.* INTO old FROM io_msg.outbox AS o WHERE o.id = io_retry.id
		   FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'message % is being changed by another transaction', io_retry.id
				USING ERRCODE = 'lock_not_available', HINT = 'Try again.';
		END IF;
	END IF;
	IF old.status NOT IN ('failed', 'expired', 'not_allowed')
	   AND (old.status <> 'cancelled'
	        OR coalesce(old.reason, '') NOT IN ('dry_run', 'not_in_only_recipients')) THEN
		RAISE EXCEPTION 'message % cannot be retried: its status is %', io_retry.id, old.status
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = CASE WHEN old.status = 'uncertain'
			                  THEN 'IO may have accepted it: io_resolve says what became of it, or sends it again.'
			                  WHEN old.status = 'cancelled' THEN 'Enqueue it anew.'
			                  ELSE 'Failed, expired and not allowed rows can be retried, and rows that a trial setting finished.' END;
	END IF;
	IF old.kind = 'message' AND NOT EXISTS (SELECT FROM io_msg.body AS b WHERE b.id = old.id) THEN
		RAISE EXCEPTION 'message % cannot be retried: its content has been erased', io_retry.id
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enqueue it anew.';
	END IF;
	here := io_msg.must_be_armed();
	/* An expiry that has passed would only finish the row again. */
	UPDATE io_msg.outbox AS o
	   SET status = 'queued', attempts = 0, generation = here.generation,
	       timeline = here.timeline, due_at = due, settled_at = NULL,
	       http_status = NULL, reason = NULL,
	       expires_at = CASE WHEN o.expires_at > due THEN o.expires_at END
	 WHERE o.id = old.id;
	INSERT INTO io_msg.pending (generation, timeline, service_id, priority, due_at, id)
	VALUES (here.generation, here.timeline, old.service_id, old.priority, due, old.id);
	PERFORM io_msg.note('retry', old.service_id, old.id,
	                    jsonb_build_object('status', old.status, 'reason', old.reason),
	                    io_retry.reason);
	PERFORM io_msg.wake();
	RETURN true;
END
$$;
REVOKE ALL ON FUNCTION io_retry(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION io_retry(bigint, text) IS
'Puts a row back that failed, expired, was not allowed or was finished by a trial setting: due now, its attempts counted anew, a passed expires_at lifted. Always true, else an error: P0002 no such id, 55000 its status forbids it, 55P03 another transaction is changing it.';

/* ----------------------------------------------------------------------
 * Stop and go
 */

CREATE FUNCTION io_pause(service text DEFAULT NULL, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT integer := io_msg.service_named(io_pause.service);
	changed boolean;
BEGIN
	IF one IS NULL THEN
		UPDATE io_msg.installation SET paused = true WHERE NOT paused;
	ELSE
		UPDATE io_msg.service AS s SET paused = true WHERE s.id = one AND NOT s.paused;
	END IF;
	changed := FOUND;
	PERFORM io_msg.note('pause', one, NULL, NULL, io_pause.reason);
	RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION io_pause(text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_pause(text, text) IS
'Stops a service, or with no service the whole database, once this transaction commits; what is under way is finished. Messages can still be enqueued. False: it was paused already. Error: 22023 no such service.';

/*
 * The row of service is the lock of its service_stop: the worker takes it
 * with SKIP LOCKED before it writes there, so an open io_resume never keeps it
 * waiting on the deleted key.
 */
CREATE FUNCTION io_resume(service text DEFAULT NULL, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT integer := io_msg.service_named(io_resume.service);
	stop text;
	changed boolean;
BEGIN
	IF one IS NULL THEN
		SELECT n.paused OR io_msg.crash_loop() INTO changed FROM io_msg.installation AS n FOR NO KEY UPDATE;
		/* In any case: crashes from before a person looked count no more. */
		UPDATE io_msg.installation SET paused = false, resumed_at = clock_timestamp();
		changed := coalesce(changed, false);
	ELSE
		SELECT s.paused INTO changed FROM io_msg.service AS s WHERE s.id = one
		   FOR NO KEY UPDATE;
		UPDATE io_msg.service AS s SET paused = false WHERE s.id = one AND s.paused;
		DELETE FROM io_msg.service_stop AS t WHERE t.service_id = one RETURNING t.reason INTO stop;
		changed := changed OR stop IS NOT NULL;
	END IF;
	PERFORM io_msg.note('resume', one, NULL, jsonb_build_object('stop', stop), io_resume.reason);
	PERFORM io_msg.wake();
	RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION io_resume(text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_resume(text, text) IS
'Lets a paused service go on, or one that stopped because IO refused its key; with no service, the whole database, also after a crash loop (each service''s own pause stays). False: nothing was paused or stopped. Error: 22023 no such service.';
