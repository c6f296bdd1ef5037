# When another drainer has raised the epoch, nothing that the first one learns
# is written any more: its answers go to the log, ids only, and it ends.  The
# message is the new epoch's to judge: uncertain.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main');
add_service($node, 'tari', $io);

my $before = enqueue($node, 1);
wait_for_status($node, $before, 'sent');
$io->fault(kind => 'hang', path => 'message');
my @ids = enqueue_many($node, 2, 4);
ok(poll_until(sub { scalar(() = $io->ledger) == 4 }), 'three POSTs are under way');
my ($pid) = drainer_pids($node);
$node->safe_psql('postgres', 'UPDATE io_msg.drainer SET epoch = epoch + 1');
$io->clear_faults;
$io->release;


wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'", 'somebody judges the three');
is($node->safe_psql('postgres', 'SELECT status, count(*), count(message_id) FROM io_msg.outbox
	 WHERE id IN (' . join(', ', @ids) . ') GROUP BY status'), 'uncertain|3|0',
	'nothing that the old drainer learned was written');
ok(poll_until(sub { !grep { $_ == $pid } drainer_pids($node) }), 'it ends');
my %id_of = map { $_->{fiscal_code} => $_->{id} } $io->ledger;
foreach my $i (0 .. 2)
{
	my ($id, $message_id) = ($ids[$i], $id_of{ fiscal_code(2 + $i) });
	ok(log_has($node, qr/LOG:.* row $id ended .*"$message_id"/), "what IO said of row $id is in the log");
}
my $after = enqueue($node, 5);
wait_for_status($node, $after, 'sent');
is(scalar(() = $io->ledger), 5, 'each message was accepted once');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
