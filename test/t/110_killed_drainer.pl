# A drainer that is killed, or a server that is, leaves uncertain exactly what
# was on the wire; all other messages flow afterwards, and none twice.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main',
	'restart_after_crash' => 'on',
	'io_msg.max_in_flight' => 8);
add_service($node, 'tari', $io);

# Eight messages that IO accepts and does not answer, then twenty more.
sub fill
{
	my ($from) = @_;
	my $before = () = $io->ledger;

	$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($_))
	  foreach $from .. $from + 7;
	my @slow = enqueue_many($node, $from, $from + 7);
	ok(poll_until(sub { scalar(() = $io->ledger) == $before + 8 }), 'eight POSTs are under way');
	enqueue_many($node, $from + 8, $from + 27);
	return @slow;
}

# After the server has come up again.
sub check
{
	my ($n, $all_slow, $all) = @_;

	ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
	my $back = time;
	wait_until($node, "SELECT count(*) >= " . @$all_slow . " FROM io_msg.outbox WHERE status = 'uncertain'",
		'what was on the wire is known to be uncertain');
	note(sprintf '%.1f s after the server was back', time - $back);
	wait_until($node, "SELECT count(*) FILTER (WHERE status = 'queued') = 0 FROM io_msg.outbox",
		'all flow');
	is($node->safe_psql('postgres', "SELECT array_agg(id ORDER BY id) FROM io_msg.outbox WHERE status = 'uncertain'"),
		'{' . join(',', @$all_slow) . '}', 'uncertain is what was on the wire');
	is($node->safe_psql('postgres', "SELECT DISTINCT reason FROM io_msg.outbox WHERE status = 'uncertain'"),
		'interrupted', 'and why');
	is(statuses($node)->{sent}, $all - @$all_slow, 'the others are sent');
	my %accepted;
	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
	is(scalar(keys %accepted), $all, 'IO has each');
	is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
	is($node->safe_psql('postgres', 'SELECT in_flight, orphans FROM io_msg.drainer'), '{}|{}',
		'nothing is left over');
	return;
}

my @slow = fill(1);
my ($pid) = drainer_pids($node);
my $from = -s $node->logfile;
kill('KILL', $pid);
ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }),
	'the drainer is killed');
check(1, \@slow, 28);
ok(log_has($node, qr/WARNING:.* 8 messages were being sent when the last io_msg worker ended/, $from),
	'the log says so');
$io->clear_faults;
$io->release;

push @slow, fill(101);
$node->stop('immediate');
$node->start;
check(101, \@slow, 56);
$io->clear_faults;
$io->release;

# Killed as a whole.  A third crash in a row would stop it.
$node->safe_psql('postgres', q{UPDATE io_msg.drainer SET unclean_starts = '{}'});
push @slow, fill(201);
my @processes = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
$node->kill9;
ok(poll_until(sub { !grep { kill(0, $_) } @processes }), 'without the server its processes end');
$node->start;
check(201, \@slow, 84);
$io->clear_faults;
$io->release;
$node->stop;
done_testing();
