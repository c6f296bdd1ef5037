# A planned stop tells apart what it has under way: answers within
# io_msg.shutdown_grace are recorded, what is not answered in it is uncertain,
# and what has not come to a connection was not sent and stays queued.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use IoMsgFlow;
use IoMsgTest;

my $GRACE_S = 1;
my ($answers, $silent) = map { start_sandbox(quota => 0) } 1 .. 2;
my $node = flow_node('main',
	'io_msg.shutdown_grace' => "${GRACE_S}s",
	'io_msg.connect_timeout' => '10min',
	'io_msg.idle_exit' => '200ms');
add_services($node, $answers, answers => { account => 'answers' });
add_services($node, $silent, silent => { account => 'silent' });
my $citizen = 0;

# The server is stopped; the answers of a sandbox leave once it has been told to.
sub stop_and_release
{
	my ($mode, $io) = @_;
	my $from = -s $node->logfile;
	my $pid = fork // die "fork: $!\n";

	if ($pid == 0)
	{
		my $stops = poll_until(sub { log_has($node, qr/received $mode shutdown request/, $from) });

		$io->admin('POST', 'release');
		POSIX::_exit($stops ? 0 : 1);
	}
	$node->stop($mode);
	waitpid($pid, 0);
	is($?, 0, "a $mode stop, during which four of eight answers come");
	return;
}

sub statuses_in
{
	my @ids = @_;
	my $list = join(', ', @ids);

	return $node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY id) FROM io_msg.outbox WHERE id IN ($list)");
}

foreach my $mode (qw(fast smart))
{
	my (%ids, @all);

	foreach my $pair ([ answers => $answers ], [ silent => $silent ])
	{
		my ($name, $io) = @$pair;
		my $before = () = $io->ledger;

		$io->fault(kind => 'hang', path => 'message');
		$ids{$name} = [ enqueue_many($node, $citizen + 1, $citizen + 4, service => $name) ];
		$citizen += 4;
		ok(poll_until(sub { scalar(() = $io->ledger) == $before + 4 }), "four POSTs are under way ($name)");
	}
	stop_and_release($mode, $answers);
	$node->start;
	is(statuses_in(@{ $ids{answers} }), 'sent sent sent sent', 'what was answered is sent');
	wait_for_status($node, $_, 'uncertain') foreach @{ $ids{silent} };
	is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT reason, ' ') FROM io_msg.outbox WHERE id IN (}
			. join(', ', @{ $ids{silent} }) . ')'), 'interrupted', 'and why');
	foreach my $io ($answers, $silent)
	{
		$io->clear_faults;
		$io->release;
	}
}
is_deeply(statuses($node), { sent => 8, uncertain => 8 }, 'none besides');

# One who takes the connection and says nothing, where TLS is to begin; and one
# whose queue is full, so that there is no connection.
my $mute = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1') or die "listen: $!\n";
my $full = IO::Socket::INET->new(Listen => 0, LocalAddr => '127.0.0.1') or die "listen: $!\n";
my @queued = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $full->sockport, Blocking => 0) } 1 .. 4;
my %listener = (mute => $mute, full => $full);

$node->safe_psql('postgres', join '', map {
	"INSERT INTO io_msg.account (name, base_url) VALUES ('$_', 'https://127.0.0.1:" . $listener{$_}->sockport . "/api/v1');"
	  . "INSERT INTO io_msg.service (name, account) VALUES ('$_', '$_');" } sort keys %listener);
write_keys($node, @{ $node->{iomsg_keys} }, map { "postgres $_ $_-primary-key" } sort keys %listener);
foreach my $mode (qw(fast smart))
{
	my @ids;

	foreach my $name (sort keys %listener)
	{
		# Where a profile is not known, the row is not marked and its wait is another one.
		know_profile($node, $name, $citizen + 1 .. $citizen + 3);
		push @ids, enqueue_many($node, $citizen + 1, $citizen + 4, service => $name);
		$citizen += 4;
	}
	my $list = join(', ', @ids);
	wait_until($node, "SELECT count(*) = 6 FROM io_msg.drainer, unnest(in_flight) AS i WHERE i IN ($list)",
		'messages wait for a connection');
	my $begin = time;
	$node->stop($mode);
	note(sprintf 'pg_ctl stop -m %s: %.2f s, with a grace of %d s', $mode, time - $begin, $GRACE_S);
	cmp_ok(time - $begin, '<', 10 + deadline_s(), "a $mode stop does not wait for the connection");
	$node->append_conf('postgresql.conf', 'io_msg.enabled = off');
	$node->start;
	is(statuses_in(@ids), join(' ', ('queued') x 8), 'the messages are queued');
	is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT coalesce(reason, 'none'), ' ') FROM io_msg.outbox WHERE id IN ($list)"),
		'none stopped_before_sending', 'those that were on their way say why');
	is($node->safe_psql('postgres', 'SELECT in_flight, orphans FROM io_msg.drainer'), '{}|{}', 'no next worker has to wonder');
	$node->safe_psql('postgres', "SELECT io_cancel(id) FROM io_msg.outbox WHERE id IN ($list)");
	is(statuses_in(@ids), join(' ', ('cancelled') x 8), 'and can be taken back');
	$node->append_conf('postgresql.conf', 'io_msg.enabled = on');
	$node->reload;
}

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $answers->ledger, $silent->ledger;
is(scalar(keys %accepted), 16, 'IO has those that came to it');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
log_is_clean($node);
$node->stop;
done_testing();
