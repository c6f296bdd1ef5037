# The quota belongs to the ente, not to a database: two databases that send for
# one account keep within it together, and where somebody else uses the account
# too, io_msg leaves them their part and delivers all the same.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use HTTP::Tiny;
use Test::More;
use Time::HiRes qw(sleep time);

use IoMsgTest;

my $io = start_sandbox(clock_scale => 10);
my $node = iomsg_node('main');
my $each = 500;

$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION io_msg');

sub all_sent
{
	my ($db, $count) = @_;

	return poll_until(sub { $node->safe_psql($db,
				"SELECT count(*) = $count FROM io_msg.outbox WHERE status = 'sent'") eq 't' },
		4 * deadline_s());
}

sub use_quota
{
	my ($db, $service) = @_;

	add_service($node, $service, $io, database => $db);
	$node->safe_psql($db, "UPDATE io_msg.account SET quota_period = '500 ms'");
	return;
}

subtest 'two databases share a quota' => sub
{
	use_quota('postgres', 'tari');
	use_quota('second', 'permits');
	enqueue_many($node, 1, $each);
	enqueue_many($node, $each + 1, 2 * $each, database => 'second');
	ok(all_sent('postgres', $each), 'one has sent all');
	ok(all_sent('second', $each), 'so has the other');

	my $account = $io->stats->{accounts}{default};
	is(scalar $io->ledger, 2 * $each, 'IO accepted all');
	cmp_ok($account->{max_window_calls}, '<=', 150, 'no window was over the quota');
	is($account->{refused}, 0, 'no call was refused');

	my @services = map { $_->{service} } $io->journal;
	my $turns = grep { $services[$_] ne $services[ $_ - 1 ] } 1 .. $#services;
	cmp_ok($turns, '>', 20, 'they sent at the same time');
};

# Asks for a profile 50 times in each period, until told to stop.
sub start_other_client
{
	my $pid = fork // die "fork: $!\n";

	return $pid if $pid;
	my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 60);
	my $next = time;
	for (;;)
	{
		$http->get($io->base_url . '/profiles/' . fiscal_code(1),
			{ headers => { 'Ocp-Apim-Subscription-Key' => ($io->keys('other'))[0] } });
		$next += 0.5 / 50;
		my $wait = $next - time;
		sleep($wait) if $wait > 0;
		$next = time if $wait < -0.5;
	}
}

subtest 'another client uses a third of the quota' => sub
{
	my $before = () = $io->journal;

	$io->service('other');
	my $pid = start_other_client();
	ok(poll_until(sub { (grep { $_->{service} eq 'other' } $io->journal) > 0 }),
		'it is at work');
	enqueue_many($node, 10000, 10000 + 3 * $each - 1);
	my $sent = all_sent('postgres', 4 * $each);
	kill('KILL', $pid);
	waitpid($pid, 0);
	ok($sent, 'all are sent all the same');
	is(scalar $io->ledger, 5 * $each, 'each once');

	my @calls = $io->journal;
	splice(@calls, 0, $before);
	my %count;
	$count{ $_->{service} }{ $_->{status} == 429 ? 'refused' : 'passed' }++ foreach @calls;
	note(explain(\%count));
	cmp_ok($count{tari}{refused} // 0, '<', $count{tari}{passed} / 20,
		'few of our calls are refused');
	cmp_ok($count{other}{passed}, '>', ($count{other}{refused} // 0),
		'and the other client gets through');
};

done_testing();
