# A message is sent when its transaction commits, however it does, and never
# otherwise; many transactions in one session leave nothing behind in it.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main',
	'max_prepared_transactions' => 4,
	'io_msg.idle_exit' => '100ms',
	'io_msg.sweep' => '1s');
add_service($node, 'tari', $io);

# The call for the n-th citizen, as SQL.
sub call
{
	my ($n) = @_;

	return "SELECT io_enqueue_message('" . fiscal_code($n)
	  . "', 'Message in a transaction', repeat('m', 80));\n";
}

sub accepted
{
	return sort map { $_->{fiscal_code} } $io->ledger;
}

# Rolled back, wholly or to a savepoint.
$node->safe_psql('postgres', 'BEGIN;' . call(1) . 'ROLLBACK;');
$node->safe_psql('postgres',
	'BEGIN;' . call(2) . 'SAVEPOINT s;' . call(3) . 'ROLLBACK TO s;' . call(4) . 'COMMIT;');
$node->safe_psql('postgres',
	'BEGIN; SAVEPOINT s;' . call(5) . 'ROLLBACK TO s; COMMIT;');
is($node->psql('postgres', 'BEGIN;' . call(6) . 'SELECT 1/0; COMMIT;'), 3, 'an error in between');

# In two phases: without a commit in this backend it is the sweep that finds
# the row.
$node->safe_psql('postgres', 'BEGIN;' . call(7) . "PREPARE TRANSACTION 'kept';");
$node->safe_psql('postgres', 'BEGIN;' . call(8) . "PREPARE TRANSACTION 'taken back';");
$node->safe_psql('postgres', 'BEGIN;' . call(9) . "PREPARE TRANSACTION 'over a crash';");
my $fence = enqueue($node, 10);
wait_for_status($node, $fence, 'sent');
wait_until($node, "SELECT count(*) = 3 FROM io_msg.outbox WHERE status = 'sent'", 'what was committed is sent');
is_deeply([ accepted() ], [ sort map { fiscal_code($_) } 2, 4, 10 ],
	'nothing rolled back, nothing only prepared');

ok(poll_until(sub { !drainer_pids($node) }), 'the drainer has left');
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
$node->safe_psql('postgres', "ROLLBACK PREPARED 'taken back'");
wait_until($node, "SELECT count(*) = 4 FROM io_msg.outbox WHERE status = 'sent'",
	'a prepared transaction is committed elsewhere: the sweep finds its message');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "COMMIT PREPARED 'over a crash'");
wait_until($node, "SELECT count(*) = 5 FROM io_msg.outbox WHERE status = 'sent'",
	'also after a crash in between');
is_deeply([ accepted() ], [ sort map { fiscal_code($_) } 2, 4, 7, 9, 10 ],
	'each once, nothing of what was rolled back');

# Thousands of transactions in one session, a third of them rolled back: its
# memory stays as it was, so no callback was registered twice.
# IOMSG_TRANSACTIONS is how many.
my $many = int(($ENV{IOMSG_TRANSACTIONS} // 6000) / 3) * 3;
$node->safe_psql('postgres', "UPDATE io_msg.service SET paused = true");
my $session = $node->background_psql('postgres');
$session->query_safe("SET synchronous_commit = off");
$session->query_safe("
	CREATE PROCEDURE pg_temp.enqueue_often(n integer) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN 1 .. n LOOP
			PERFORM io_enqueue_message('" . fiscal_code(11) . "', 'One of many', repeat('m', 80));
			IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END \$\$");

sub memory
{
	return split /\|/, $session->query_safe("
		SELECT sum(used_bytes) FILTER (WHERE name = 'TopMemoryContext'), sum(total_bytes)
		  FROM pg_backend_memory_contexts");
}

$session->query_safe('CALL pg_temp.enqueue_often(300)');
my ($top, $all) = memory();
$session->query_safe("CALL pg_temp.enqueue_often($many)");
my ($top_then, $all_then) = memory();
note("TopMemoryContext $top and $top_then bytes, all contexts $all and $all_then");
cmp_ok($top_then - $top, '<', 10_000, 'TopMemoryContext does not grow');
cmp_ok($all_then - $all, '<', 500_000, 'nor does the rest');
is($session->query_safe("SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'"), ($many + 300) / 3 * 2,
	'what was committed is there');
$session->quit;

is($io->stats->{accepted}, 5, 'a paused service sends nothing');
$node->stop;
done_testing();
