-- base.sql: one shape's own schema with the parts that all shapes share.
-- Variables: shape, gentype, gen, held, fillfactor, inline, fk, more, ordered.
CREATE SCHEMA :shape;
SET search_path = :shape, m, public;

-- the generation of this installation and that of a restored dump
CREATE FUNCTION gen() RETURNS :gentype IMMUTABLE LANGUAGE sql AS :'genbody';
CREATE FUNCTION held() RETURNS :gentype IMMUTABLE LANGUAGE sql AS :'heldbody';

\if :ordered
-- what never changes first, then what the drainer writes: an update's WAL
-- record leaves out what old and new row have in common at both ends
CREATE TABLE outbox (
	id             bigint PRIMARY KEY,
	queued_at      timestamptz NOT NULL DEFAULT now(),
	expires_at     timestamptz,
	generation     :gentype NOT NULL,
	timeline       integer NOT NULL,
	service_id     integer NOT NULL,
	priority       smallint NOT NULL,
	kind           text NOT NULL DEFAULT 'message',
	fiscal_code    text NOT NULL,
	outer_user     text NOT NULL DEFAULT current_user,
	login_user     text NOT NULL DEFAULT session_user,
	reference      text,
	lot            text,
	dedup_key      text,
	body           jsonb,
	read_status    text,
	payment_status text,
	error_code     text,
	message_id     text,
	http_status    smallint,
	slot           smallint,
	attempts       smallint NOT NULL DEFAULT 0,
	polls          smallint NOT NULL DEFAULT 0,
	epoch          bigint,
	marked_at      timestamptz,
	settled_at     timestamptz,
	due_at         timestamptz NOT NULL DEFAULT now(),
	poll_at        timestamptz,
	io_updated_at  timestamptz,
	status         text NOT NULL DEFAULT 'queued',
	io_status      text
) WITH (fillfactor = :fillfactor, autovacuum_enabled = off);
\else
CREATE TABLE outbox (
	id             bigint PRIMARY KEY,
	generation     :gentype NOT NULL,
	timeline       integer NOT NULL,
	service_id     integer NOT NULL,
	slot           smallint,
	priority       smallint NOT NULL,
	attempts       smallint NOT NULL DEFAULT 0,
	polls          smallint NOT NULL DEFAULT 0,
	http_status    smallint,
	epoch          bigint,
	queued_at      timestamptz NOT NULL DEFAULT now(),
	due_at         timestamptz NOT NULL DEFAULT now(),
	expires_at     timestamptz,
	marked_at      timestamptz,
	settled_at     timestamptz,
	poll_at        timestamptz,
	io_updated_at  timestamptz,
	kind           text NOT NULL DEFAULT 'message',
	status         text NOT NULL DEFAULT 'queued',
	fiscal_code    text NOT NULL,
	outer_user     text NOT NULL DEFAULT current_user,
	login_user     text NOT NULL DEFAULT session_user,
	reference      text,
	lot            text,
	dedup_key      text,
	message_id     text,
	io_status      text,
	read_status    text,
	payment_status text,
	error_code     text,
	body           jsonb
) WITH (fillfactor = :fillfactor, autovacuum_enabled = off);
\endif

CREATE TABLE body (id bigint PRIMARY KEY, content jsonb NOT NULL)
	WITH (autovacuum_enabled = off);
CREATE TABLE orphans (slot smallint PRIMARY KEY, epoch bigint, ids bigint[])
	WITH (fillfactor = 10);
INSERT INTO orphans VALUES (1, 1, '{}');

\if :fk
ALTER TABLE body ADD FOREIGN KEY (id) REFERENCES outbox;
\endif
\if :more
CREATE INDEX ON outbox (reference);
CREATE INDEX ON outbox (lot, id);
\endif

-- a person or nobody may hold a row: every statement skips locked rows
CREATE FUNCTION note_orphans(bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE orphans SET ids = $1 WHERE slot = 1 AND epoch = 1;
END $$;

CREATE FUNCTION insert_row(i bigint, service integer, g anyelement, b jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO outbox (id, generation, timeline, service_id, priority,
						fiscal_code, reference, lot, dedup_key)
	VALUES (i, g, 1, service, 5, 'AAAAAA00A00A000A',
			'2026/' || i, 'TARI-2026', NULL);
	INSERT INTO body VALUES (i, b);
END $$;
