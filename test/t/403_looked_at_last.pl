# Who may be sent to, and until when, is looked at when a message is marked, not
# only before the call for its profile.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.idle_exit' => '1h');

add_service($node, 'tari', $io);

sub ends_as
{
	my ($id, $status, $name) = @_;

	wait_for_status($node, $id, (split ' ', $status)[0]);
	return is($node->safe_psql('postgres', "SELECT status || ' ' || reason FROM io_msg.outbox WHERE id = $id"), $status, $name);
}

# The answer about the person takes longer than the message's time.
$io->fault(kind => 'latency', path => 'profile', min_ms => 1500, max_ms => 1500);
ends_as(enqueue($node, 1, expires_at => \"clock_timestamp() + interval '1 s'"), 'expired expired', 'its time is over');
$io->clear_faults;

# Meanwhile a person says that others alone may be sent to.
$io->fault(kind => 'hang', path => 'profile', fiscal_code => fiscal_code(2));
my $id = enqueue($node, 2);
ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'it is asked about');
$node->safe_psql('postgres', "UPDATE io_msg.service SET only_recipients = ARRAY['" . fiscal_code(3) . "']");
$io->release;
ends_as($id, 'not_allowed not_in_only_recipients', 'nobody else gets anything');
wait_for_status($node, enqueue($node, 3), 'sent');
is(scalar(() = $io->ledger), 1, 'IO has one message');

$node->stop;
done_testing();
