# Settings of the server, the database and the owner's role that would break
# an ordinary session do not reach the worker.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(processing_delay_ms => 0);
my $node = iomsg_node('main',
	'io_msg.poll_delay' => '100ms',
	'io_msg.retry_delay' => '50ms',
	'io_msg.sweep' => '1s');
add_service($node, 'tari', $io);

my %hostile = (
	'default_transaction_read_only' => 'on',
	'default_transaction_isolation' => 'serializable',
	'default_transaction_deferrable' => 'on',
	'session_replication_role' => 'replica',
	'search_path' => 'hostile, public',
	'lock_timeout' => '1ms',
	'statement_timeout' => '1ms',
	'idle_in_transaction_session_timeout' => '1ms',
	'synchronous_commit' => 'off',
	'row_security' => 'on',
	'DateStyle' => 'German, DMY',
	'IntervalStyle' => 'sql_standard',
	'TimeZone' => 'Pacific/Apia',
	'bytea_output' => 'escape',
	'extra_float_digits' => '-15',
	'default_tablespace' => 'nowhere',
	'temp_tablespaces' => '',
	'standard_conforming_strings' => 'off',
	'array_nulls' => 'off',
	'transform_null_equals' => 'on',
	'work_mem' => '64kB',
	'enable_indexscan' => 'off',
	'enable_indexonlyscan' => 'off',
	'enable_nestloop' => 'off',
	'constraint_exclusion' => 'on',
	'xmlbinary' => 'hex',
	'client_encoding' => 'LATIN1',
	'client_min_messages' => 'debug5');

# The test's own sessions.
$ENV{PGOPTIONS} = join(' ', map { "-c $_" } 'default_transaction_read_only=off',
	'default_transaction_isolation=read\ committed', 'default_transaction_deferrable=off',
	'session_replication_role=origin', 'search_path=public', 'lock_timeout=0', 'statement_timeout=0',
	'idle_in_transaction_session_timeout=0', 'TimeZone=UTC', 'DateStyle=ISO', 'default_tablespace=',
	'standard_conforming_strings=on', 'client_min_messages=warning');

# Look-alikes in a schema that a careless search_path would find first.
$node->safe_psql('postgres', q{
	CREATE SCHEMA hostile;
	CREATE FUNCTION hostile.never(bigint, bigint) RETURNS boolean LANGUAGE plpgsql
		AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
	CREATE FUNCTION hostile.never_text(text, text) RETURNS boolean LANGUAGE plpgsql
		AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
	CREATE OPERATOR hostile.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = hostile.never);
	CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.never_text);
	CREATE FUNCTION hostile.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1/0';
	CREATE FUNCTION hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
	CREATE VIEW hostile.pg_extension AS SELECT 1 / 0 AS oid;
});

my $n = 0;

# Messages of each fate, all of them settled.
sub exercise
{
	my ($where) = @_;
	my $base = 100 * ++$n;
	my %fate = (
		$base + 1 => 'sent', $base + 2 => 'sent', $base + 3 => 'not_allowed',
		$base + 4 => 'uncertain', $base + 5 => 'sent', $base + 6 => 'failed');
	my $settled = "SELECT count(*) = 6 FROM io_msg.outbox
		WHERE lot = '$where' AND status <> 'queued' AND (status <> 'sent' OR io_status = 'PROCESSED')";

	$io->profile(fiscal_code($base + 3), profile => 'opted_out');
	$io->fault(kind => 'close', path => 'message', when => 'after_accepting', count => 1,
		fiscal_code => fiscal_code($base + 4));
	$io->fault(kind => 'error', status => 500, path => 'message', count => 1,
		title => 'Internal server error', detail => 'x', fiscal_code => fiscal_code($base + 5));
	$io->fault(kind => 'error', status => 400, path => 'message', count => 1,
		title => 'Invalid', detail => 'x', fiscal_code => fiscal_code($base + 6));
	enqueue_many($node, $base + 1, $base + 6, lot => $where);
	wait_until($node, $settled, "$where: all settled, and asked about");
	is($node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY id) FROM io_msg.outbox WHERE lot = '$where'"),
		join(' ', map { $fate{$_} } sort { $a <=> $b } keys %fate), "$where: each as it should");
	return;
}

exercise('calm');
my @set = map { [ $_, $hostile{$_} ] } sort keys %hostile;
foreach my $set (@set)
{
	my ($name, $value) = @$set;
	next if $name eq 'client_encoding' || $name eq 'default_tablespace';
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = "
		  . ($name eq 'search_path' ? $value : sql_literal($value)));
}
$node->restart;
exercise('of the server');

my $owner = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
foreach my $set (@set)
{
	my ($name, $value) = @$set;
	next if $name eq 'default_tablespace';
	my $literal = $name eq 'search_path' ? $value : sql_literal($value);
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $name = $literal");
	$node->safe_psql('postgres', qq{ALTER ROLE "$owner" SET $name = $literal});
}
$node->restart;
exercise('of the database and the role');

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none was accepted twice');
unlike(slurp_file($node->logfile), qr/hostile"? *(?:CONTEXT|$)|ERROR:  hostile|terminated by signal/m,
	'no look-alike was called');
$node->stop;
done_testing();
