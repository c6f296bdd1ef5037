/*
 * doubt_sql.h
 *	  The worker's SQL for what does not go the plain way: what a worker left
 *	  that died, attempts that failed, what a person has to settle, and what
 *	  was queued before a promotion.
 *
 * The rules of outbox_sql.h hold here too.
 */
#ifndef IOMSG_DOUBT_SQL_H
#define IOMSG_DOUBT_SQL_H

/* ---- orphans.c: what the last drainer left ---- */

/* A row in pending means that a message is not in flight. */
#define SQL_ITS_PENDING \
"SELECT FROM io_msg.pending AS p " \
" WHERE p.generation = o.generation AND p.timeline = o.timeline " \
"   AND p.service_id = o.service_id AND p.priority = o.priority " \
"   AND p.due_at = o.due_at AND p.id = o.id"

/* Attempts are numbered for each message. */
#define SQL_NEXT_ATTEMPT(id) \
"(SELECT COALESCE(pg_catalog.max(a.number), 0) + 1 " \
"   FROM io_msg.attempt AS a WHERE a.id = " id ")"

/* Orphans that are still to be judged. */
#define SQL_ORPHANS \
"      io_msg.outbox AS o WHERE o.id = ANY ($1) AND o.status = 'queued' " \
"              AND NOT EXISTS (" SQL_ITS_PENDING ") "

/*
 * Where a service has said that it would rather reach people twice; but what
 * another server was sending is held like the rest of its rows.
 */
#define SQL_ORPHANS_RESEND \
"WITH l AS (SELECT o.ctid AS tid FROM " SQL_ORPHANS \
"              AND o.attempts + 1 < $2 AND EXISTS ( " \
"                  SELECT FROM io_msg.service AS s WHERE s.id = o.service_id " \
"                     AND s.on_uncertain = 'resend') " \
"              FOR NO KEY UPDATE OF o SKIP LOCKED), " \
"     u AS (UPDATE io_msg.outbox AS o SET attempts = o.attempts + 1, " \
"                  reason = 'interrupted', " \
"                  due_at = pg_catalog.clock_timestamp() " \
"             FROM l WHERE o.ctid = l.tid " \
"        RETURNING o.generation, o.timeline, o.service_id, o.priority, " \
"                  o.due_at, o.id), " \
"     t AS (INSERT INTO io_msg.attempt (id, number, ended_at, class, reason) " \
"           SELECT u.id, " SQL_NEXT_ATTEMPT("u.id") ", u.due_at, " \
"                  'unknown', 'interrupted' FROM u) " \
"INSERT INTO io_msg.pending (generation, timeline, service_id, priority, " \
"       due_at, id) SELECT u.* FROM u"

#define SQL_ORPHANS_SETTLE \
"WITH l AS (SELECT o.ctid AS tid FROM " SQL_ORPHANS \
"              FOR NO KEY UPDATE OF o SKIP LOCKED), " \
"     u AS (UPDATE io_msg.outbox AS o SET status = 'uncertain', " \
"                  attempts = o.attempts + 1, reason = 'interrupted', " \
"                  settled_at = pg_catalog.clock_timestamp() " \
"             FROM l WHERE o.ctid = l.tid RETURNING o.id, o.settled_at), " \
"     d AS (INSERT INTO io_msg.uncertain (id, since) " \
"           SELECT u.id, u.settled_at FROM u ON CONFLICT DO NOTHING), " \
"     t AS (INSERT INTO io_msg.attempt (id, number, ended_at, class, reason) " \
"           SELECT u.id, " SQL_NEXT_ATTEMPT("u.id") ", u.settled_at, " \
"                  'unknown', 'interrupted' FROM u) " \
"SELECT u.id FROM u"

#define SQL_ORPHANS_LEFT \
"UPDATE io_msg.drainer SET orphans = ARRAY( " \
"       SELECT o.id FROM io_msg.outbox AS o " \
"        WHERE o.id = ANY ($1) AND o.status = 'queued' " \
"          AND NOT EXISTS (" SQL_ITS_PENDING ")) " \
" WHERE slot = 0 AND epoch = $2 RETURNING orphans"

/* ---- doubt.c: attempts that failed, and what a person said ---- */

/* The rows of outbox that they are of were written in this transaction. */
#define SQL_ATTEMPTS \
"WITH r AS (SELECT * FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), " \
"       pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), " \
"       pg_catalog.unnest($4::smallint[]), pg_catalog.unnest($5::integer[]), " \
"       pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::timestamptz[]), " \
"       pg_catalog.unnest($8::text[]), pg_catalog.unnest($9::boolean[])) " \
"       AS x(id, class, reason, http_status, duration_ms, phase, marked_at, " \
"            key, uncertain)), " \
"     t AS (INSERT INTO io_msg.attempt (id, number, marked_at, ended_at, " \
"                  class, reason, http_status, duration_ms, phase, key) " \
"           SELECT r.id, " SQL_NEXT_ATTEMPT("r.id") ", r.marked_at, " \
"                  pg_catalog.clock_timestamp(), r.class, r.reason, " \
"                  r.http_status, r.duration_ms, r.phase, r.key FROM r), " \
"     d AS (INSERT INTO io_msg.uncertain (id, since) " \
"           SELECT r.id, pg_catalog.clock_timestamp() FROM r " \
"            WHERE r.uncertain ON CONFLICT DO NOTHING) " \
"SELECT r.id FROM r WHERE r.uncertain"

#define SQL_TELL_UNCERTAIN \
"SELECT pg_catalog.pg_notify('io_msg_uncertain', x.id::text) " \
"  FROM pg_catalog.unnest($1::bigint[]) AS x(id)"

/* Uncertain, and a person has given an id to ask IO about. */
#define SQL_BEING_VERIFIED(o) \
o ".status = 'uncertain' AND " o ".reason = 'being_verified'"

/*
 * What IO said of such an id; next_due null ends the asking.  Where the due
 * time is another one, a person has said something else meanwhile.
 */
#define SQL_SETTLE_VERIFIED \
"WITH l AS (SELECT r.*, x.tid FROM ROWS FROM ( " \
"       pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::text[]), " \
"       pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), " \
"       pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]), " \
"       pg_catalog.unnest($7::smallint[]), " \
"       pg_catalog.unnest($8::timestamptz[]), " \
"       pg_catalog.unnest($9::timestamptz[])) " \
"       AS r(id, status, reason, io_status, read_status, payment_status, " \
"            polls, next_due, due_at) " \
"      CROSS JOIN LATERAL (SELECT o.ctid AS tid FROM io_msg.outbox AS o " \
"            WHERE o.id = r.id AND o.due_at = r.due_at " \
"              AND " SQL_BEING_VERIFIED("o") \
"              FOR NO KEY UPDATE SKIP LOCKED) AS x), " \
"     u AS (UPDATE io_msg.outbox AS o SET status = l.status, " \
"                  reason = l.reason, message_id = CASE " \
"                  WHEN l.reason <> 'not_verified' THEN o.message_id END, " \
"                  io_status = COALESCE(l.io_status, o.io_status), " \
"                  read_status = l.read_status, " \
"                  payment_status = l.payment_status, " \
"                  io_status_at = CASE WHEN l.io_status IS NOT NULL " \
"                                 THEN pg_catalog.clock_timestamp() END, " \
"                  polls = l.polls, due_at = COALESCE(l.next_due, o.due_at) " \
"             FROM l WHERE o.ctid = l.tid " \
"        RETURNING o.id, o.generation, o.timeline, o.service_id, " \
"                  l.next_due, l.status), " \
"     d AS (DELETE FROM io_msg.uncertain AS x USING u " \
"            WHERE x.id = u.id AND u.status = 'sent'), " \
"     b AS (INSERT INTO io_msg.poll (generation, timeline, service_id, " \
"                  due_at, first_id, ids) " \
"           SELECT u.generation, u.timeline, u.service_id, u.next_due, " \
"                  pg_catalog.min(u.id), pg_catalog.array_agg(u.id) " \
"             FROM u WHERE u.next_due IS NOT NULL " \
"            GROUP BY u.generation, u.timeline, u.service_id, u.next_due) " \
"SELECT u.id FROM u"

#define SQL_UNCERTAIN \
"SELECT pg_catalog.count(*), " \
"       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - " \
"               pg_catalog.min(x.since))::bigint " \
"  FROM io_msg.uncertain AS x"

/* ---- adopt.c: what was queued before a promotion that is trusted ---- */

/*
 * The first look at a timeline; $2 is whether rows from before may not be
 * taken up, $3 whether this server's commits wait for a standby: of a mark
 * that it has not made yet, the next one to be promoted knows nothing else.
 * That the worker was at work on another server is no crash here.
 */
#define SQL_JUDGE_TIMELINE \
"UPDATE io_msg.drainer SET timeline = $1, running = false, " \
"       synchronous = $3, held_before = " \
"       CASE WHEN synchronous AND NOT $2 THEN held_before ELSE $1 END " \
" WHERE slot = 0 RETURNING held_before"

#define SQL_ADOPT_PENDING \
"WITH l AS (SELECT k.tid, o.ctid AS outbox_tid " \
"             FROM (SELECT q.ctid AS tid, q.id FROM io_msg.pending AS q " \
"                    WHERE q.generation = $1 AND q.timeline < $2 " \
"                      AND q.timeline >= $4 LIMIT $3 " \
"                      FOR UPDATE SKIP LOCKED) AS k " \
"            CROSS JOIN LATERAL (SELECT x.ctid FROM io_msg.outbox AS x " \
"                    WHERE x.id = k.id FOR NO KEY UPDATE SKIP LOCKED) AS o), " \
"     u AS (UPDATE io_msg.outbox AS o SET timeline = $2 FROM l " \
"            WHERE o.ctid = l.outbox_tid) " \
"UPDATE io_msg.pending AS p SET timeline = $2 FROM l WHERE p.ctid = l.tid"

/*
 * Some rows of poll; an id whose row somebody has locked keeps its place in
 * a row of the earlier timeline, and so does what counts no more.
 */
#define SQL_ADOPT_POLLS \
"WITH l AS (SELECT q.* FROM io_msg.poll AS q " \
"            WHERE q.generation = $1 AND q.timeline < $2 " \
"              AND q.timeline >= $4 LIMIT $3 FOR UPDATE SKIP LOCKED), " \
"     k AS (SELECT o.tid, l.first_id AS batch, l.timeline AS earlier " \
"             FROM l CROSS JOIN LATERAL (SELECT x.ctid AS tid " \
"                     FROM io_msg.outbox AS x WHERE x.id = ANY (l.ids) " \
"                      AND x.due_at = l.due_at AND x.timeline = l.timeline " \
"                      FOR NO KEY UPDATE SKIP LOCKED) AS o), " \
"     u AS (UPDATE io_msg.outbox AS o SET timeline = $2 FROM k " \
"            WHERE o.ctid = k.tid " \
"        RETURNING o.id, o.generation, o.service_id, o.due_at), " \
"     n AS (INSERT INTO io_msg.poll (generation, timeline, service_id, " \
"                  due_at, first_id, ids) " \
"           SELECT u.generation, $2, u.service_id, u.due_at, " \
"                  pg_catalog.min(u.id), pg_catalog.array_agg(u.id) " \
"             FROM u GROUP BY u.generation, u.service_id, u.due_at " \
"               ON CONFLICT (generation, timeline, service_id, due_at, " \
"                            first_id) DO UPDATE " \
"              SET ids = poll.ids || EXCLUDED.ids) " \
"DELETE FROM io_msg.poll AS q USING l " \
" WHERE q.generation = l.generation AND q.timeline = l.timeline " \
"   AND q.service_id = l.service_id AND q.due_at = l.due_at " \
"   AND q.first_id = l.first_id AND NOT EXISTS ( " \
"       SELECT FROM io_msg.outbox AS x WHERE x.id = ANY (l.ids) " \
"          AND x.due_at = l.due_at AND x.timeline = l.timeline " \
"          AND x.ctid NOT IN (SELECT k.tid FROM k))"

#define SQL_ADOPT_NOTE \
"INSERT INTO io_msg.audit (at, action, role_name, session_role, detail, " \
"       reason) SELECT pg_catalog.clock_timestamp(), 'adopt', " \
"       current_user, 'io_msg drainer', " \
"       pg_catalog.jsonb_build_object('timeline', $1::integer, " \
"                                     'count', $2::bigint), " \
"       'io_msg.on_promotion is trust'"

#endif							/* IOMSG_DOUBT_SQL_H */
