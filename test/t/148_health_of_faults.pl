# Each fault shows in io_health() by its code within seconds, and is gone from
# there once it is mended; nothing is lost by it, and nothing accepted twice.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;
use Time::HiRes qw(time);

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('main', 'io_msg.idle_exit' => '200ms', 'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0, service => ['tari']);
my $citizen = 0;
my %given_up;

add_services($node, $io, tari => { account => 'comune' });
my @lines = @{ $node->{iomsg_keys} };

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub next_message { return enqueue($node, ++$citizen, service => 'tari'); }

# Messages whose citizens IO has just been asked about.
sub next_messages
{
	my ($n) = @_;
	my $first = $citizen + 1;

	$citizen += $n;
	know_profile($node, 'tari', $first .. $citizen);
	return enqueue_many($node, $first, $citizen, service => 'tari');
}

sub told { my ($code) = @_; return scalar grep { /^\w+ $code: / } split /\n/, health($node); }

# Each row is sent, or nobody expects that; and IO has those that are sent, once.
sub all_is_well
{
	my ($what) = @_;
	my (%accepted, %sent);

	ok(poll_until(sub { sql(q{SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'}) == 0 }), "$what: nothing waits");
	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
	foreach my $n (1 .. $citizen)
	{
		$sent{ fiscal_code($n) } = 1 unless $given_up{$n};
	}
	is_deeply(\%accepted, \%sent, "$what: nothing is lost, nothing accepted twice");
	is(sql(q{SELECT count(*) FROM io_msg.outbox WHERE status = 'sent'}), scalar keys %sent, "$what: the rows say so");
	return;
}

# One fault: begin it, see its line, and why a message waits, mend it, see the
# line go.
sub fault_shows
{
	my ($what, $line, $because, $begin, $mend) = @_;
	my ($code) = $line =~ /^\w+ (\w+): /;

	subtest $what => sub
	{
		ok(poll_until(sub { !drainer_pids($node) }), 'all is quiet');
		ok(!told($code), "no $code");
		my $from = time;
		$begin->();
		ok(poll_until(sub { told($code) }), "$code is told");
		my $shown_s = time - $from;
		like(health($node), qr/^$line/m, 'with severity, whom it concerns, and what it is');
		like(sql('SELECT waits_because FROM io_msg.queue'), qr/$because/, 'io_msg.queue says why nothing leaves');
		$from = time;
		$mend->();
		ok(poll_until(sub { !told($code) }), 'and no more once it is mended');
		note(sprintf '%s: %s after %.2f s, gone %.2f s after the mending', $what, $code, $shown_s, time - $from);
		all_is_well($what);
	};
	return;
}

wait_for_status($node, next_message(), 'sent');

fault_shows('nobody listens', 'error host_unreachable: account "comune": http://127\.0\.0\.1:\d+/api/v1 could not be reached, \d+ times',
	'could not be reached',
	sub { $io->stop; next_messages(3); },
	sub { $io->restart; });

fault_shows('a long 429', 'warning throttled: account "comune": IO takes nothing more until .*429',
	'takes nothing more',
	sub {
		$io->fault(kind => 'rate_limit', dialect => 'x-rate-limit', seconds => 20, path => 'message', count => 1);
		next_messages(3);
	},
	sub { $io->clear_faults; });

my @undecided;
fault_shows('answers that decide nothing', 'warning service_pausing: service "tari": after several answers',
	'waits until',
	sub {
		$io->fault(kind => 'error', status => 502, shape => 'html', path => 'message', count => 3);
		@undecided = next_messages(3);
	},
	sub {
		$given_up{$_} = 1 foreach $citizen - 2 .. $citizen;
		ok(poll_until(sub { sql(q{SELECT count(*) FROM io_msg.outbox WHERE status = 'uncertain'}) == 3 }), 'three are uncertain');
		sql("SELECT io_resolve($_, 'not_sent', reason => 'a test')") foreach @undecided;
		$io->clear_faults;
		next_messages(2);
	});

sql(q{CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION 'not today';
	END $$});
fault_shows('a trigger that fails', 'error transaction_failing: the transactions of the worker fail since .* \d+ in a row, last with SQLSTATE P0001',
	'transactions of the worker fail',
	sub {
		sql(q{CREATE TRIGGER object BEFORE UPDATE OF status ON io_msg.outbox FOR EACH ROW
			WHEN (NEW.status = 'sent') EXECUTE FUNCTION object()});
		next_messages(3);
	},
	sub { sql('DROP TRIGGER object ON io_msg.outbox'); });

my @stopped;
fault_shows('a worker that stands still', 'error worker_stalled: the worker is there but has done nothing since',
	'has done nothing since',
	sub {
		$io->fault(kind => 'hang', path => 'message');
		next_messages(3);
		ok(poll_until(sub { @stopped = drainer_pids($node) }), 'there is a worker');
		kill('STOP', @stopped);
	},
	sub { $io->clear_faults; $io->release; kill('CONT', @stopped); });

fault_shows('the key file is gone', 'error no_key: service "tari": the key file does not exist',
	'has no key',
	sub {
		unlink($node->basedir . '/io_msg.keys') or die "unlink: $!\n";
		next_messages(3);
	},
	sub {
		is(sql(q{SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'}), 3, 'what is enqueued waits');
		write_keys($node, @lines);
	});

fault_shows('both keys are refused', 'error service_stopped: service "tari": stopped since .*key',
	'is stopped since',
	sub { $io->set_keys('tari', revoke => 'all'); next_messages(3); },
	sub {
		$io->set_keys('tari', primary => 'tari-other-primary-key');
		write_keys($node, 'postgres tari tari-other-primary-key');
	});

log_is_clean($node);
$node->stop;
done_testing();
