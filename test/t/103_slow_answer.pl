# While IO takes long to answer nobody else waits: no transaction is open, no
# row removed by VACUUM is kept, other databases can be dropped, other messages
# flow.  And nobody's open transaction keeps messages from leaving.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.sweep' => '1s');
add_service($node, 'tari', $io);

$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code(1));
my $slow = enqueue($node, 1);
ok(poll_until(sub { scalar(() = $io->ledger) == 1 }), 'IO has the message and does not answer');
my ($pid) = drainer_pids($node);

# What the worker holds.
wait_until($node, "SELECT backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NULL
	  FROM pg_stat_activity WHERE pid = $pid", 'the drainer has no transaction');
is($node->safe_psql('postgres',
		"SELECT locktype FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'"),
	'advisory', 'and no lock but its own');

# What others do.
$node->safe_psql('postgres',
	'CREATE TABLE rows AS SELECT g FROM generate_series(1, 10000) AS g; DELETE FROM rows; VACUUM rows');
is($node->safe_psql('postgres', "SELECT pg_relation_size('rows')"), 0, 'VACUUM removes rows');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('postgres', 'DROP DATABASE other');
ok(1, 'another database is dropped');
$node->safe_psql('postgres', 'VACUUM FULL io_msg.outbox; VACUUM FULL io_msg.pending');
ok(1, 'even VACUUM FULL of the outbox passes');
enqueue_many($node, 2, 30);
wait_until($node, "SELECT count(*) = 29 FROM io_msg.outbox WHERE status = 'sent'", 'other messages flow');

# A person who is too late to cancel, and stays in the transaction.
my $cancel = $node->background_psql('postgres');
$cancel->query_safe('BEGIN');
is($cancel->query_safe("SELECT io_cancel($slow)"), 'f', 'it is too late to cancel');
is($node->safe_psql('postgres', "SELECT status FROM io_msg.message WHERE id = $slow"),
	'sending', 'it is shown as being sent');

# A person who has locked what is to be sent, and what has been sent.
my $later = enqueue($node, 31, send_after => \"clock_timestamp() + interval '1 s'");
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT id FROM io_msg.pending WHERE id = $later FOR UPDATE");
$holder->query_safe('SELECT count(*) FROM (SELECT FROM io_msg.outbox FOR UPDATE) AS o');
$holder->query_safe('SELECT count(*) FROM (SELECT FROM io_msg.service FOR UPDATE) AS s');
wait_until($node, "SELECT due_at < clock_timestamp() FROM io_msg.outbox WHERE id = $later",
	'a locked message is due');
enqueue_many($node, 32, 60);
wait_until($node, "SELECT count(*) = 58 FROM io_msg.outbox WHERE status = 'sent'",
	'messages flow past locked ones');
is(status_of($node, $later), 'queued', 'the locked one waits');

# The answer comes while its row is locked.
$io->clear_faults;
$io->release;
enqueue_many($node, 61, 90);
wait_until($node, "SELECT count(*) = 88 FROM io_msg.outbox WHERE status = 'sent'",
	'and past an answer that cannot be written');
is(status_of($node, $slow), 'queued', 'which is kept in hand');
$holder->query_safe('ROLLBACK');
$holder->quit;
wait_for_status($node, $slow, 'sent');
wait_for_status($node, $later, 'sent');
$cancel->query_safe('COMMIT');
$cancel->quit;

is_deeply([ drainer_pids($node) ], [$pid], 'by one and the same drainer');
is(scalar(() = $io->ledger), 90, 'each accepted');
is(scalar(keys %{ { map { $_->{fiscal_code} => 1 } $io->ledger } }), 90, 'once');
$node->stop;
done_testing();
