# Who may do what: nothing for PUBLIC; a sender enqueues for its service alone
# and reads nothing; a row shows who called, however the call was made; the
# extension belongs to a role that nobody can log in as, and works so.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0);

# As the README says.
$node->safe_psql('postgres', q{
	CREATE ROLE io_owner NOLOGIN SUPERUSER;
	SET ROLE io_owner;
	CREATE EXTENSION io_msg;
	RESET ROLE;
	ALTER ROLE io_owner NOSUPERUSER;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE director LOGIN IN ROLE clerk;
	CREATE ROLE auditor LOGIN;
	CREATE ROLE warden LOGIN;
	CREATE ROLE stranger LOGIN});
add_service($node, 'tari', $io);
add_service($node, 'permits', $io);
$node->safe_psql('postgres', q{SET ROLE io_owner;
	SELECT io_grant('clerk', 'sender', 'tari'), io_grant('auditor', 'reader'),
	       io_grant('warden', 'operator')});

# One value as a role that logs in.
sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]);
}

# The SQLSTATE that a role gets for a statement; 00000 where it passes.
sub sqlstate_as
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql",
		extra_params => [ '-U', $role ], on_error_stop => 0);

	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : $err eq '' ? '00000' : $err;
}

sub call
{
	my ($n, $service) = @_;

	return "io_enqueue_message('" . fiscal_code($n) . "', 'An invented subject', "
	  . "repeat('text ', 30), service => '$service')";
}

# All objects of the extension, with what can be granted on each.
my $privileges = q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'io_msg'),
	object AS (
		SELECT c.relkind::text AS kind, c.oid::regclass::text AS name, p.privilege,
		       CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(r.role, c.oid, p.privilege)
		            ELSE has_table_privilege(r.role, c.oid, p.privilege) END AS has, r.role
		  FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
		  JOIN (VALUES ('S', 'USAGE'), ('S', 'SELECT'), ('S', 'UPDATE'),
		        ('rv', 'SELECT'), ('rv', 'INSERT'), ('rv', 'UPDATE'), ('rv', 'DELETE'),
		        ('rv', 'TRUNCATE'), ('rv', 'REFERENCES'), ('rv', 'TRIGGER')) AS p (kinds, privilege)
		    ON strpos(p.kinds, c.relkind::text) > 0, role AS r
		UNION ALL
		SELECT 'column', format('%s.%I', c.oid::regclass, a.attname), p.privilege,
		       has_column_privilege(r.role, c.oid, a.attnum, p.privilege), r.role
		  FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
		  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND c.relkind = 'r',
		       (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) AS p (privilege), role AS r
		UNION ALL
		SELECT 'function', p.oid::regprocedure::text, 'EXECUTE',
		       has_function_privilege(r.role, p.oid, 'EXECUTE'), r.role
		  FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid,
		       role AS r
		UNION ALL
		SELECT 'schema', n.nspname, p.privilege, has_schema_privilege(r.role, n.oid, p.privilege), r.role
		  FROM member AS m JOIN pg_namespace AS n ON m.classid = 'pg_namespace'::regclass
		   AND n.oid = m.objid, (VALUES ('USAGE'), ('CREATE')) AS p (privilege), role AS r)};
my $with = sub { my ($role) = @_; (my $sql = $privileges) =~ s/WITH/WITH role AS (SELECT '$role'::name AS role),/; return $sql; };

# What a role has, as "kind privilege name", functions without arguments.
sub has
{
	my ($role) = @_;

	return [ split /\n/, $node->safe_psql('postgres', $with->($role)
		  . q{ SELECT DISTINCT format('%s %s %s', kind, privilege, translate(split_part(name, '(', 1), '"', ''))
		  FROM object WHERE has ORDER BY 1}) ];
}

subtest 'nothing is granted to PUBLIC' => sub
{
	cmp_ok($node->safe_psql('postgres', $with->('stranger') . 'SELECT count(*) FROM object'),
		'>', 100, 'there are objects to look at');
	is_deeply(has('stranger'), [], 'a role without a grant has no right at all');
	is($node->safe_psql('postgres', q{
		SELECT string_agg(pg_describe_object(d.classid, d.objid, 0), ', ')
		  FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'io_msg'
		   AND d.classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass,
		       'pg_namespace'::regclass, 'pg_type'::regclass)}),
		'', 'and there are no objects of other kinds');
};

subtest 'a sender' => sub
{
	my @functions = qw(io_check_profile io_enqueue_message io_is_fiscal_code io_payment_data
	  io_third_party_data io_validate_message io_wait);

	is_deeply(has('clerk'), [ map { "function EXECUTE $_" } @functions ], 'may call its functions and no more');
	is(sqlstate_as('clerk', 'SELECT ' . call(1, 'tari')), '00000', 'enqueues for its service');
	is(sqlstate_as('clerk', 'SELECT ' . call(1, 'permits')), '42501', 'not for another');
	is(sqlstate_as('clerk', "SELECT io_check_profile('" . fiscal_code(1) . "', 'permits')"), '42501',
		'nor asks for a profile there');
	foreach my $relation (split /\n/, $node->safe_psql('postgres',
			q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'io_msg'::regnamespace
			AND relkind IN ('r', 'v', 'S')}))
	{
		is(sqlstate_as('clerk', "SELECT * FROM $relation"), '42501', "cannot read $relation");
	}
	is(sqlstate_as('clerk', 'SELECT ' . $_), '42501', "cannot call $_")
	  foreach 'io_explain(1)', 'io_cancel(1)', "io_pause('tari')", 'io_arm()', 'io_health()',
	  "io_grant('clerk')", 'io_release()', 'io_msg.wake()', 'io_retry(1)';
	is(sqlstate_as('stranger', 'SELECT ' . call(1, 'tari')), '42501', 'a role without a grant cannot enqueue');
	$node->safe_psql('postgres', 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO stranger');
	is(sqlstate_as('stranger', 'SELECT ' . call(1, 'tari')), '42501', 'even with EXECUTE');
	is(sqlstate_as('stranger', "SELECT io_grant('stranger')"), '42501', 'nor grant itself the right');
	$node->safe_psql('postgres', 'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM stranger');
};

subtest 'a reader and an operator' => sub
{
	my @read = grep { !/^v SELECT io_msg\.|^schema USAGE io_msg$|^function EXECUTE (io_explain|io_health|io_msg\.)/ }
	  @{ has('auditor') };
	is_deeply(\@read, [], 'a reader has views and two functions');
	my @acts = grep { !/^v SELECT io_msg\.|^schema USAGE io_msg$|^function EXECUTE (io_explain|io_health|io_msg\.)/ }
	  @{ has('warden') };
	is_deeply(\@acts, [ map { "function EXECUTE $_" }
		  qw(io_cancel io_cancel_lot io_pause io_release io_resolve io_resume io_retry) ],
		'an operator stops, starts and takes back');
	is(sqlstate_as($_, 'SELECT ' . call(1, 'tari')), '42501', "$_ cannot enqueue") foreach qw(auditor warden);
	is(sqlstate_as($_, 'SELECT * FROM io_msg.body'), '42501', "$_ cannot read a body") foreach qw(auditor warden);
	is(sqlstate_as('auditor', 'SELECT * FROM io_msg.message'), '00000', 'a reader reads messages');
	is(sqlstate_as('auditor', 'SELECT io_cancel(1)'), '42501', 'and cannot cancel');
	is(sqlstate_as('warden', 'SELECT io_arm()'), '42501', 'an operator cannot make a copy a sender');
};

subtest 'the row shows who called' => sub
{
	my $who = sub { return $node->safe_psql('postgres',
			"SELECT enqueued_by, session_role FROM io_msg.message WHERE id = $_[0]") };

	is($who->(as('clerk', 'SELECT ' . call(2, 'tari'))), 'clerk|clerk', 'a plain call');
	is($who->(as('director', 'SELECT ' . call(3, 'tari'))), 'director|director', 'a member of the role');
	is($who->(as('director', 'SET ROLE clerk; SELECT ' . call(4, 'tari'))), 'clerk|director', 'SET ROLE');
	$node->safe_psql('postgres', q{
		CREATE SCHEMA app;
		CREATE ROLE app_owner;
		SELECT io_grant('app_owner', 'sender', 'tari');
		GRANT CREATE, USAGE ON SCHEMA app TO app_owner;
		GRANT USAGE ON SCHEMA app TO stranger;
		SET ROLE app_owner;
		CREATE TABLE app.notice (id integer, cf text, message bigint);
		CREATE FUNCTION app.send() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
		SET search_path = public, pg_temp AS $$ BEGIN
			NEW.message := io_enqueue_message(NEW.cf, 'An invented subject', repeat('text ', 30), service => 'tari');
			RETURN NEW;
		END $$;
		CREATE TRIGGER send BEFORE INSERT ON app.notice FOR EACH ROW EXECUTE FUNCTION app.send();
		GRANT INSERT, SELECT ON app.notice TO stranger, director});
	my $insert = "INSERT INTO app.notice VALUES (1, '" . fiscal_code(5) . "') RETURNING message";
	is($who->(as('stranger', $insert)), 'stranger|stranger', 'through a SECURITY DEFINER trigger');
	$node->safe_psql('postgres', 'GRANT INSERT, SELECT ON app.notice TO clerk; GRANT USAGE ON SCHEMA app TO clerk');
	is($who->(as('director', "SET ROLE clerk; $insert")), 'clerk|director', 'through the trigger after SET ROLE');
};

subtest 'under an owner that cannot log in' => sub
{
	is($node->safe_psql('postgres', q{SELECT r.rolname, r.rolsuper, r.rolcanlogin FROM pg_extension AS e
		JOIN pg_roles AS r ON r.oid = e.extowner WHERE e.extname = 'io_msg'}), 'io_owner|f|f', 'it is no superuser');
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = 'io_msg'::regnamespace
		   AND c.relowner <> 'io_owner'::regrole}), 0, 'all tables are its own');
	wait_until($node, q{SELECT count(*) > 4 AND bool_and(status = 'sent') FROM io_msg.message},
		'all was sent under it');
};

done_testing();
