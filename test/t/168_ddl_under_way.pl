# While answers are awaited a person changes and rewrites io_msg's tables: each
# statement passes, the same worker goes on, other messages flow, and no message
# that IO has accepted is without its id, in the table or in the log.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main', 'io_msg.poll_delay' => '300ms', 'log_statement' => 'none');
add_service($node, 'tari', $io, quota_calls => 4096);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my ($citizen, $pid) = (0);

# Four messages that IO accepts and does not answer.
sub four_hang
{
	my $before = () = $io->ledger;
	my ($from, $to) = ($citizen + 1, $citizen + 4);

	$citizen = $to;
	$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($_)) foreach $from .. $to;
	my @ids = enqueue_many($node, $from, $to);
	ok(poll_until(sub { scalar(() = $io->ledger) == $before + 4 }), 'four POSTs are under way');
	return @ids;
}

# The same worker, which sends what is new.
sub goes_on
{
	my ($after) = @_;
	my @ids = enqueue_many($node, $citizen + 1, $citizen + 3);

	$citizen += 3;
	wait_until($node, 'SELECT count(*) = 3 FROM io_msg.outbox WHERE id IN (' . join(', ', @ids) . ") AND status = 'sent'",
		"after $after other messages flow") or die "nothing flows any more\n";
	is_deeply([ drainer_pids($node) ], [$pid], 'by the same worker');
	return;
}

# Nobody is made to wait for IO.
sub passes
{
	my ($sql) = @_;

	is(($node->psql('postgres', 'SET statement_timeout = ' . 1000 * deadline_s() . ";\n$sql"))[0], 0, $sql);
	goes_on($sql);
	return;
}

my @slow = four_hang();
($pid) = drainer_pids($node);
goes_on('nothing');

passes('ALTER TABLE io_msg.outbox ADD COLUMN mine integer');
passes('ALTER TABLE io_msg.outbox DROP COLUMN mine');
# One that has a value in rows that are older than it.
passes('ALTER TABLE io_msg.outbox ADD COLUMN mine integer DEFAULT 7');
passes('ALTER TABLE io_msg.outbox DROP COLUMN mine');
my @tables = qw(outbox pending poll body drainer);
passes("REINDEX TABLE io_msg.$_") foreach @tables;
passes("VACUUM FULL io_msg.$_") foreach @tables;
# The worker goes to the drainer's row where it has put it: somewhere else each
# time, also on a page that is no more afterwards.
foreach my $round (1 .. 3)
{
	goes_on("round $round");
	passes('VACUUM FULL io_msg.drainer');
}
my $pages = sub { return $node->safe_psql('postgres', q{SELECT pg_relation_size('io_msg.drainer') / 8192}) };
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$reader->query_safe('SELECT count(*) FROM io_msg.drainer');
ok(poll_until(sub {
	my $id = enqueue($node, ++$citizen);

	poll_until(sub { status_of($node, $id) eq 'sent' });
	return $pages->() > 1;
}), 'while an old snapshot keeps its versions they fill a page');
$reader->query_safe('COMMIT');
$reader->quit;
$node->safe_psql('postgres', 'VACUUM FULL io_msg.drainer');
is($pages->(), 1, 'VACUUM FULL leaves one');
goes_on('that');
passes('ALTER TABLE io_msg.drainer ADD COLUMN mine integer DEFAULT 7; VACUUM FULL io_msg.drainer;
	ALTER TABLE io_msg.drainer DROP COLUMN mine');
is($node->safe_psql('postgres', 'SELECT array_agg(i ORDER BY i) FROM io_msg.drainer, unnest(in_flight) AS i'),
	'{' . join(',', @slow) . '}', 'what is under way is still known');

# The answers come while a statement of that kind is not committed.
my $changer = $node->background_psql('postgres');
$changer->query_safe('BEGIN');
$changer->query_safe('ALTER TABLE io_msg.outbox ADD COLUMN mine integer');
$io->clear_faults;
$io->release;
ok(poll_until(sub { $io->stats->{in_flight} <= 1 }), 'IO answers while a table is locked');
$changer->query_safe('COMMIT');
$changer->quit;
wait_for_status($node, $_, 'sent') foreach @slow;
goes_on('an ALTER that took its time');
my %known = map { $_ => 1 } split /\n/, $node->safe_psql('postgres',
	'SELECT message_id FROM io_msg.outbox WHERE message_id IS NOT NULL');
is(scalar(keys %known), scalar(() = $io->ledger), 'the table has the id of all that IO has accepted');

# The rows go, and the tables beside them keep what belongs to them; some of
# it falls due later.
@slow = four_hang();
my @never = enqueue_many($node, $citizen + 1, $citizen + 3, send_after => \"clock_timestamp() + interval '2 s'");
$citizen += 3;
my %gone = map { $_ => 1 } fiscal_code($citizen - 2), fiscal_code($citizen - 1), fiscal_code($citizen);
is($node->safe_psql('postgres', 'SELECT count(*) FROM io_msg.outbox WHERE id IN (' . join(', ', @never) . ") AND status = 'queued'"), 3,
	'some messages wait for their time');
passes('TRUNCATE io_msg.outbox');
$io->clear_faults;
$io->release;
my %id_of = map { $_->{fiscal_code} => $_->{id} } $io->ledger;
foreach my $row (@slow)
{
	ok(poll_until(sub { log_has($node, qr/LOG:.* row $row ended .*"sent".*"[0-9A-Z]{26}"/) }), "the log has what became of row $row");
}
wait_until($node, 'SELECT NOT EXISTS (SELECT FROM io_msg.pending WHERE due_at < clock_timestamp())',
	'what waits for a row that is gone is cleared away');
goes_on('that');

ok(poll_until(sub { $io->stats->{in_flight} <= 1 }), 'IO has answered all');
my $log = slurp_file($node->logfile);
$known{$_} = 1 foreach $log =~ /message id "([0-9A-Z]{26})"/g;
$known{$_} = 1 foreach split /\n/, $node->safe_psql('postgres',
	'SELECT message_id FROM io_msg.outbox WHERE message_id IS NOT NULL');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(grep { !$known{ $_->{id} } } $io->ledger), 0, 'no message is without an id that is known');
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'none was accepted twice');
is(scalar(keys %times), $citizen - 3, 'each that was not taken away was accepted');
is(scalar(grep { $gone{$_} } keys %times), 0, 'what was taken away was not');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'it is the same server');
unlike($log, qr/PANIC|terminated by signal/, 'nothing crashed');
unlike($log, qr/an io_msg transaction failed/, 'and the worker met no error');
$node->stop;
done_testing();
