/* ----------------------------------------------------------------------
 * Who may send: this database and no copy of it.
 *
 * A row can leave only if it carries the present generation and timeline.
 * Rows of a dump, a template, a clone, and those from before a promotion or a
 * point-in-time recovery do not: they are held, since the other side may have
 * sent them.  Here a person lets them go.
 */

/*
 * Whoever moves held rows waits for others who do (never the worker: it takes
 * no such lock), so that none of them locks a row that the other has let go
 * and the worker is sending by now.
 */
CREATE FUNCTION io_msg.restamp(service_id integer, lot text, ids bigint[], before timestamptz)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	doubtful bigint;
	moved bigint;
BEGIN
	LOCK TABLE io_msg.installation IN SHARE UPDATE EXCLUSIVE MODE;
	SELECT * INTO here FROM io_msg.present();

	/*
	 * Queued, nothing to send it by, and not in this worker's hands: it was
	 * being sent where the copy was made, and nobody here can know the outcome.
	 */
	WITH found AS (
	UPDATE io_msg.outbox AS o
	   SET status = 'uncertain', reason = 'interrupted_elsewhere', attempts = o.attempts + 1,
	       settled_at = clock_timestamp()
	  FROM (SELECT x.id FROM io_msg.outbox AS x
		 WHERE x.status = 'queued'
		   AND (x.generation <> here.generation OR x.timeline <> here.timeline)
		   AND NOT EXISTS (SELECT FROM io_msg.pending AS p
		        WHERE p.generation = x.generation AND p.timeline = x.timeline
		          AND p.service_id = x.service_id AND p.priority = x.priority
		          AND p.due_at = x.due_at AND p.id = x.id)
		   AND NOT EXISTS (SELECT FROM io_msg.drainer AS d
		        WHERE x.id = ANY (d.in_flight) OR x.id = ANY (d.orphans))
		   AND (restamp.service_id IS NULL OR x.service_id = restamp.service_id)
		   AND (restamp.lot IS NULL OR x.lot = restamp.lot)
		   AND (restamp.ids IS NULL OR x.id = ANY (restamp.ids))
		   AND (restamp.before IS NULL OR x.created_at < restamp.before)
		   FOR NO KEY UPDATE OF x SKIP LOCKED) AS h
	 WHERE o.id = h.id RETURNING o.id, o.settled_at),
	tried AS (
		INSERT INTO io_msg.attempt (id, number, ended_at, class, reason)
		SELECT f.id, coalesce((SELECT max(t.number) FROM io_msg.attempt AS t WHERE t.id = f.id), 0) + 1,
		       f.settled_at, 'unknown', 'interrupted_elsewhere' FROM found AS f)
	INSERT INTO io_msg.uncertain (id, since) SELECT f.id, f.settled_at FROM found AS f
	    ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS doubtful = ROW_COUNT;
	IF doubtful > 0 THEN
		RAISE NOTICE 'messages that were being sent where these rows come from are uncertain now: %',
			doubtful;
	END IF;

	WITH held AS MATERIALIZED (
		SELECT p.* FROM io_msg.pending AS p JOIN io_msg.outbox AS o ON o.id = p.id
		 WHERE (p.generation <> here.generation OR p.timeline <> here.timeline)
		   AND (restamp.service_id IS NULL OR p.service_id = restamp.service_id)
		   AND (restamp.lot IS NULL OR o.lot = restamp.lot)
		   AND (restamp.ids IS NULL OR p.id = ANY (restamp.ids))
		   AND (restamp.before IS NULL OR o.created_at < restamp.before)
		   FOR UPDATE OF p SKIP LOCKED),
	stamped AS (
		UPDATE io_msg.pending AS p SET generation = here.generation, timeline = here.timeline
		  FROM held AS h
		 WHERE p.generation = h.generation AND p.timeline = h.timeline
		   AND p.service_id = h.service_id AND p.priority = h.priority
		   AND p.due_at = h.due_at AND p.id = h.id
		RETURNING p.id)
	UPDATE io_msg.outbox AS o SET generation = here.generation, timeline = here.timeline
	  FROM stamped AS h WHERE o.id = h.id;
	GET DIAGNOSTICS moved = ROW_COUNT;

	/*
	 * Messages that IO was asked about together may part here.  Many of them
	 * share a due_at: they are joined by id, never by that alone.
	 */
	WITH asked AS MATERIALIZED (
		SELECT q.generation, q.timeline, q.service_id, q.due_at, i.id
		  FROM io_msg.poll AS q CROSS JOIN LATERAL unnest(q.ids) AS i (id)
		 WHERE q.generation <> here.generation OR q.timeline <> here.timeline),
	held AS MATERIALIZED (
		SELECT o.id FROM asked AS q JOIN io_msg.outbox AS o ON o.id = q.id
		 WHERE o.generation = q.generation AND o.timeline = q.timeline
		   AND o.status IN ('sent', 'uncertain') AND o.due_at = q.due_at
		   AND (restamp.service_id IS NULL OR q.service_id = restamp.service_id)
		   AND (restamp.lot IS NULL OR o.lot = restamp.lot)
		   AND (restamp.ids IS NULL OR o.id = ANY (restamp.ids))
		   AND (restamp.before IS NULL OR o.created_at < restamp.before)
		   FOR NO KEY UPDATE OF o SKIP LOCKED),
	stamped AS (
		UPDATE io_msg.outbox AS o SET generation = here.generation, timeline = here.timeline
		  FROM held AS h WHERE o.id = h.id
		RETURNING o.id, o.generation, o.timeline, o.service_id, o.due_at)
	INSERT INTO io_msg.poll (generation, timeline, service_id, due_at, first_id, ids)
	SELECT s.generation, s.timeline, s.service_id, s.due_at, min(s.id), array_agg(s.id ORDER BY s.id)
	  FROM stamped AS s GROUP BY s.generation, s.timeline, s.service_id, s.due_at;
	DELETE FROM io_msg.poll AS q
	 WHERE (q.generation <> here.generation OR q.timeline <> here.timeline)
	   AND NOT EXISTS (SELECT FROM unnest(q.ids) AS i (id) JOIN io_msg.outbox AS o ON o.id = i.id
	        WHERE o.generation = q.generation AND o.timeline = q.timeline
	          AND o.status IN ('sent', 'uncertain') AND o.due_at = q.due_at);
	PERFORM io_msg.wake();
	RETURN moved;
END
$$;
REVOKE ALL ON FUNCTION io_msg.restamp(integer, text, bigint[], timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION io_msg.restamp(integer, text, bigint[], timestamptz) IS
'Gives held rows, queued ones and sent ones whose status is asked for, the present generation and timeline; returns how many are queued. What was being sent elsewhere becomes uncertain. Null means no restriction; before is compared with created_at.';

CREATE FUNCTION io_arm(adopt boolean DEFAULT false, reason text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	adopted bigint := 0;
BEGIN
	LOCK TABLE io_msg.installation IN SHARE UPDATE EXCLUSIVE MODE;
	SELECT * INTO here FROM io_msg.present();
	IF here.armed THEN
		RAISE NOTICE 'this database is armed already';
	ELSE
		INSERT INTO io_msg.installation AS n
			(generation, system_identifier, database_oid, instance, armed_at)
		SELECT io_msg.new_generation(), i.system_identifier, i.database_oid, i.instance,
		       clock_timestamp()
		  FROM io_msg.identity() AS i
		ON CONFLICT (only_row) DO UPDATE
		   SET generation = excluded.generation, system_identifier = excluded.system_identifier,
		       database_oid = excluded.database_oid, instance = excluded.instance,
		       armed_at = excluded.armed_at;
	END IF;
	IF io_arm.adopt THEN
		adopted := io_msg.restamp(NULL, NULL, NULL, NULL);
	END IF;
	PERFORM io_msg.note('arm', NULL, NULL,
	                    jsonb_build_object('adopt', io_arm.adopt, 'armed_before', here.armed,
	                                       'count', adopted), io_arm.reason);
	PERFORM io_msg.wake();
	RETURN adopted;
END
$$;
REVOKE ALL ON FUNCTION io_arm(boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION io_arm(boolean, text) IS
'Makes this database a sender: notes which cluster, database and io_msg.instance it is, under a new generation unless it is noted already. What was enqueued before stays held; with adopt all of it flows, as is right after pg_upgrade and wrong in a copy whose original still sends. Returns how many queued rows were adopted.';

CREATE FUNCTION io_release(service text DEFAULT NULL, lot text DEFAULT NULL,
                           ids bigint[] DEFAULT NULL, before timestamptz DEFAULT NULL,
                           reason text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one CONSTANT integer := io_msg.service_named(io_release.service);
	released bigint;
BEGIN
	IF (SELECT h.armed FROM io_msg.present() AS h) IS NOT TRUE THEN
		RAISE EXCEPTION 'this database is not armed'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'It is a copy of the one that was, or has moved.',
			      HINT = 'Call io_arm() first, if it is to send.';
	END IF;
	released := io_msg.restamp(one, io_release.lot, io_release.ids, io_release.before);
	PERFORM io_msg.note('release', one, NULL,
	                    jsonb_build_object('lot', io_release.lot, 'ids', io_release.ids,
	                                       'before', io_release.before, 'count', released),
	                    io_release.reason);
	RETURN released;
END
$$;
REVOKE ALL ON FUNCTION io_release(text, text, bigint[], timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION io_release(text, text, bigint[], timestamptz, text) IS
'Lets held rows go, those that fit all of the given conditions (created_at < before), or all; returns how many are queued. Sent ones among them are asked about again. A message that the other side has sent already is then sent a second time: look first. Rows that were being sent there become uncertain instead. Errors: 22023 no such service, 55000 this database is not armed.';

/* ----------------------------------------------------------------------
 * Rights
 *
 * For the extension's owner and superusers, with their own rights: no
 * SECURITY DEFINER.  Functions are found as members of the extension, so the
 * schema that was chosen for it does not matter.
 */
CREATE FUNCTION io_grant(role name, what text DEFAULT 'sender', service text DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ext pg_extension;
	one integer;
	names text[] := CASE io_grant.what
		WHEN 'sender' THEN '{io_enqueue_message,io_check_profile,io_validate_message,io_payment_data,io_third_party_data,io_is_fiscal_code,io_wait}'
		WHEN 'reader' THEN '{io_explain,io_health}'
		WHEN 'operator' THEN '{io_explain,io_health,io_cancel,io_cancel_lot,io_retry,io_pause,io_resume,io_release,io_resolve}'
		END::text[];
	inner_names CONSTANT text[] := '{reason_text,present,counters,why_database_waits,why_service_waits}';
	command text;
BEGIN
	SELECT e.* INTO STRICT ext FROM pg_extension AS e WHERE e.extname = 'io_msg';
	IF NOT pg_has_role(ext.extowner, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for io_grant'
			USING ERRCODE = 'insufficient_privilege',
			      DETAIL = 'Only the owner of the extension and superusers may grant its use.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = io_grant.role) THEN
		RAISE EXCEPTION 'role "%" does not exist', io_grant.role USING ERRCODE = 'undefined_object';
	END IF;
	IF names IS NULL THEN
		RAISE EXCEPTION 'cannot grant "%"', io_grant.what
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'It is one of sender, reader and operator.';
	END IF;
	one := io_msg.service_named(io_grant.service);
	IF one IS NOT NULL AND io_grant.what <> 'sender' THEN
		RAISE EXCEPTION 'only sender is granted for a service'
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = 'A reader and an operator see the whole database.';
	END IF;
	IF io_grant.what = 'sender' THEN
		INSERT INTO io_msg.service_role (service_id, role_name)
		SELECT s.id, io_grant.role FROM io_msg.service AS s WHERE one IS NULL OR s.id = one
		ON CONFLICT DO NOTHING;
		IF NOT EXISTS (SELECT FROM io_msg.service) THEN
			RAISE EXCEPTION 'there is no service yet'
				USING ERRCODE = 'object_not_in_prerequisite_state',
				      HINT = 'Insert it into io_msg.service first: a sender is granted the services that exist.';
		END IF;
	END IF;

	FOR command IN
		SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, io_grant.role)
		  FROM pg_namespace AS n
		 WHERE n.oid = ext.extnamespace
		   AND NOT has_schema_privilege(io_grant.role, n.oid, 'USAGE')
		    OR n.nspname = 'io_msg' AND io_grant.what <> 'sender'
		UNION ALL
		SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, io_grant.role)
		  FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
		 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
		   AND d.refobjid = ext.oid AND d.deptype = 'e'
		   AND (p.pronamespace = ext.extnamespace AND p.proname::text = ANY (names)
		        OR p.pronamespace = 'io_msg'::regnamespace AND io_grant.what <> 'sender'
		           AND p.proname::text = ANY (inner_names))
		UNION ALL
		SELECT format('GRANT SELECT ON TABLE %s TO %I', c.oid::regclass, io_grant.role)
		  FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
		 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass
		   AND d.refobjid = ext.oid AND d.deptype = 'e'
		   AND c.relkind = 'v' AND c.relnamespace = 'io_msg'::regnamespace
		   AND io_grant.what <> 'sender'
	LOOP
		EXECUTE command;
	END LOOP;
	PERFORM io_msg.note('grant', one, NULL,
	                    jsonb_build_object('role', io_grant.role, 'what', io_grant.what), NULL);
END
$$;
REVOKE ALL ON FUNCTION io_grant(name, text, text) FROM PUBLIC;
COMMENT ON FUNCTION io_grant(name, text, text) IS
'Grants a role what it takes to be a sender (for one service, or for every one that exists now), a reader (the views, io_explain, io_health) or an operator (a reader who can also cancel, retry, resolve, pause, resume and release). For the extension''s owner and superusers. What is granted can be taken back with REVOKE and by deleting from io_msg.service_role. Errors: 42501, 42704 no such role, 22023 no such service or kind, 55000 no service yet.';
