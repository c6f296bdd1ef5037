# Every service is served, however many there are before it.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $services = 1000;
my $node = iomsg_node('main', 'io_msg.sweep' => '1h', 'io_msg.idle_exit' => '1h');
my $io = start_sandbox(quota => 0);
my ($key) = $io->keys('tari');

# For IO all of them are one.
$io->service('tari');
$node->safe_psql('postgres', "
	INSERT INTO io_msg.account (name, base_url, quota_calls) VALUES ('sandbox', '" . $io->base_url . "', 4096);
	INSERT INTO io_msg.service (name, account) SELECT 's' || n, 'sandbox' FROM generate_series(1, $services) n");
write_keys($node, map { "postgres s$_ $key" } 1 .. $services);

my $id = enqueue($node, 1, service => "s$services");
wait_for_status($node, $id, 'sent');

# Again, by a drainer that has looked at all of them.
$id = enqueue($node, 2, service => "s$services");
wait_for_status($node, $id, 'sent');
$id = enqueue($node, 3, service => 's' . ($services / 2));
wait_for_status($node, $id, 'sent');

# One message for each.
my @rows = map { "($_, " . sql_literal(fiscal_code(100 + $_)) . ')' } 1 .. $services;
$node->safe_psql('postgres', "SELECT io_enqueue_message(service => 's' || v.n, fiscal_code => v.cf,
	subject => 'Test message', markdown => repeat('Invented message. ', 10)) FROM (VALUES "
	  . join(', ', @rows) . ') v (n, cf)');
wait_until($node, q{SELECT bool_and(status = 'sent') FROM io_msg.outbox}, 'each service has sent its message');
is(scalar(() = $io->ledger), $services + 3, 'each once');

# Whoever commits all the time for all services keeps none of them waiting.
my @busy = map { $node->background_psql('postgres') } 1 .. 3;
foreach my $session (@busy)
{
	$session->query_until(qr//, q{DO $$
		BEGIN
			LOOP
				UPDATE io_msg.account SET quota_calls = quota_calls WHERE false;
				COMMIT;
			END LOOP;
		END $$;
	});
}
$id = enqueue($node, 1, service => "s$services");
wait_for_status($node, $id, 'sent');
is($node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE query ~ 'WHERE false' AND pid <> pg_backend_pid()}),
	scalar(@busy), 'while others commit all the time');

$node->stop;
done_testing();
