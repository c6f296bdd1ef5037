# Objects that somebody has made beforehand where the extension will be, to have
# them used by its script or by its functions: none of them is.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0);
my $traps = 0;

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE city OWNER mallory;');
$node->safe_psql('city', 'GRANT CREATE ON SCHEMA public TO mallory');

sub sql
{
	my ($role, $sql) = @_;

	return $node->safe_psql('city', $sql, extra_params => [ '-U', $role ]);
}

# Functions and operators that suit the script's calls better than
# pg_catalog's, since those convert an argument.  Each notes who ran it.
my $sql = q{
	CREATE TABLE public.caught (what text, by name);
	GRANT ALL ON public.caught TO PUBLIC;
};
my $body = sub { my ($what, $value) = @_;
	$traps++;
	return "LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.caught VALUES ('$what', current_user); "
	  . ($value eq 'NULL' && $what !~ /jsonb|setting/ ? 'RETURN;' : "RETURN $value;") . " END \$\$;\n" };
foreach my $f ([ 'pg_extension_config_dump(text, text)', 'void', 'NULL' ], [ 'pg_extension_config_dump(regclass, text)', 'void', 'NULL' ],
	[ 'nextval(text)', 'bigint', '1' ], [ 'clock_timestamp()', 'timestamptz', 'pg_catalog.now()' ],
	[ 'concat_ws(text, text, text)', 'text', '$1' ], [ 'concat_ws(text, text)', 'text', '$1' ], [ 'format(text, text)', 'text', '$1' ],
	[ 'format(text, bigint)', 'text', '$1' ], [ 'format(text, text, text)', 'text', '$1' ], [ 'lower(name)', 'text', '$1' ],
	[ 'array_position(text[], text)', 'integer', '1' ], [ 'jsonb_build_object(text, text)', 'jsonb', 'NULL' ],
	[ 'jsonb_build_object(text, bigint)', 'jsonb', 'NULL' ], [ 'current_setting(name, boolean)', 'text', 'NULL' ],
	[ 'io_msg_wake()', 'void', 'NULL' ], [ 'has_function_privilege(name, oid, text)', 'boolean', 'true' ])
{
	$sql .= "CREATE FUNCTION public.$f->[0] RETURNS $f->[1] " . $body->($f->[0] =~ s/'//gr, $f->[2]);
}
my $n = 0;
foreach my $pair ([ 'bigint', 'integer' ], [ 'text', 'name' ], [ 'name', 'text' ], [ 'smallint', 'bigint' ], [ 'oid', 'bigint' ],
	[ 'timestamptz', 'date' ], [ 'text', '"char"' ], [ 'interval', 'text' ], [ 'bigint', 'bigint' ], [ 'text', 'text' ])
{
	foreach my $op ('=', '<>', '<', '>', '<=', '>=', '~', '+', '||')
	{
		my ($result, $value) = $op =~ /[+|]/ ? ($pair->[0], '$1') : ('boolean', 'true');

		$n++;
		$sql .= "CREATE FUNCTION public.trap_$n($pair->[0], $pair->[1]) RETURNS $result "
		  . $body->("$op $pair->[0] $pair->[1]" =~ s/"//gr, $value)
		  . "CREATE OPERATOR public.$op (LEFTARG = $pair->[0], RIGHTARG = $pair->[1], FUNCTION = public.trap_$n);\n";
	}
}
# A type with casts that the parser takes by itself, and names of ours.
$sql .= q{
	CREATE TYPE public.shadow AS ENUM ('queued', 'sent', 'on', 'off');
	CREATE FUNCTION public.shadow_text(public.shadow) RETURNS text } . $body->('cast to text', q{'sent'}) . q{
	CREATE CAST (public.shadow AS text) WITH FUNCTION public.shadow_text(public.shadow) AS IMPLICIT;
	CREATE FUNCTION public.text_shadow(text) RETURNS public.shadow } . $body->('cast from text', q{'sent'}) . q{
	CREATE CAST (text AS public.shadow) WITH FUNCTION public.text_shadow(text) AS IMPLICIT;
	CREATE TYPE public.outbox AS (id public.shadow);
	CREATE TYPE public.message AS (id bigint);
	CREATE TABLE public.service (id integer, name text);
	CREATE TABLE public.pending (LIKE public.service);
	CREATE VIEW public.drainer AS SELECT 1 AS epoch;
};
sql('mallory', $sql);
is(sql('mallory', "SELECT 1::bigint OPERATOR(public.=) 2::integer; SELECT count(*) FROM public.caught"), "t\n1", 'the traps work');
sql('mallory', 'TRUNCATE public.caught');
cmp_ok($traps, '>', 100, 'there are many');

$node->safe_psql('city', 'CREATE EXTENSION io_msg SCHEMA public');
is($node->safe_psql('city', 'SELECT what, by FROM public.caught'), '', 'the script has run none of them');

# What the extension's objects depend on: its own and the system's.
is($node->safe_psql('city', q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'io_msg'),
	part AS (
		SELECT * FROM member
		UNION SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = r.ev_class
		UNION SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.conrelid
		UNION SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = a.adrelid)
	SELECT string_agg(DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0), ', ')
	  FROM pg_depend AS d JOIN part AS p ON p.classid = d.classid AND p.objid = d.objid
	  LEFT JOIN pg_proc AS f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
	  LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
	  LEFT JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
	  LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
	 WHERE 'mallory'::regrole IN (f.proowner, o.oprowner, c.relowner, t.typowner)}), '',
	'no part of the extension depends on one');
is($node->safe_psql('city', q{SELECT count(*) FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
	JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass AND p.proowner = 'mallory'::regrole}), 0, 'none has become a part of it');

# And the whole of it works, for the owner and for the one who made them.
add_service($node, 'tari', $io, database => 'city');
sql('postgres', q{SELECT io_grant('mallory', 'sender', 'tari')});
my $message = "io_enqueue_message('" . fiscal_code(1) . "', 'An invented subject', repeat('text ', 30), dedup_key => 'k', lot => 'l',
	due_date => '2030-01-02', payment_data => io_payment_data(100, '002123456789012345'))";
my $id = sql('mallory', "SELECT $message");
wait_for_status($node, $id, 'sent', 'city');
sql('postgres', "SELECT io_explain($id); SELECT * FROM io_health(); SELECT io_pause('tari', 'a'), io_resume('tari', 'b'), io_cancel_lot('l')");
sql('postgres', "SELECT * FROM $_") foreach split /\n/, sql('postgres',
	q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'io_msg'::regnamespace AND relkind = 'v'});
is(sql('postgres', "SELECT string_agg(DISTINCT what, ', ') FROM public.caught"), '', 'nothing of mallory\'s has run');
$node->stop;
done_testing();
