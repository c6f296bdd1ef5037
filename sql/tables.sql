/*
 * io_msg: what is kept, and where.
 *
 * A message is a row of outbox, its content a row of body; what can be sent
 * has a row in pending, what is sent and not final at IO is listed in poll.  doc/schema.md has the figures behind
 * these shapes.  Statuses are constrained text, not enum types, so that an
 * upgrade can add one inside a transaction.
 */

CREATE SCHEMA io_msg;
REVOKE ALL ON SCHEMA io_msg FROM PUBLIC;

/* ----------------------------------------------------------------------
 * Who sends
 */

CREATE TABLE io_msg.account (
	name         text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$'),
	base_url     text NOT NULL DEFAULT 'https://api.io.pagopa.it/api/v1'
	             CHECK (base_url ~ '^https?://[^/?#@[:space:]]+(/[^?#[:space:]]*)?$'),
	quota_calls  integer NOT NULL DEFAULT 150 CHECK (quota_calls BETWEEN 1 AND 4096),
	quota_period interval NOT NULL DEFAULT '5 s'
	             CHECK (quota_period >= '10 ms' AND quota_period <= '1 h'),
	proxy        text CHECK (proxy ~ '^(https?|socks5h?)://[^/?#@[:space:]]+/?$')
);
COMMENT ON TABLE io_msg.account IS
'One ente at IO: where its calls go and how many it may make. All services of an ente share its quota. A service without account uses IO''s official address and quota.';

CREATE SEQUENCE io_msg.service_id_seq AS integer;

CREATE TABLE io_msg.service (
	id                         integer PRIMARY KEY DEFAULT pg_catalog.nextval('io_msg.service_id_seq'),
	name                       text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$'),
	account                    text REFERENCES io_msg.account ON UPDATE CASCADE,
	organization_fiscal_code   text CHECK (organization_fiscal_code ~ '^[0-9]{11}$'),
	paused                     boolean NOT NULL DEFAULT false,
	dry_run                    boolean NOT NULL DEFAULT false,
	premium                    boolean NOT NULL DEFAULT false,
	payee                      boolean NOT NULL DEFAULT false,
	third_party                boolean NOT NULL DEFAULT false,
	max_allowed_payment_amount bigint NOT NULL DEFAULT 9999999999
	                           CHECK (max_allowed_payment_amount BETWEEN 0 AND 9999999999),
	only_recipients            text[],
	profile_max_age            interval NOT NULL DEFAULT '1 h' CHECK (profile_max_age BETWEEN '0 s' AND '100 years'),
	profile_negative_max_age   interval NOT NULL DEFAULT '10 min' CHECK (profile_negative_max_age BETWEEN '0 s' AND '100 years'),
	on_uncertain               text NOT NULL DEFAULT 'hold' CHECK (on_uncertain IN ('hold', 'resend')),
	on_server_error            text NOT NULL DEFAULT 'retry' CHECK (on_server_error IN ('retry', 'uncertain'))
);
ALTER SEQUENCE io_msg.service_id_seq OWNED BY io_msg.service.id;
COMMENT ON TABLE io_msg.service IS
'A service of an ente, as registered at IO. name is what callers use and what the key file refers to.';
COMMENT ON COLUMN io_msg.service.only_recipients IS
'For trials: when set, nothing leaves for a fiscal code that is not listed. IO has no test environment.';
COMMENT ON COLUMN io_msg.service.dry_run IS
'Messages are validated and queued, then finished without any call to IO.';
COMMENT ON COLUMN io_msg.service.on_uncertain IS
'hold: a message that IO may have accepted waits for a person. resend: it is sent again, and may reach the citizen twice.';
COMMENT ON COLUMN io_msg.service.on_server_error IS
'retry: after IO''s own error 500, which says that the message was not taken, it is tried again. uncertain: it waits for a person.';

CREATE TABLE io_msg.service_role (
	service_id integer NOT NULL REFERENCES io_msg.service ON DELETE CASCADE,
	role_name  name NOT NULL,
	PRIMARY KEY (service_id, role_name)
);
COMMENT ON TABLE io_msg.service_role IS
'Who may enqueue for a service: the role and its members. The owner of the extension may for all.';

/*
 * Why a service does not send at the moment, as IO's answers have it.  Apart
 * from service, so that the drainer never waits for a person who edits that,
 * and not dumped: a copy finds out by itself.
 */
CREATE TABLE io_msg.service_stop (
	service_id  integer PRIMARY KEY,
	reason      text NOT NULL,
	http_status integer,
	key_mark    text,
	stopped_at  timestamptz NOT NULL
);

/* ----------------------------------------------------------------------
 * What is sent
 */

CREATE SEQUENCE io_msg.outbox_id_seq;

/*
 * Columns that never change come first, those that the drainer writes last:
 * the log of an update leaves out what two versions of a row have in common
 * at either end.  None of the latter is in an index, so that every update
 * stays on its page.
 */
CREATE TABLE io_msg.outbox (
	id             bigint PRIMARY KEY DEFAULT pg_catalog.nextval('io_msg.outbox_id_seq'),
	created_at     timestamptz NOT NULL,
	expires_at     timestamptz,
	due_date       timestamptz,
	service_id     integer NOT NULL,
	priority       smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
	has_payment    boolean NOT NULL DEFAULT false,
	advanced       boolean NOT NULL DEFAULT false,
	kind           text NOT NULL CHECK (kind IN ('message', 'profile')),
	fiscal_code    text NOT NULL,
	reference      text,
	lot            text,
	dedup_key      text,
	enqueued_by    text NOT NULL,
	session_role   text NOT NULL,
	generation     bigint NOT NULL,
	timeline       integer NOT NULL,
	due_at         timestamptz NOT NULL,
	settled_at     timestamptz,
	io_status_at   timestamptz,
	attempts       smallint NOT NULL DEFAULT 0,
	polls          smallint NOT NULL DEFAULT 0,
	http_status    smallint,
	status         text NOT NULL CHECK (status IN ('queued', 'sent', 'failed', 'uncertain',
	               'not_allowed', 'expired', 'cancelled', 'checked')),
	reason         text,
	message_id     text,
	io_status      text,
	read_status    text,
	payment_status text
) WITH (fillfactor = 50);
ALTER SEQUENCE io_msg.outbox_id_seq OWNED BY io_msg.outbox.id;
COMMENT ON TABLE io_msg.outbox IS
'One row for each message or profile check. People read io_msg.message. A queued row without a row in io_msg.pending is being sent.';

CREATE TABLE io_msg.body (
	id   bigint PRIMARY KEY,
	body json NOT NULL
);
COMMENT ON TABLE io_msg.body IS
'The content of a message, to the letter as IO will get it. Apart from outbox: written once, read once, erased when its time is over.';

/*
 * What can be sent, and when.  A row here is the baton of its row in outbox:
 * whoever changes a queued message holds this row first.  The drainer's mark
 * takes it away and, in the same transaction, notes the id in drainer: from
 * then on the message is being sent and is nobody else's.
 */
CREATE TABLE io_msg.pending (
	generation bigint NOT NULL,
	timeline   integer NOT NULL,
	service_id integer NOT NULL,
	priority   smallint NOT NULL,
	due_at     timestamptz NOT NULL,
	id         bigint NOT NULL,
	PRIMARY KEY (generation, timeline, service_id, priority, due_at, id)
);
COMMENT ON TABLE io_msg.pending IS
'What can be sent, and when: one row for each queued row of outbox, with the same generation, timeline, service, priority, due time and id.';

/*
 * Which sent messages IO is asked about, and when.  Messages that leave
 * together are asked about together, so they share a row.  An id counts where
 * its row in outbox has the same due_at; what is left over is passed by.
 */
CREATE TABLE io_msg.poll (
	generation bigint NOT NULL,
	timeline   integer NOT NULL,
	service_id integer NOT NULL,
	due_at     timestamptz NOT NULL,
	first_id   bigint NOT NULL,
	ids        bigint[] NOT NULL,
	PRIMARY KEY (generation, timeline, service_id, due_at, first_id)
);
COMMENT ON TABLE io_msg.poll IS
'Which sent messages IO is asked about, and when.';

CREATE TABLE io_msg.dedup_key (
	service_id   integer NOT NULL,
	dedup_key    text NOT NULL,
	content_hash bytea NOT NULL,
	id           bigint NOT NULL,
	PRIMARY KEY (service_id, dedup_key)
);
COMMENT ON TABLE io_msg.dedup_key IS
'The callers'' own keys against enqueuing twice: IO has none.';

CREATE TABLE io_msg.profile (
	service_id          integer NOT NULL,
	fiscal_code         text NOT NULL,
	"exists"            boolean NOT NULL,
	sender_allowed      boolean NOT NULL,
	preferred_languages text[],
	checked_at          timestamptz NOT NULL,
	PRIMARY KEY (service_id, fiscal_code)
);
COMMENT ON TABLE io_msg.profile IS
'IO''s last answer about a person for a service: on IO at all, and willing to hear from this service.';

/*
 * Without statistics, which would keep codes and texts of people for whoever
 * reads the catalogs, also when their rows are gone.  No plan needs them.
 */
ALTER TABLE io_msg.outbox ALTER COLUMN fiscal_code SET STATISTICS 0;
ALTER TABLE io_msg.body ALTER COLUMN body SET STATISTICS 0;
ALTER TABLE io_msg.profile ALTER COLUMN fiscal_code SET STATISTICS 0;

/* ----------------------------------------------------------------------
 * Who may act: this database, its worker, people
 */

/* Never dumped: a restored copy gets its own row, and so another generation. */
CREATE TABLE io_msg.installation (
	only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	generation        bigint NOT NULL,
	system_identifier bigint NOT NULL,
	database_oid      oid NOT NULL,
	instance          text NOT NULL,
	paused            boolean NOT NULL DEFAULT false,
	resumed_at        timestamptz,
	armed_at          timestamptz NOT NULL
);

/*
 * Never dumped: the worker of this database and what it is sending.  Each
 * transaction of the worker rewrites in_flight where the epoch is still its
 * own: who raises the epoch has taken its place.  orphans are what a worker
 * that died was sending, until each is uncertain.  running is true from a
 * worker's first work to its planned end: where the next one finds it true,
 * the one before was cut off, and unclean_starts has the last three of those.
 * synchronous is whether its last mark waited for a standby, or the first look
 * at its timeline did: what a promoted server finds there decides, once for a
 * timeline, whether rows from before it may flow by themselves; those of
 * timelines below held_before never do.
 */
CREATE TABLE io_msg.drainer (
	slot           smallint PRIMARY KEY,
	epoch          bigint NOT NULL,
	started_at     timestamptz,
	running        boolean NOT NULL DEFAULT false,
	unclean_starts timestamptz[] NOT NULL DEFAULT '{}',
	orphans        bigint[] NOT NULL DEFAULT '{}',
	in_flight      bigint[] NOT NULL DEFAULT '{}',
	synchronous    boolean NOT NULL DEFAULT false,
	timeline       integer NOT NULL DEFAULT 0,
	held_before    integer NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
INSERT INTO io_msg.drainer (slot, epoch) VALUES (0, 0);

/* ----------------------------------------------------------------------
 * What is kept for those who ask later
 */

/*
 * The uncertain rows of outbox, so that they can be counted at any time: an
 * index on a status would cost every message a second place on disk.
 */
CREATE TABLE io_msg.uncertain (
	id    bigint PRIMARY KEY,
	since timestamptz NOT NULL
);
COMMENT ON TABLE io_msg.uncertain IS
'The messages that IO may have accepted, until a person says what became of them (io_resolve).';

CREATE TABLE io_msg.attempt (
	id          bigint NOT NULL,
	number      integer NOT NULL,
	marked_at   timestamptz,
	ended_at    timestamptz NOT NULL,
	class       text NOT NULL CHECK (class IN ('accepted', 'refused', 'retry', 'throttled', 'key',
	            'service', 'not_sent', 'unknown')),
	reason      text,
	http_status smallint,
	duration_ms integer,
	phase       text CHECK (phase IN ('none', 'connecting', 'connected', 'ready', 'sent', 'status',
	            'headers', 'body', 'done')),
	key         text CHECK (key IN ('primary', 'secondary')),
	PRIMARY KEY (id, number)
);
COMMENT ON TABLE io_msg.attempt IS
'Attempts to send that did not simply end in sent: number counts those of a message, marked_at is when it was set aside for sending, class what the answer (or its lack) means, phase how far the connection came, duration_ms the whole request. Never changed.';

CREATE TABLE io_msg.audit (
	at           timestamptz NOT NULL,
	action       text NOT NULL,
	role_name    text NOT NULL,
	session_role text NOT NULL,
	service_id   integer,
	id           bigint,
	detail       jsonb,
	reason       text
);
COMMENT ON TABLE io_msg.audit IS
'What people did to the flow: arm, release, resolve, cancel, retry, pause, resume, grant; and what a promotion let go. Never changed.';

CREATE FUNCTION io_msg.refuse_change() RETURNS trigger
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'rows of % are never changed or removed', TG_RELID::regclass
		USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;
REVOKE ALL ON FUNCTION io_msg.refuse_change() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON io_msg.attempt
	FOR EACH STATEMENT EXECUTE FUNCTION io_msg.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON io_msg.audit
	FOR EACH STATEMENT EXECUTE FUNCTION io_msg.refuse_change();
ALTER TABLE io_msg.attempt ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE io_msg.audit ENABLE ALWAYS TRIGGER append_only;

SELECT pg_catalog.pg_extension_config_dump('io_msg.account', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.service_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.service', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.service_role', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.outbox_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.outbox', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.body', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.pending', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.poll', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.dedup_key', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.profile', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.uncertain', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.attempt', '');
SELECT pg_catalog.pg_extension_config_dump('io_msg.audit', '');

/* ----------------------------------------------------------------------
 * What the library needs from SQL
 */

/* A fresh 63-bit generation, from the server's strong random source. */
CREATE FUNCTION io_msg.new_generation() RETURNS bigint
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'iomsg_installation_new_generation';

/* This cluster, this database, io_msg.instance and the present timeline. */
CREATE FUNCTION io_msg.identity(OUT system_identifier bigint, OUT database_oid oid,
                                OUT instance text, OUT timeline integer)
	RETURNS record LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'iomsg_installation_identity_sql';

INSERT INTO io_msg.installation (generation, system_identifier, database_oid, instance, armed_at)
	SELECT io_msg.new_generation(), i.system_identifier, i.database_oid, i.instance,
	       pg_catalog.clock_timestamp()
	  FROM io_msg.identity() AS i;

/* Ask the drainer, at commit, to look at accounts, services and pauses anew. */
CREATE FUNCTION io_msg.settings_changed() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'iomsg_api_settings_changed';

CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON io_msg.account
	FOR EACH STATEMENT EXECUTE FUNCTION io_msg.settings_changed();
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON io_msg.service
	FOR EACH STATEMENT EXECUTE FUNCTION io_msg.settings_changed();
CREATE TRIGGER settings_changed AFTER UPDATE ON io_msg.installation
	FOR EACH STATEMENT EXECUTE FUNCTION io_msg.settings_changed();

REVOKE ALL ON FUNCTION io_msg.new_generation(), io_msg.identity(),
	io_msg.settings_changed() FROM PUBLIC;
