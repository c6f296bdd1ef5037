# A planned stop, of the server or of one drainer, waits for answers under way
# as long as io_msg.shutdown_grace allows and records them; what comes later is
# uncertain.  A cancel means nothing to a drainer.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.shutdown_grace' => '120s', 'io_msg.idle_exit' => '10min', 'wal_level' => 'replica', 'max_wal_senders' => 2);
add_service($node, 'tari', $io);
$node->safe_psql('postgres', 'CREATE TABLE of_the_session (n integer); CREATE TABLE ends (n integer)');

# Some messages that IO accepts at once and answers when it is told to, or
# after a time.
sub begin_slow
{
	my ($from, $to, %fault) = @_;
	my $before = () = $io->ledger;

	$io->fault(kind => 'hang', path => 'message', %fault);
	my @ids = enqueue_many($node, $from, $to);
	ok(poll_until(sub { scalar(() = $io->ledger) == $before + @ids }), 'POSTs are under way');
	return @ids;
}

sub all_are
{
	my ($status, @ids) = @_;
	my $list = join(', ', @ids);

	return is($node->safe_psql('postgres', "SELECT DISTINCT status FROM io_msg.outbox WHERE id IN ($list)"),
		$status, "all of them are $status");
}

# A session's backend that has the lock that every NOTIFY takes, and goes on
# when it is told to: it waited for a standby when it was stopped.
sub hold_notify
{
	my $session = $node->background_psql('postgres');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	set_and_reload($node, synchronous_standby_names => 'missing');
	$session->query_until(qr//, q{DO $$
		BEGIN
			WHILE NOT EXISTS (SELECT FROM ends) LOOP
				INSERT INTO of_the_session VALUES (1);
				NOTIFY of_the_session;
				COMMIT;
				PERFORM pg_sleep(0.01);
			END LOOP;
		END $$;
});
	wait_until($node, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid", 'a session waits for a standby');
	kill('STOP', $pid);
	set_and_reload($node, synchronous_standby_names => '');
	return ($session, $pid);
}

# Fast shutdown, answers within the grace.
my @ids = begin_slow(1, 8, ms => 2000);
$node->stop('fast');
$node->start;
all_are('sent', @ids);
$io->clear_faults;

# A cancel, then a termination of the drainer alone.
@ids = begin_slow(11, 18);
my ($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid) FROM generate_series(1, 5)");
my $other = enqueue($node, 1000, service => 'tari');
$io->clear_faults;
$io->release;
wait_for_status($node, $_, 'sent') foreach @ids, $other;
is_deeply([ drainer_pids($node) ], [$pid], 'the drainer does not care for a cancel');

@ids = begin_slow(21, 28);
($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
my @after = enqueue_many($node, 31, 38);
$io->clear_faults;
$io->release;
wait_for_status($node, $_, 'sent') foreach @ids, @after;
isnt((drainer_pids($node))[0], $pid, 'another drainer has followed');
is(statuses($node)->{uncertain}, undef, 'nothing is uncertain');

# So where the worker's commit waits for the lock that every NOTIFY takes, which
# a session has that cannot go on: the one that tells listeners of an uncertain
# message, and any with a trigger of the user's.
foreach my $case ([ 39, kind => 'close', when => 'after_accepting' ], [ 79, kind => 'latency', ms => 1 ])
{
	my ($person, %fault) = @$case;
	my @held = begin_slow($person, $person, fiscal_code => fiscal_code($person));
	my ($session, $holder) = hold_notify();
	my $terminator = $node->background_psql('postgres');

	$terminator->query_until(qr//, q{DO $$
		DECLARE
			waiting integer;
		BEGIN
			LOOP
				SELECT pid INTO waiting FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
					AND objid = 0 AND NOT granted;
				EXIT WHEN FOUND;
				PERFORM pg_sleep(0.005);
			END LOOP;
			PERFORM pg_terminate_backend(waiting);
		END $$;
});
	$io->fault(path => 'message', fiscal_code => fiscal_code($person + 1), %fault);
	push @held, enqueue($node, $person + 1, service => 'tari');
	$terminator->query_safe('SELECT 1');
	$io->clear_faults;
	$io->release;
	ok(poll_until(sub { $io->stats->{in_flight} == 0 }), 'both are answered');
	kill('CONT', $holder);
	$node->safe_psql('postgres', 'INSERT INTO ends VALUES (1)');
	$_->quit foreach $session, $terminator;
	$node->safe_psql('postgres', 'DELETE FROM ends');
	wait_for_status($node, $held[0], 'sent');
	wait_for_status($node, $held[1], $fault{kind} eq 'close' ? 'uncertain' : 'sent');
	$node->safe_psql('postgres', q{CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY outbox; RETURN NULL; END';
		CREATE OR REPLACE TRIGGER tell AFTER UPDATE ON io_msg.outbox EXECUTE FUNCTION tell()});
}
$node->safe_psql('postgres', 'DROP TRIGGER tell ON io_msg.outbox');

# Beyond the grace.
$node->safe_psql('postgres', "ALTER SYSTEM SET io_msg.shutdown_grace = '300ms'");
$node->reload;
@ids = begin_slow(41, 48);
@after = enqueue_many($node, 51, 58, send_after => \"clock_timestamp() + interval '1 h'");
$node->stop('fast');
$node->start;
wait_until($node, "SELECT count(*) = 8 FROM io_msg.outbox WHERE status = 'uncertain' AND id >= $ids[0]",
	'what is not answered in time is uncertain');
all_are('uncertain', @ids);
all_are('queued', @after);
$io->clear_faults;
$io->release;

# So for a drainer alone.
@ids = begin_slow(61, 68);
($pid) = drainer_pids($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_status($node, $_, 'uncertain') foreach @ids;
$io->clear_faults;
$io->release;

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(keys %accepted), 53, 'IO has each');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
$node->stop;
done_testing();
