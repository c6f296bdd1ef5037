# IO's end closes each connection under its second request: libcurl would send
# that request again by itself.  However many messages there are, IO has each at
# most once, and uncertain are exactly those whose call was not answered.
#
# IOMSG_SECOND_REQUESTS says how many messages (400).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $messages = $ENV{IOMSG_SECOND_REQUESTS} // 400;

# With two connections never more than two answers in a row are missing, and
# the service does not pause.
my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main', 'io_msg.max_in_flight' => 2);
add_service($node, 'tari', $io, quota_calls => 4096);
$io->fault(kind => 'close', when => 'after_accepting', nth_request => 2);

for (my $from = 1; $from <= $messages; $from += 1000)
{
	my $to = $from + 999 < $messages ? $from + 999 : $messages;

	know_profile($node, 'tari', $from .. $to);
	enqueue_many($node, $from, $to);
}
ok(poll_until(sub { $node->safe_psql('postgres',
		"SELECT NOT EXISTS (SELECT FROM io_msg.outbox WHERE status = 'queued')") eq 't' },
		deadline_s() + $messages / 10), 'all are settled');
settle_requests($io);

my %status = map { split /\|/ } split /\n/,
  $node->safe_psql('postgres', 'SELECT fiscal_code, status FROM io_msg.outbox');
my (%calls, %answered, %accepted, %request);
foreach my $call (grep { $_->{path} eq 'message' } $io->journal)
{
	$calls{ $call->{fiscal_code} }++;
	$answered{ $call->{fiscal_code} }++ if $call->{status} == 201;
	$request{ $call->{request} }++;
}
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;

is(scalar(keys %status), $messages, 'there are as many rows as messages');
is_deeply([ grep { $accepted{$_} > 1 } sort keys %accepted ], [], 'IO has none twice');
is_deeply([ grep { $calls{$_} > 1 } sort keys %calls ], [], 'none was sent twice');
is(scalar(keys %accepted), $messages, 'IO has each');
is_deeply([ grep { $status{$_} eq 'sent' } sort keys %status ], [ sort keys %answered ], 'sent is what was answered');
is_deeply([ grep { $status{$_} eq 'uncertain' } sort keys %status ],
	[ grep { !$answered{$_} } sort keys %status ], 'uncertain is exactly the rest');
my $uncertain = grep { $_ eq 'uncertain' } values %status;
is($uncertain, $request{2} // 0, 'which were second requests, each of them');
is(join(' ', sort keys %request), '1 2', 'no connection had a third');
cmp_ok($uncertain, '>', $messages / 4, 'and there were many of them');
note("$messages messages: $uncertain uncertain");
$node->stop;
done_testing();
