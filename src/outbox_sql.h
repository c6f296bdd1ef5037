/*
 * outbox_sql.h
 *	  All SQL of the worker.
 *
 * Rules that each statement keeps: it never waits for a row that somebody else
 * has locked (SKIP LOCKED; what is skipped is tried again later); whoever
 * changes a queued row holds its row in pending first; names and operators
 * are found in pg_catalog, since the search_path is fixed.  A plan is made
 * once, perhaps on empty tables, and must be right for full ones: each table
 * is reached by a key, in a LATERAL that stays as it is, or by ctid.
 */
#ifndef IOMSG_OUTBOX_SQL_H
#define IOMSG_OUTBOX_SQL_H

#include "doubt_sql.h"

/* ---- outbox.c: who may act, and what the last drainer left ---- */

#define SQL_INSTALLATION \
"SELECT n.generation, n.system_identifier, n.database_oid, n.instance, " \
"       n.paused, d.epoch, d.in_flight || d.orphans, " \
"       EXISTS (SELECT FROM io_msg.pending AS p " \
"                WHERE p.generation < n.generation) " \
"       OR EXISTS (SELECT FROM io_msg.pending AS p " \
"                   WHERE p.generation > n.generation) " \
"       OR EXISTS (SELECT FROM io_msg.pending AS p " \
"                   WHERE p.generation = n.generation AND p.timeline > $1), " \
"       EXISTS (SELECT FROM io_msg.pending AS p " \
"                WHERE p.generation = n.generation AND p.timeline < $1) " \
"       OR (SELECT true FROM io_msg.poll AS q " \
"            WHERE q.generation = n.generation AND q.timeline < $1 " \
"            LIMIT 1) IS NOT NULL, " \
"       io_msg.crash_loop(), io_msg.is_logged(), " \
"       d.timeline, d.held_before " \
"  FROM io_msg.installation AS n, io_msg.drainer AS d WHERE d.slot = 0"

#define SQL_TAKE_OVER \
"UPDATE io_msg.drainer SET epoch = epoch + 1, " \
"       orphans = orphans || in_flight, in_flight = '{}', " \
"       started_at = pg_catalog.clock_timestamp(), running = true, " \
"       unclean_starts = CASE WHEN running THEN " \
"           (unclean_starts || pg_catalog.clock_timestamp()) " \
"           [GREATEST(1, pg_catalog.cardinality(unclean_starts) - 1):] " \
"           ELSE unclean_starts END " \
" WHERE slot = 0 RETURNING epoch, orphans"

/* Three of those within some minutes are a loop. */
#define SQL_CRASH_LOOP \
"SELECT io_msg.crash_loop()"

#define SQL_RETIRE \
"UPDATE io_msg.drainer SET running = false WHERE slot = 0 AND epoch = $1"

/* Whoever raised the epoch has taken our place. */
#define SQL_IN_FLIGHT \
"UPDATE io_msg.drainer SET in_flight = $1, " \
"       synchronous = COALESCE($3, synchronous) " \
" WHERE slot = 0 AND epoch = $2"

#define SQL_READ_IN_FLIGHT \
"SELECT d.in_flight FROM io_msg.drainer AS d " \
" WHERE d.slot = 0 AND d.epoch = $1"

/* ---- roster.c: who sends ---- */

#define SQL_SERVICES \
"SELECT s.id, s.name, s.paused, s.dry_run, s.only_recipients, " \
"       (EXTRACT(epoch FROM s.profile_max_age) * 1000000)::bigint, " \
"       (EXTRACT(epoch FROM s.profile_negative_max_age) * 1000000)::bigint, " \
"       a.name, a.base_url, a.proxy, a.quota_calls, " \
"       (EXTRACT(epoch FROM a.quota_period) * 1000)::bigint, " \
"       s.on_uncertain = 'resend', s.on_server_error = 'retry', " \
"       t.reason, t.http_status, t.key_mark " \
"  FROM io_msg.service AS s " \
"  LEFT JOIN io_msg.account AS a ON a.name = s.account " \
"  LEFT JOIN io_msg.service_stop AS t ON t.service_id = s.id " \
" ORDER BY s.id"

#define SQL_SERVICE_STOP \
"WITH l AS (SELECT s.id FROM io_msg.service AS s WHERE s.id = $1 " \
"              FOR NO KEY UPDATE SKIP LOCKED) " \
"INSERT INTO io_msg.service_stop AS t " \
"       (service_id, reason, http_status, key_mark, stopped_at) " \
"SELECT l.id, $2, $3, $4, pg_catalog.clock_timestamp() FROM l " \
"    ON CONFLICT (service_id) DO UPDATE SET reason = EXCLUDED.reason, " \
"       http_status = EXCLUDED.http_status, key_mark = EXCLUDED.key_mark, " \
"       stopped_at = EXCLUDED.stopped_at"

#define SQL_SERVICE_UNSTOP \
"WITH l AS (SELECT s.id FROM io_msg.service AS s WHERE s.id = $1 " \
"              FOR NO KEY UPDATE SKIP LOCKED) " \
"DELETE FROM io_msg.service_stop AS t USING l WHERE t.service_id = l.id " \
"RETURNING t.service_id"

/* ---- probe.c and due_polls.c: what is due ---- */

/*
 * A lane is a service and a priority, and the place up to which it has been
 * read.  A row not yet due comes along: it tells when to look again.
 */
#define SQL_PEEK \
"SELECT l.lane, p.id, p.due_at, o.kind = 'profile', o.fiscal_code, " \
"       o.attempts, o.expires_at, f.\"exists\", f.sender_allowed, " \
"       f.checked_at, CASE " \
"           WHEN o.attempts > 0 OR o.reason IS NOT NULL THEN " \
"           (SELECT true FROM io_msg.attempt AS a WHERE a.id = p.id " \
"               AND a.class = 'unknown' LIMIT 1) END IS NOT NULL " \
"  FROM ROWS FROM (pg_catalog.unnest($1::integer[]), " \
"       pg_catalog.unnest($2::smallint[]), " \
"       pg_catalog.unnest($3::timestamptz[]), pg_catalog.unnest($4::bigint[])) " \
"       WITH ORDINALITY AS l(service_id, priority, due_at, id, lane) " \
" CROSS JOIN LATERAL (SELECT q.id, q.due_at FROM io_msg.pending AS q " \
"        WHERE q.generation = $5 AND q.timeline = $6 " \
"          AND q.service_id = l.service_id AND q.priority = l.priority " \
"          AND (q.due_at, q.id) > (l.due_at, l.id) " \
"        ORDER BY q.due_at, q.id LIMIT $7) AS p " \
"  LEFT JOIN LATERAL (SELECT x.* FROM io_msg.outbox AS x " \
"        WHERE x.id = p.id AND x.status = 'queued' " \
"          AND x.due_at = p.due_at OFFSET 0) AS o ON true " \
"  LEFT JOIN LATERAL (SELECT y.* FROM io_msg.profile AS y " \
"        WHERE y.service_id = l.service_id " \
"          AND y.fiscal_code = o.fiscal_code OFFSET 0) AS f ON true " \
" ORDER BY l.lane, p.due_at, p.id"

/* The polls of a service: rows of poll with those of their ids that count. */
#define SQL_PEEK_POLLS \
"SELECT l.lane, b.due_at, b.first_id, o.id, o.fiscal_code, o.polls, " \
"       o.settled_at, o.due_date, o.advanced, o.has_payment, o.message_id, " \
"       o.io_status, o.read_status, o.payment_status, " \
"       o.status = 'uncertain' " \
"  FROM ROWS FROM (pg_catalog.unnest($1::integer[]), " \
"       pg_catalog.unnest($2::timestamptz[]), pg_catalog.unnest($3::bigint[])) " \
"       WITH ORDINALITY AS l(service_id, due_at, first_id, lane) " \
" CROSS JOIN LATERAL (SELECT q.due_at, q.first_id, " \
"          CASE WHEN q.due_at <= $7 THEN q.ids END AS ids " \
"         FROM io_msg.poll AS q " \
"        WHERE q.generation = $4 AND q.timeline = $5 " \
"          AND q.service_id = l.service_id " \
"          AND (q.due_at, q.first_id) > (l.due_at, l.first_id) " \
"        ORDER BY q.due_at, q.first_id LIMIT $6) AS b " \
"  LEFT JOIN LATERAL (SELECT x.* FROM io_msg.outbox AS x " \
"        WHERE x.id = ANY (b.ids) AND x.due_at = b.due_at " \
"          AND x.message_id IS NOT NULL " \
"          AND (x.status = 'sent' OR " SQL_BEING_VERIFIED("x") ") " \
"       OFFSET 0) AS o ON true " \
" ORDER BY l.lane, b.due_at, b.first_id, o.id"

/* ---- claim.c: the mark, the content ---- */

/*
 * The mark, with SQL_IN_FLIGHT in the same transaction: durable before the
 * first byte leaves.  It looks at keys only; what a row contains is read
 * afterwards, so that no content can keep a server from coming up.
 */
#define SQL_MARK \
"WITH l AS (SELECT x.tid FROM ROWS FROM (pg_catalog.unnest($1::integer[]), " \
"       pg_catalog.unnest($2::smallint[]), " \
"       pg_catalog.unnest($3::timestamptz[]), pg_catalog.unnest($4::bigint[])) " \
"       AS k(service_id, priority, due_at, id) " \
"      CROSS JOIN LATERAL (SELECT p.ctid AS tid FROM io_msg.pending AS p " \
"            WHERE p.generation = $5 AND p.timeline = $6 " \
"              AND p.service_id = k.service_id AND p.priority = k.priority " \
"              AND p.due_at = k.due_at AND p.id = k.id " \
"              FOR UPDATE SKIP LOCKED) AS x) " \
"DELETE FROM io_msg.pending AS p USING l WHERE p.ctid = l.tid RETURNING p.id"

#define SQL_LOAD \
"SELECT b.id, b.body::text FROM io_msg.body AS b WHERE b.id = ANY ($1)"

/* ---- result.c and settle.c: what came of it ---- */

/* What to write of each row. */
#define SQL_RESULTS \
"ROWS FROM (pg_catalog.unnest($1::bigint[]), " \
"       pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), " \
"       pg_catalog.unnest($4::smallint[]), pg_catalog.unnest($5::smallint[]), " \
"       pg_catalog.unnest($6::timestamptz[]), pg_catalog.unnest($7::text[])"

#define SQL_RESULT_COLUMNS \
"id, status, reason, http_status, attempts, next_due, message_id"

#define SQL_WRITE_RESULTS \
"     u AS (UPDATE io_msg.outbox AS o SET status = l.status, " \
"                  reason = l.reason, " \
"                  http_status = COALESCE(l.http_status, o.http_status), " \
"                  attempts = l.attempts, " \
"                  message_id = COALESCE(l.message_id, o.message_id), " \
"                  io_status = CASE WHEN l.status = 'sent' " \
"                              THEN 'ACCEPTED' ELSE o.io_status END, " \
"                  due_at = COALESCE(l.next_due, o.due_at), " \
"                  settled_at = CASE WHEN l.status <> 'queued' " \
"                               THEN pg_catalog.clock_timestamp() END " \
"             FROM l WHERE o.ctid = l.tid " \
"        RETURNING o.id, o.generation, o.timeline, o.service_id, " \
"                  o.priority, o.due_at, l.status, l.next_due), " \
"     n AS (INSERT INTO io_msg.pending (generation, timeline, service_id, " \
"                  priority, due_at, id) " \
"           SELECT u.generation, u.timeline, u.service_id, u.priority, " \
"                  u.due_at, u.id FROM u WHERE u.status = 'queued'), " \
"     b AS (INSERT INTO io_msg.poll (generation, timeline, service_id, " \
"                  due_at, first_id, ids) " \
"           SELECT u.generation, u.timeline, u.service_id, u.due_at, " \
"                  pg_catalog.min(u.id), pg_catalog.array_agg(u.id) " \
"             FROM u WHERE u.status = 'sent' AND u.next_due IS NOT NULL " \
"            GROUP BY u.generation, u.timeline, u.service_id, u.due_at) " \
"SELECT u.id FROM u"

/* Rows that are in flight, and so in nobody's hands but ours. */
#define SQL_SETTLE_IN_FLIGHT \
"WITH l AS (SELECT r.*, x.tid FROM " SQL_RESULTS ") " \
"           AS r(" SQL_RESULT_COLUMNS ") " \
"      CROSS JOIN LATERAL (SELECT o.ctid AS tid FROM io_msg.outbox AS o " \
"            WHERE o.id = r.id AND o.status = 'queued' " \
"              FOR NO KEY UPDATE SKIP LOCKED) AS x), " \
SQL_WRITE_RESULTS

/* Rows of which nothing has left: their rows in pending are taken first. */
#define SQL_SETTLE_QUEUED \
"WITH l AS (SELECT r.*, x.tid, x.pending_tid FROM " SQL_RESULTS ", " \
"       pg_catalog.unnest($8::integer[]), pg_catalog.unnest($9::smallint[]), " \
"       pg_catalog.unnest($10::timestamptz[])) " \
"       AS r(" SQL_RESULT_COLUMNS ", service_id, priority, due_at) " \
"      CROSS JOIN LATERAL (SELECT o.ctid AS tid, p.ctid AS pending_tid " \
"             FROM io_msg.pending AS p, io_msg.outbox AS o " \
"            WHERE p.generation = $11 AND p.timeline = $12 " \
"              AND p.service_id = r.service_id AND p.priority = r.priority " \
"              AND p.due_at = r.due_at AND p.id = r.id " \
"              AND o.id = r.id AND o.status = 'queued' " \
"              FOR NO KEY UPDATE OF p, o SKIP LOCKED) AS x), " \
"     d AS (DELETE FROM io_msg.pending AS p USING l " \
"            WHERE p.ctid = l.pending_tid), " \
SQL_WRITE_RESULTS

/* Sent rows: IO's statuses; next_due null ends the polling. */
#define SQL_SETTLE_POLLS \
"WITH l AS (SELECT r.*, x.tid FROM ROWS FROM ( " \
"       pg_catalog.unnest($1::bigint[]), " \
"       pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), " \
"       pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::smallint[]), " \
"       pg_catalog.unnest($6::timestamptz[])) " \
"       AS r(id, io_status, read_status, payment_status, polls, next_due) " \
"      CROSS JOIN LATERAL (SELECT o.ctid AS tid FROM io_msg.outbox AS o " \
"            WHERE o.id = r.id AND o.status = 'sent' " \
"              FOR NO KEY UPDATE SKIP LOCKED) AS x), " \
"     u AS (UPDATE io_msg.outbox AS o SET " \
"                  io_status = COALESCE(l.io_status, o.io_status), " \
"                  read_status = COALESCE(l.read_status, o.read_status), " \
"                  payment_status = COALESCE(l.payment_status, " \
"                                            o.payment_status), " \
"                  io_status_at = CASE WHEN l.io_status IS NULL " \
"                                 THEN o.io_status_at " \
"                                 ELSE pg_catalog.clock_timestamp() END, " \
"                  polls = l.polls, due_at = COALESCE(l.next_due, o.due_at) " \
"             FROM l WHERE o.ctid = l.tid " \
"        RETURNING o.id, o.generation, o.timeline, o.service_id, " \
"                  l.next_due), " \
"     b AS (INSERT INTO io_msg.poll (generation, timeline, service_id, " \
"                  due_at, first_id, ids) " \
"           SELECT u.generation, u.timeline, u.service_id, u.next_due, " \
"                  pg_catalog.min(u.id), pg_catalog.array_agg(u.id) " \
"             FROM u WHERE u.next_due IS NOT NULL " \
"            GROUP BY u.generation, u.timeline, u.service_id, u.next_due " \
"               ON CONFLICT (generation, timeline, service_id, due_at, " \
"                            first_id) DO UPDATE " \
"              SET ids = poll.ids || EXCLUDED.ids) " \
"SELECT u.id FROM u"

#define SQL_POLLS_DELETE \
"WITH l AS (SELECT x.tid FROM ROWS FROM (pg_catalog.unnest($1::integer[]), " \
"       pg_catalog.unnest($2::timestamptz[]), pg_catalog.unnest($3::bigint[])) " \
"       AS k(service_id, due_at, first_id) " \
"      CROSS JOIN LATERAL (SELECT q.ctid AS tid FROM io_msg.poll AS q " \
"            WHERE q.generation = $4 AND q.timeline = $5 " \
"              AND q.service_id = k.service_id AND q.due_at = k.due_at " \
"              AND q.first_id = k.first_id FOR UPDATE SKIP LOCKED) AS x) " \
"DELETE FROM io_msg.poll AS q USING l WHERE q.ctid = l.tid"

/*
 * Of rows that could not be settled: those that still can be, later.  A poll
 * has the due time at which its row counts, a message none.
 */
#define SQL_STILL_OPEN \
"SELECT r.id FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), " \
"       pg_catalog.unnest($2::timestamptz[])) AS r(id, due_at) " \
" CROSS JOIN LATERAL (SELECT x.* FROM io_msg.outbox AS x " \
"        WHERE x.id = r.id OFFSET 0) AS o " \
" WHERE CASE WHEN r.due_at IS NULL THEN o.status = 'queued' " \
"       ELSE o.due_at = r.due_at AND (o.status = 'sent' " \
"            OR " SQL_BEING_VERIFIED("o") ") END"

#define SQL_PROFILE_COLUMNS \
"ROWS FROM (pg_catalog.unnest($1::integer[]), " \
"       pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::boolean[]), " \
"       pg_catalog.unnest($4::boolean[]), pg_catalog.unnest($5::text[]), " \
"       pg_catalog.unnest($6::timestamptz[])) " \
"       AS r(service_id, fiscal_code, present, allowed, languages, at) "

#define SQL_PROFILES_UPDATE \
"WITH l AS (SELECT r.*, x.tid FROM " SQL_PROFILE_COLUMNS \
"      CROSS JOIN LATERAL (SELECT f.ctid AS tid FROM io_msg.profile AS f " \
"            WHERE f.service_id = r.service_id " \
"              AND f.fiscal_code = r.fiscal_code " \
"              FOR NO KEY UPDATE SKIP LOCKED) AS x) " \
"UPDATE io_msg.profile AS f SET \"exists\" = l.present, " \
"       sender_allowed = l.allowed, " \
"       preferred_languages = l.languages::text[], checked_at = l.at " \
"  FROM l WHERE f.ctid = l.tid"

#define SQL_PROFILES_INSERT \
"INSERT INTO io_msg.profile (service_id, fiscal_code, \"exists\", " \
"       sender_allowed, preferred_languages, checked_at) " \
"SELECT r.service_id, r.fiscal_code, r.present, r.allowed, " \
"       r.languages::text[], r.at FROM " SQL_PROFILE_COLUMNS \
"    ON CONFLICT (service_id, fiscal_code) DO NOTHING"

#endif							/* IOMSG_OUTBOX_SQL_H */
