# Each database of a server has its own worker; where there are more databases
# than slots they take turns; one without the extension is left alone.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0,
	'io_msg.idle_exit' => '200ms',
	'io_msg.sweep' => '500ms');

foreach my $db (qw(one two plain))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
}
foreach my $db (qw(one two))
{
	$node->safe_psql($db, 'CREATE EXTENSION io_msg');
	add_service($node, 'tari', $io, database => $db);
}

sub all_sent
{
	my ($db, $n, $name) = @_;

	return wait_until($node, "SELECT count(*) = $n FROM io_msg.outbox WHERE status = 'sent'", $name, $db);
}

# Both at a time: each has a message under way.
$io->fault(kind => 'hang', path => 'message');
enqueue($node, 1, database => 'one');
enqueue($node, 2, database => 'two');
ok(poll_until(sub { scalar(() = $io->ledger) == 2 }), 'both databases send');
is(scalar(drainer_pids($node)), 2, 'each by its own drainer');
$io->clear_faults;
$io->release;
enqueue_many($node, 11, 30, database => 'one');
enqueue_many($node, 11, 30, database => 'two');
all_sent('one', 21, 'one has sent all');
all_sent('two', 21, 'two has sent all');

# Several sweeps later nobody has gone where there is no extension.
my $from = -s $node->logfile;
my $looks = 0;
poll_until(sub {
	$looks += $node->safe_psql('template1',
		"SELECT count(*) FROM pg_stat_activity WHERE datname = 'plain'");
	0;
}, 2);
is($looks, 0, 'a database without the extension has no visitors');

# One slot for two databases that are never done.
$node->safe_psql('postgres', 'ALTER SYSTEM SET io_msg.max_databases = 1');
$node->restart;
foreach my $round (1 .. 2)
{
	enqueue_many($node, 30 + 10 * $round, 32 + 10 * $round, database => 'one');
	enqueue_many($node, 30 + 10 * $round, 32 + 10 * $round, database => 'two');
	all_sent('one', 21 + 3 * $round, "round $round: one has its turn");
	all_sent('two', 21 + 3 * $round, "round $round: two has its turn");
}
ok(log_has($node, qr/WARNING:.*more databases use io_msg than it has slots for/), 'the log says so');

# While the only slot is not to be had, the other database is told so.
$io->fault(kind => 'hang', path => 'message');
enqueue($node, 61, database => 'one');
ok(poll_until(sub { scalar(() = $io->ledger) == 2 + 40 + 12 + 1 }), 'one is at work');
my $id = enqueue($node, 61, database => 'two');
$node->safe_psql('two', "WITH o AS (UPDATE io_msg.outbox SET due_at = due_at - interval '3 min' WHERE id = $id)
	UPDATE io_msg.pending SET due_at = due_at - interval '3 min' WHERE id = $id");
is($node->safe_psql('two', 'SELECT state FROM io_msg.worker_state()'), '', 'two has no slot');
is($node->safe_psql('two', q{SELECT severity FROM io_health() WHERE code = 'no_slot'}), 'warning', 'and io_health says so');
$io->clear_faults;
$io->release;
wait_for_status($node, $id, 'sent', 'two');
is($node->safe_psql('two', q{SELECT count(*) FROM io_health() WHERE code = 'no_slot'}), 0, 'once it has had one, no more');

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(grep { $_ > 2 } values %accepted), 0, 'none is sent twice by a database');
is(scalar(() = $io->ledger), 2 + 40 + 12 + 2, 'all are sent');
$node->stop;
done_testing();
