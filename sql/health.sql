/* ----------------------------------------------------------------------
 * What is wrong
 */

CREATE FUNCTION io_msg.health_of_database(OUT severity text, OUT code text, OUT problem text, OUT hint text)
	RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.severity, v.code, v.problem, v.hint
	  FROM io_msg.worker_state() AS w CROSS JOIN io_msg.present() AS h
	 CROSS JOIN io_msg.identity() AS i LEFT JOIN io_msg.installation AS n ON true
	 CROSS JOIN LATERAL (VALUES
		(w.in_recovery, 'info', 'standby',
		 'this server is a standby: only its primary sends', NULL),
		(NOT w.preloaded, 'error', 'not_preloaded',
		 'the library is not loaded at server start: nothing is sent',
		 'Add io_msg to shared_preload_libraries and restart the server.'),
		(w.preloaded AND w.launcher_pid IS NULL AND NOT w.in_recovery, 'error', 'no_launcher',
		 'the launcher is not running: nothing is sent',
		 'See the server log, and whether max_worker_processes leaves room.'),
		(w.failures > 0, 'error', 'worker_failing',
		 format('the worker of this database failed %s times in a row, last with SQLSTATE %s',
		        w.failures, w.last_sqlstate),
		 'The server log says more.'),
		(w.transaction_failures >= 3, 'error', 'transaction_failing',
		 format('the transactions of the worker fail since %s, %s in a row, last with SQLSTATE %s: nothing is sent',
		        io_msg.in_words(w.failing_since), w.transaction_failures, w.transaction_sqlstate),
		 'It tries again by itself and nothing is lost; the server log says more.'),
		(w.awaits_standby AND w.heartbeat < clock_timestamp() - interval '2 s', 'error', 'waits_for_standby',
		 format('the worker waits since %s for a synchronous standby to confirm what it has written: nothing is sent',
		        io_msg.in_words(w.heartbeat)),
		 'See pg_stat_replication and synchronous_standby_names; it goes on by itself once a standby has confirmed.'),
		-- it comes round each five seconds at least
		(w.state = 'running' AND NOT w.awaits_standby AND w.heartbeat < clock_timestamp() - interval '8 s', 'error', 'worker_stalled',
		 format('the worker is there but has done nothing since %s: nothing is sent', io_msg.in_words(w.heartbeat)),
		 'Its process may be stopped, or the disk may hang; pg_stat_activity shows its wait event.'),
		(w.preloaded AND w.state IS NULL AND NOT w.in_recovery
		 AND EXISTS (SELECT FROM io_msg.pending AS p
		              WHERE p.generation = h.generation AND p.timeline = h.timeline
		                AND p.due_at < clock_timestamp() - interval '2 min'), 'warning', 'no_slot',
		 'this database has work that is due, but no worker slot',
		 'More databases send than io_msg.max_databases allows for; raise it and restart the server.'),
		(lower(current_setting('io_msg.enabled', true)) = 'off', 'warning', 'disabled',
		 'io_msg.enabled is off: nothing is sent from this server', 'Set it to on and reload.'),
		(h.armed IS NOT TRUE, 'error', 'not_armed',
		 'this database is not the one that was armed: nothing is sent; what differs is '
		 || concat_ws(', ',
			CASE WHEN n.generation IS NULL THEN 'everything' END,
			CASE WHEN n.system_identifier <> i.system_identifier THEN 'the cluster' END,
			CASE WHEN n.database_oid <> i.database_oid THEN 'the database' END,
			CASE WHEN n.instance <> i.instance THEN 'io_msg.instance' END),
		 'If it is to send, call io_arm(); with adopt => true if nothing else sends these rows, as after pg_upgrade.'),
		(h.paused, 'warning', 'database_paused',
		 'the whole database is paused', 'io_resume() lets it go on.'),
		(io_msg.crash_loop(), 'error', 'crash_loop',
		 'the worker was cut off three times within 10 minutes: nothing is begun until a person lets it',
		 'Look for the cause in the server log; io_resume() lets it go on.'),
		(NOT io_msg.is_logged(), 'error', 'unlogged',
		 'a table of io_msg is unlogged: nothing is sent, for a crash would lose what was sent',
		 'ALTER TABLE ... SET LOGGED mends it.'),
		(current_setting('io_msg.on_promotion', true) = 'trust'
		 AND current_setting('synchronous_standby_names') = '', 'warning', 'trust_without_standby',
		 'io_msg.on_promotion is trust, but no synchronous standby is named: a promotion holds what was queued before',
		 'Set synchronous_standby_names, or io_msg.on_promotion to hold.'),
		(current_setting('fsync') = 'off', 'error', 'fsync_off',
		 'fsync is off: after a crash of the machine messages could be sent twice', 'Set fsync to on.'),
		(current_setting('synchronous_commit') = 'off', 'info', 'synchronous_commit_off',
		 'synchronous_commit is off: a crash can undo a transaction that enqueued, of which nothing was sent then',
		 'The worker itself waits for the disk whatever this setting says.')
	 ) AS v (applies, severity, code, problem, hint)
	 WHERE v.applies
$$;
REVOKE ALL ON FUNCTION io_msg.health_of_database() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.health_of_database() IS 'The part of io_health about the server, the worker and this database.';

CREATE FUNCTION io_msg.health_of_services(OUT severity text, OUT code text, OUT problem text, OUT hint text)
	RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'info', 'no_service', 'no service is defined yet', 'Insert it into io_msg.service.'
	 WHERE NOT EXISTS (SELECT FROM io_msg.service)
	UNION ALL
	SELECT v.severity, v.code, format('service "%s": ', s.name) || v.problem, v.hint
	  FROM io_msg.service AS s
	  LEFT JOIN io_msg.service_stop AS t ON t.service_id = s.id
	  LEFT JOIN io_msg.account AS a ON a.name = s.account
	 CROSS JOIN LATERAL (SELECT io_msg.key_problem(io_msg.key_state(s.name)) AS problem) AS k
	 CROSS JOIN LATERAL (SELECT io_msg.service_pause(s.id) AS until) AS u
	 CROSS JOIN io_msg.present() AS h
	  LEFT JOIN LATERAL (
		SELECT first.due_at FROM generate_series(1, 4) AS g (priority)
		 CROSS JOIN LATERAL (
			SELECT p.due_at FROM io_msg.pending AS p
			 WHERE p.generation = h.generation AND p.timeline = h.timeline
			   AND p.service_id = s.id AND p.priority = g.priority
			 ORDER BY p.due_at LIMIT 1) AS first
		 ORDER BY first.due_at LIMIT 1) AS oldest ON true
	 CROSS JOIN LATERAL (VALUES
		(k.problem IS NOT NULL, CASE WHEN s.dry_run THEN 'info' ELSE 'error' END, 'no_key', k.problem,
		 'Give it a line in the file that io_msg.keys_file names, and reload.'),
		(t.service_id IS NOT NULL, 'error', 'service_stopped',
		 format('stopped since %s: %s', io_msg.in_words(t.stopped_at), io_msg.reason_text(t.reason)),
		 'It goes on by itself when its key changes in the file; io_resume makes it try again now.'),
		(NOT io_msg.host_allowed(coalesce(a.base_url, 'https://api.io.pagopa.it/api/v1'), a.proxy),
		 CASE WHEN s.dry_run THEN 'info' ELSE 'error' END, 'host_not_allowed',
		 'its address may not be called: its host or its proxy''s is not among io_msg.allowed_hosts, or it is http beyond the loopback',
		 'Correct the row of io_msg.account, or have a superuser list the host and reload.'),
		(u.until > clock_timestamp() - interval '5 min', 'warning', 'service_pausing',
		 format('after several answers of IO that decide nothing it waits until %s and then sends one message to see',
		        io_msg.in_words(u.until)),
		 'It goes on by itself; the messages that met those answers are uncertain.'),
		(s.paused, 'warning', 'service_paused', 'paused', 'io_resume lets it go on.'),
		(s.dry_run, 'info', 'dry_run', 'in dry run: nothing of it is sent', NULL),
		(s.only_recipients IS NOT NULL, 'info', 'only_recipients',
		 format('on trial: it writes to %s fiscal codes only', cardinality(s.only_recipients)), NULL),
		(NOT s.paused AND t.service_id IS NULL AND k.problem IS NULL
		 AND oldest.due_at < clock_timestamp() - interval '5 min', 'warning', 'late',
		 format('the oldest due message waits since %s', io_msg.in_words(oldest.due_at)),
		 'It may be the quota: see io_msg.queue and io_msg.stat.')
	 ) AS v (applies, severity, code, problem, hint)
	 WHERE v.applies
$$;
REVOKE ALL ON FUNCTION io_msg.health_of_services() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.health_of_services() IS 'The part of io_health about services and keys.';

CREATE FUNCTION io_msg.health_of_accounts(OUT severity text, OUT code text, OUT problem text, OUT hint text)
	RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.severity, v.code,
	       CASE WHEN a.name IS NULL THEN 'services without an account: ' ELSE format('account "%s": ', a.name) END
	       || v.problem, v.hint
	  FROM (SELECT DISTINCT c.name, coalesce(c.base_url, 'https://api.io.pagopa.it/api/v1') AS base_url
	          FROM io_msg.service AS s LEFT JOIN io_msg.account AS c ON c.name = s.account) AS a
	 CROSS JOIN LATERAL io_msg.account_state(a.name, a.base_url) AS t
	 CROSS JOIN LATERAL (VALUES
		(t.host_failures > 0, 'error', 'host_unreachable',
		 format('%s could not be reached, %s times in a row', a.base_url, t.host_failures),
		 'It is tried again by itself, after a minute at most; the server log says why it failed.'),
		-- at the edge of the quota some seconds of it are nothing unusual
		(t.throttled_until IS NOT NULL,
		 CASE WHEN t.throttled_until > clock_timestamp() + interval '10 s' THEN 'warning' ELSE 'info' END, 'throttled',
		 format('IO takes nothing more until %s (HTTP status 429)', io_msg.in_words(t.throttled_until)),
		 'It goes on by itself. Where it comes often, see that quota_calls leaves room for others who send for the same ente.')
	 ) AS v (applies, severity, code, problem, hint)
	 WHERE v.applies
$$;
REVOKE ALL ON FUNCTION io_msg.health_of_accounts() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.health_of_accounts() IS 'The part of io_health about accounts and their hosts.';

CREATE FUNCTION io_msg.health_of_rows(OUT severity text, OUT code text, OUT problem text, OUT hint text)
	RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	WITH held AS (
		SELECT count(*) AS n, min(p.due_at) AS since
		  FROM io_msg.pending AS p CROSS JOIN io_msg.present() AS h
		 WHERE p.generation <> h.generation OR p.timeline <> h.timeline),
	doubt AS (
		SELECT count(*) AS n, min(u.since) AS since FROM io_msg.uncertain AS u),
	elsewhere AS (
		SELECT count(*) AS n
		  FROM io_msg.outbox AS o CROSS JOIN io_msg.present() AS h
		 WHERE o.status = 'queued' AND (o.generation <> h.generation OR o.timeline <> h.timeline)
		   AND NOT EXISTS (SELECT FROM io_msg.pending AS p
		        WHERE p.generation = o.generation AND p.timeline = o.timeline
		          AND p.service_id = o.service_id AND p.priority = o.priority
		          AND p.due_at = o.due_at AND p.id = o.id)
		   AND NOT EXISTS (SELECT FROM io_msg.drainer AS d
		        WHERE o.id = ANY (d.in_flight) OR o.id = ANY (d.orphans)))
	SELECT 'warning', 'held', format('rows that are held: %s, the oldest due since %s', n, io_msg.in_words(since)),
	       'They come from another copy or an earlier timeline; io_explain says which, io_release lets them go.'
	  FROM held WHERE n > 0
	UNION ALL
	SELECT 'warning', 'uncertain', format('messages that are uncertain: %s, the oldest since %s', n, io_msg.in_words(since)),
	       'IO may have accepted them: a person has to decide, see io_resolve.'
	  FROM doubt WHERE n > 0
	UNION ALL
	SELECT 'warning', 'sending_elsewhere',
	       format('messages that were being sent where this database was copied from: %s', n),
	       'io_release sets them to uncertain.'
	  FROM elsewhere WHERE n > 0
$$;
REVOKE ALL ON FUNCTION io_msg.health_of_rows() FROM PUBLIC;
COMMENT ON FUNCTION io_msg.health_of_rows() IS 'The part of io_health about rows. Reads the whole outbox.';

CREATE FUNCTION io_health(OUT severity text, OUT code text, OUT problem text, OUT hint text)
	RETURNS SETOF record LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH found AS MATERIALIZED (
		SELECT * FROM io_msg.health_of_database()
		UNION ALL SELECT * FROM io_msg.health_of_services()
		UNION ALL SELECT * FROM io_msg.health_of_accounts()
		UNION ALL SELECT * FROM io_msg.health_of_rows()),
	told AS (
		SELECT f.severity, f.code, f.problem, f.hint FROM found AS f
		UNION ALL
		SELECT 'ok', 'ok', 'nothing is wrong', NULL
		 WHERE NOT EXISTS (SELECT FROM found AS f WHERE f.severity IN ('warning', 'error')))
	SELECT t.severity, t.code, t.problem, t.hint FROM told AS t
	 ORDER BY array_position('{error,warning,ok,info}', t.severity), t.code, t.problem
$$;
REVOKE ALL ON FUNCTION io_health() FROM PUBLIC;
COMMENT ON FUNCTION io_health() IS
'What is wrong, worst first: severity error (nothing, or something, cannot be sent), warning (a person should look), info, and one row ok when there is neither error nor warning. code is stable, for monitoring; problem and hint are for people. Looking for rows that were being sent elsewhere reads the whole outbox.';
