# An ordinary role, even one that owns the database, can get none of its code
# run by the worker or with the extension's rights: not by names in the search
# path, not by objects that were there before, not by triggers.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0, 'io_msg.poll_delay' => '100ms');

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE city OWNER mallory');

# One value as a role that logs in, in the database that mallory owns.
sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('city', $sql, extra_params => [ '-U', $role ]);
}

# What a role is told.
sub error_of
{
	my ($role, $sql) = @_;
	my (undef, undef, $err) = $node->psql('city', $sql,
		extra_params => [ '-U', $role ], on_error_stop => 0);

	return $err;
}

subtest 'what was there before is no part of the extension' => sub
{
	as('mallory', 'CREATE SCHEMA io_msg; CREATE TABLE io_msg.outbox (id bigint)');
	like(error_of('postgres', 'CREATE EXTENSION io_msg'), qr/ERROR:.*schema "io_msg" already exists/,
		'a schema of that name stops it');
	as('mallory', 'DROP SCHEMA io_msg CASCADE');
	as('mallory', q{CREATE FUNCTION public.io_cancel(id bigint, reason text DEFAULT NULL)
		RETURNS boolean LANGUAGE sql AS 'SELECT true'});
	like(error_of('postgres', 'CREATE EXTENSION io_msg'), qr/ERROR:.*already exists/,
		'so does a function');
	is(as('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'io_msg'}), 0,
		'and nothing stays behind');
	as('mallory', 'DROP FUNCTION public.io_cancel(bigint, text)');
};

# Names that shadow those of pg_catalog for whoever looks into evil first.  Each
# says in whose name it ran, in a table that all can write.
sub set_traps
{
	my %functions = (
		'clock_timestamp()' => [ 'timestamptz', 'pg_catalog.clock_timestamp()' ],
		'now()' => [ 'timestamptz', 'pg_catalog.now()' ],
		'lower(text)' => [ 'text', 'pg_catalog.lower($1)' ],
		'upper(text)' => [ 'text', 'pg_catalog.upper($1)' ],
		'btrim(text)' => [ 'text', 'pg_catalog.btrim($1)' ],
		'nextval(regclass)' => [ 'bigint', 'pg_catalog.nextval($1)' ],
		'current_setting(text, boolean)' => [ 'text', 'pg_catalog.current_setting($1, $2)' ],
		'set_config(text, text, boolean)' => [ 'text', 'pg_catalog.set_config($1, $2, $3)' ],
		'to_char(timestamptz, text)' => [ 'text', 'pg_catalog.to_char($1, $2)' ],
		'split_part(text, text, integer)' => [ 'text', 'pg_catalog.split_part($1, $2, $3)' ],
		'unnest(bigint[])' => [ 'SETOF bigint', 'pg_catalog.unnest($1)' ],
		'unnest(integer[])' => [ 'SETOF integer', 'pg_catalog.unnest($1)' ],
		'jsonb_strip_nulls(jsonb)' => [ 'jsonb', 'pg_catalog.jsonb_strip_nulls($1)' ],
		'pg_has_role(oid, text)' => [ 'boolean', 'true' ],
		'pg_sleep(double precision)' => [ 'void', 'pg_catalog.pg_sleep($1)' ]);
	my $sql = q{
		CREATE SCHEMA evil;
		CREATE TABLE evil.caught (what text, by name, session name);
		GRANT USAGE ON SCHEMA evil TO PUBLIC;
		GRANT ALL ON evil.caught TO PUBLIC;
		SET search_path = pg_catalog;
	};
	my $body = sub { my ($what, $value) = @_;
		return "INSERT INTO evil.caught VALUES ('$what', current_user, session_user); SELECT $value" };

	foreach my $name (sort keys %functions)
	{
		my ($type, $value) = @{ $functions{$name} };
		$sql .= "CREATE FUNCTION evil.$name RETURNS $type LANGUAGE sql VOLATILE AS \$\$"
		  . $body->($name, $value) . "\$\$;\n";
	}
	foreach my $type (qw(text bigint integer smallint timestamptz boolean jsonb))
	{
		foreach my $op ('=', '<>', '<', '>', '<=', '>=')
		{
			$sql .= "CREATE FUNCTION evil.op_$type\_" . unpack('H*', $op)
			  . "($type, $type) RETURNS boolean LANGUAGE sql VOLATILE AS \$\$"
			  . $body->("$op on $type", "\$1 OPERATOR(pg_catalog.$op) \$2") . "\$\$;\n"
			  . "CREATE OPERATOR evil.$op (LEFTARG = $type, RIGHTARG = $type, FUNCTION = evil.op_$type\_"
			  . unpack('H*', $op) . ");\n";
		}
	}
	$sql .= q{CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE sql VOLATILE AS $$}
	  . $body->('||', '$1 OPERATOR(pg_catalog.||) $2') . q{$$;
		CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.cat);
		CREATE TYPE evil.outbox AS (id bigint);
		ALTER DATABASE city SET search_path = evil, pg_catalog, public};
	as('mallory', $sql);
	return;
}

as('postgres', 'CREATE EXTENSION io_msg SCHEMA public');
set_traps();
# The sessions look into evil first, whatever they were given.
$ENV{PGOPTIONS} = session_options(search_path => undef);
add_service($node, 'tari', $io, database => 'city');
as('postgres', q{CREATE ROLE clerk LOGIN; CREATE ROLE warden LOGIN;
	SELECT public.io_grant('clerk', 'sender', 'tari'), public.io_grant('mallory', 'sender', 'tari'),
	       public.io_grant('warden', 'operator')});

subtest 'the traps work' => sub
{
	as('mallory', q{SELECT 'a'::text = 'b'::text, clock_timestamp()});
	is(as('mallory', 'SELECT count(*) FROM evil.caught'), 2, 'they catch who walks into them');
	as('mallory', 'TRUNCATE evil.caught');
};

subtest 'no name in the search path reaches our code' => sub
{
	my $message = sub { my ($n, $more) = @_;
		return "public.io_enqueue_message('" . fiscal_code($n) . "', 'An invented subject', "
		  . "pg_catalog.repeat('text ', 30)" . ($more // '') . ')' };

	as($_, 'SELECT ' . $message->(1)) foreach qw(mallory clerk postgres);
	as('clerk', 'SELECT ' . $message->(2, ", due_date => '2030-01-02', dedup_key => 'k', lot => 'l', "
		  . 'payment_data => public.io_payment_data(100, \'002123456789012345\')'));
	as('clerk', "SELECT public.io_check_profile('" . fiscal_code(3) . "')");
	as('clerk', "SELECT * FROM public.io_validate_message('bad', 'short', 'short')");
	as('postgres', "SELECT public.io_pause('tari'), public.io_resume('tari'), public.io_arm(), public.io_release()");
	as('warden', "SELECT public.io_pause(), public.io_resume(), public.io_cancel_lot('nosuch')");
	as('warden', 'SELECT public.io_explain(1); SELECT * FROM public.io_health()');
	my $views = as('postgres', q{SELECT pg_catalog.string_agg(oid::pg_catalog.regclass::pg_catalog.text, ' ')
		FROM pg_catalog.pg_class WHERE relkind OPERATOR(pg_catalog.=) 'v'
		AND relnamespace OPERATOR(pg_catalog.=) 'io_msg'::pg_catalog.regnamespace});
	as('warden', "TABLE $_") foreach split / /, $views;
	wait_until($node, q{SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 5 FROM io_msg.outbox
		WHERE status OPERATOR(pg_catalog.=) ANY ('{sent,checked}')}, 'the worker sent all', 'city');
	wait_until($node, q{SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 4 FROM io_msg.outbox
		WHERE io_status OPERATOR(pg_catalog.=) 'PROCESSED'}, 'and followed them', 'city');
	is(as('postgres', 'SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat_ws(\' \', what, \'by\', by), \', \') FROM evil.caught'),
		'', 'nothing of mallory\'s ran');
};

subtest 'mallory cannot reach the tables' => sub
{
	as('mallory', q{CREATE FUNCTION evil.spy() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN INSERT INTO evil.caught VALUES (''trigger'', current_user, session_user); RETURN NEW; END'});
	foreach my $table (split /\n/, as('postgres', q{SELECT relname FROM pg_catalog.pg_class
			WHERE relnamespace OPERATOR(pg_catalog.=) 'io_msg'::pg_catalog.regnamespace
			AND relkind OPERATOR(pg_catalog.=) 'r'}))
	{
		like(error_of('mallory', $_->[1]), qr/permission denied|must be owner/, "$table: no $_->[0]")
		  foreach [ 'trigger', "CREATE TRIGGER spy BEFORE INSERT ON io_msg.$table FOR EACH ROW EXECUTE FUNCTION evil.spy()" ],
		  [ 'rule', "CREATE RULE spy AS ON INSERT TO io_msg.$table DO ALSO NOTIFY spy" ],
		  [ 'child', "CREATE TABLE evil.child () INHERITS (io_msg.$table)" ],
		  [ 'index', "CREATE INDEX ON io_msg.$table ((evil.lower('a')))" ],
		  [ 'policy', "CREATE POLICY spy ON io_msg.$table USING (true)" ],
		  [ 'lock', "BEGIN; LOCK TABLE io_msg.$table" ];
	}
	like(error_of('mallory', $_), qr/permission denied|must be|requires|cannot/, $_)
	  foreach 'DROP EXTENSION io_msg', 'CREATE TABLE io_msg.mine (id int)',
	  'ALTER EXTENSION io_msg ADD TABLE evil.caught', 'DROP FUNCTION public.io_arm(boolean, text)',
	  'ALTER FUNCTION public.io_arm(boolean, text) RESET ALL', 'SET ROLE postgres',
	  q{ALTER DATABASE city SET io_msg.allowed_hosts = 'evil.example'}, q{SET io_msg.keys_file = '/etc/passwd'},
	  'SHOW io_msg.keys_file';
	is(as('postgres', 'SELECT pg_catalog.count(*) FROM evil.caught'), 0, 'still nothing ran');
};

done_testing();
