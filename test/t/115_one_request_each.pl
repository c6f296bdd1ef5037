# A connection that dies under a request makes libcurl send the request again
# by itself: not ours.  Each message is sent once, and those of which nobody
# knows whether IO has them are uncertain.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main',
	'io_msg.max_in_flight' => 2,
	'io_msg.idle_exit' => '200ms');
add_service($node, 'tari', $io, quota_calls => 4096);

# Profiles are known beforehand, so that new connections carry messages only:
# with two of them never more than two answers in a row are missing, and the
# service goes on.
sub send_all
{
	my ($from, $to) = @_;

	$node->safe_psql('postgres', join('', map {
		"SELECT io_check_profile('" . fiscal_code($_) . "');\n" } $from .. $to));
	wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'", 'profiles are known');
	ok(poll_until(sub { !drainer_pids($node) }), 'the drainer and its connections are gone');
	return enqueue_many($node, $from, $to);
}

# Citizens to whom IO has accepted a message twice.
sub accepted_twice
{
	my %times;

	$times{ $_->{fiscal_code} }++ foreach $io->ledger;
	my @twice = sort grep { $times{$_} > 1 } keys %times;
	return @twice;
}

sub check
{
	my ($name, $closed_accepted, @ids) = @_;
	my $list = join(', ', @ids);

	ok(poll_until(sub {
		accepted_twice()
		  || $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'") == 0;
	}), "$name: all are settled");
	if (!is_deeply([ accepted_twice() ], [], "$name: none accepted twice"))
	{
		done_testing();
		exit(1);
	}
	my %status = map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres', "SELECT fiscal_code, status FROM io_msg.outbox WHERE id IN ($list)");
	my (%calls, %answered, %accepted);
	foreach my $call (grep { $_->{path} eq 'message' } $io->journal)
	{
		my $code = $call->{fiscal_code} or next;
		next unless exists $status{$code};
		$calls{$code}++;
		$answered{$code} = $call->{status} == 201;
	}
	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;

	is_deeply([ grep { ($calls{$_} // 0) > 1 } keys %status ], [], "$name: none sent twice");
	is_deeply([ sort grep { $status{$_} eq 'sent' } keys %status ],
		[ sort grep { $answered{$_} } keys %status ], "$name: sent is what was answered");
	is_deeply([ sort grep { $status{$_} eq 'uncertain' } keys %status ],
		[ sort grep { !$answered{$_} } keys %status ], "$name: uncertain is the rest");
	my $uncertain = grep { $status{$_} eq 'uncertain' } keys %status;
	cmp_ok($uncertain, '>', 0, "$name: there was something to be caught ($uncertain)");
	is(scalar(grep { $status{$_} eq 'uncertain' && $accepted{$_} } keys %status),
		$closed_accepted ? $uncertain : 0, "$name: whether IO has those");
	return;
}

$io->fault(kind => 'close', when => 'after_accepting', path => 'message', nth_request => 2);
my @ids = send_all(1, 150);
check('closed after accepting', 1, @ids);
$io->clear_faults;

$io->fault(kind => 'close', when => 'after_reading', path => 'message', nth_request => 2);
@ids = send_all(201, 260);
check('closed after reading', 0, @ids);
$io->clear_faults;
$node->stop;
done_testing();
