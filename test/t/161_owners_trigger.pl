# A trigger that the owner has put on the outbox, and that fails: what IO has
# said is kept and written once the trigger is gone; nothing is sent a second
# time, and the log gets none of the trigger's words.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('trigger', 'log_min_error_statement' => 'panic', 'io_msg.idle_exit' => '1h');
add_service($node, 'tari', $io, quota_calls => 4096);
my $first = enqueue($node, 1);
wait_for_status($node, $first, 'sent');
my ($worker) = drainer_pids($node);

$node->safe_psql('postgres', q{
	CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION 'I do not like % of %', NEW.status, NEW.fiscal_code;
	END $$;
	CREATE TRIGGER object BEFORE UPDATE OF status ON io_msg.outbox FOR EACH ROW
		WHEN (NEW.status = 'sent') EXECUTE FUNCTION object()});
my $from = -s $node->logfile;
my @ids = enqueue_many($node, 2, 9);
ok(poll_until(sub { 1 < grep { $_->{path} eq 'message' } $io->journal }), 'some are sent');
ok(poll_until(sub { log_has($node, qr/an io_msg transaction failed with SQLSTATE P0001 and is tried again/, $from) }),
	'the log says that the result cannot be written');
is(join(' ', map { status_of($node, $_) } @ids), join(' ', ('queued') x 8), 'no result is written');
is($node->safe_psql('postgres', "SELECT count(*) >= 1 FROM io_msg.message WHERE status = 'sending'"), 't',
	'what was sent is shown as being sent');
unlike(substr(slurp_file($node->logfile), $from), qr/I do not like/, 'the log has none of its words');

$node->safe_psql('postgres', 'DROP TRIGGER object ON io_msg.outbox');
wait_until($node, "SELECT count(*) = 9 FROM io_msg.outbox WHERE status = 'sent' AND message_id IS NOT NULL",
	'without the trigger all results are written');
is(scalar(() = $io->ledger), 9, 'IO has each');
is(scalar(grep { $_->{path} eq 'message' } $io->journal), 9, 'no second POST was made');
is(join(' ', drainer_pids($node)), $worker, 'by the same worker');

# One that calls us again, for the same row and for another.
$node->safe_psql('postgres', q{
	CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.io_enqueue_message(NEW.fiscal_code, 'Once more to you', repeat('m', 80), dedup_key => 'again');
		UPDATE io_msg.outbox SET reference = 'seen' WHERE id = NEW.id AND reference IS NULL;
		RETURN NULL;
	END $$;
	CREATE TRIGGER again AFTER UPDATE OF status ON io_msg.outbox FOR EACH ROW
		WHEN (NEW.status = 'sent') EXECUTE FUNCTION again()});
my $last = enqueue($node, 10);
wait_for_status($node, $last, 'sent');
wait_until($node, "SELECT count(*) = 11 FROM io_msg.outbox WHERE status = 'sent'", 'what a trigger enqueues is sent, once');
is(scalar(() = $io->ledger), 11, 'and accepted once');
$node->stop;
done_testing();
