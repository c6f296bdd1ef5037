# A planned stop, of the server or of one drainer, waits for answers under way
# as long as io_msg.shutdown_grace allows and records them; what comes later is
# uncertain.  A cancel means nothing to a drainer.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.shutdown_grace' => '120s');
add_service($node, 'tari', $io);

# Some messages that IO accepts at once and answers when it is told to, or
# after a time.
sub begin_slow
{
	my ($from, $to, %fault) = @_;
	my $before = () = $io->ledger;

	$io->fault(kind => 'hang', path => 'message', %fault);
	my @ids = enqueue_many($node, $from, $to);
	ok(poll_until(sub { scalar(() = $io->ledger) == $before + @ids }), 'POSTs are under way');
	return @ids;
}

sub all_are
{
	my ($status, @ids) = @_;
	my $list = join(', ', @ids);

	return is($node->safe_psql('postgres', "SELECT DISTINCT status FROM io_msg.outbox WHERE id IN ($list)"),
		$status, "all of them are $status");
}

# Fast shutdown, answers within the grace.
my @ids = begin_slow(1, 8, ms => 2000);
$node->stop('fast');
$node->start;
all_are('sent', @ids);
$io->clear_faults;

# A cancel, then a termination of the drainer alone.
@ids = begin_slow(11, 18);
my ($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid) FROM generate_series(1, 5)");
my $other = enqueue($node, 1000, service => 'tari');
$io->clear_faults;
$io->release;
wait_for_status($node, $_, 'sent') foreach @ids, $other;
is_deeply([ drainer_pids($node) ], [$pid], 'the drainer does not care for a cancel');

@ids = begin_slow(21, 28);
($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
my @after = enqueue_many($node, 31, 38);
$io->clear_faults;
$io->release;
wait_for_status($node, $_, 'sent') foreach @ids, @after;
isnt((drainer_pids($node))[0], $pid, 'another drainer has followed');
is(statuses($node)->{uncertain}, undef, 'nothing is uncertain');

# Beyond the grace.
$node->safe_psql('postgres', "ALTER SYSTEM SET io_msg.shutdown_grace = '300ms'");
$node->reload;
@ids = begin_slow(41, 48);
@after = enqueue_many($node, 51, 58, send_after => \"clock_timestamp() + interval '1 h'");
$node->stop('fast');
$node->start;
wait_until($node, "SELECT count(*) = 8 FROM io_msg.outbox WHERE status = 'uncertain'",
	'what is not answered in time is uncertain');
all_are('uncertain', @ids);
all_are('queued', @after);
$io->clear_faults;
$io->release;

# So for a drainer alone.
@ids = begin_slow(61, 68);
($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_status($node, $_, 'uncertain') foreach @ids;
$io->clear_faults;
$io->release;

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(keys %accepted), 49, 'IO has each');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
$node->stop;
done_testing();
