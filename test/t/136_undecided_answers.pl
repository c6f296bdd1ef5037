# While IO's gateway answers in a way that decides nothing, few messages become
# uncertain, however often people enqueue and the drainer comes and goes; other
# services go on, and the rest is sent once answers are good again.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $in_flight = 4;
my $node = flow_node('main', 'io_msg.max_in_flight' => $in_flight, 'io_msg.idle_exit' => '100ms',
	'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);

add_services($node, $io, tari => {}, steady => {});
know_profile($node, 'tari', 1 .. 60);
know_profile($node, 'steady', 101 .. 120);

sub uncertain { return $node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE status = 'uncertain'}); }

$io->fault(kind => 'error', status => 502, shape => 'html', path => 'message', service => 'tari');
enqueue_many($node, 1, 20, service => 'tari');
ok(poll_until(sub { uncertain() >= 3 }), 'some messages are uncertain');

# The service pauses for ten seconds.  Others go on meanwhile, and so show that
# the drainer has looked again.
foreach my $n (101 .. 105)
{
	enqueue_many($node, 21 + 4 * ($n - 101), 24 + 4 * ($n - 101), service => 'tari');
	wait_for_status($node, enqueue($node, $n, service => 'steady'), 'sent');
	$node->safe_psql('postgres', 'SELECT pg_sleep(0.4)');
}
settle_requests($io);
my $uncertain = uncertain();
cmp_ok($uncertain, '<=', $in_flight + 6, 'not many more than were under way at once');
is(scalar(grep { $_->{path} eq 'message' && $_->{service} eq 'tari' } $io->journal), $uncertain, 'IO was asked no more');
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'}), 40 - $uncertain,
	'the others wait');

$io->clear_faults;
wait_until($node, q{SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'}, 'once answers are good all others are sent');
is_deeply(statuses($node), { sent => 45 - $uncertain, uncertain => $uncertain }, 'nothing failed, nothing more is uncertain');
is(scalar(() = $io->ledger), 45 - $uncertain, 'each once');
log_is_clean($node);
$node->stop;
done_testing();
