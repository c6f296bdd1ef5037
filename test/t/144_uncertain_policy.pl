# A service may rather reach people twice than not at all (on_uncertain
# resend): then what IO may have accepted is sent again by itself, as often as
# a message may be tried, and only then waits for a person.  Another may
# believe no error of IO's (on_server_error uncertain).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = flow_node('policy', 'restart_after_crash' => 'on', 'io_msg.max_attempts' => 3,
	'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '500ms', 'io_msg.sweep' => '1s');
my ($citizen, $nservices) = (0, 0);

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

# A message of a service that has this policy, with IO's answers to it.
sub send_one
{
	my ($policy, @faults) = @_;
	my $n = ++$citizen;
	my $service = 'policy' . ++$nservices;

	add_services($node, $io, $service => $policy);
	know_profile($node, $service, $n);
	$io->fault(path => 'message', fiscal_code => fiscal_code($n), %$_) foreach @faults;
	return (enqueue($node, $n, service => $service), $n);
}

# The row's status and counted attempts, the POSTs that IO saw, how many of
# them it accepted.
sub is_row
{
	my ($id, $n, $wanted, $what) = @_;
	my $is = sub {
		my $row = row_of($node, $id);

		return "$row->{status} $row->{attempts} " . posts_to($io, $n) . ' ' . accepted_for($io, $n);
	};

	# The sandbox notes a call when it has ended, on its side.
	poll_until(sub { $is->() eq $wanted });
	return is($is->(), $wanted, $what);
}

sub classes_of
{
	my ($id) = @_;

	return sql("SELECT string_agg(class || ' ' || reason, ', ' ORDER BY number) FROM io_msg.attempt WHERE id = $id");
}

sub resend { my ($id) = @_; return sql("SELECT io_resolve($id, 'send_again', reason => 'as a test says')"); }
sub in_doubt { my ($id) = @_; return sql("SELECT count(*) FROM io_msg.uncertain WHERE id = $id"); }

my %resend = (on_uncertain => 'resend');
my %lost = (kind => 'close', when => 'after_accepting');
my %gateway = (kind => 'error', status => 502, shape => 'html');
my %own = (kind => 'error', status => 500);
my %refused = (kind => 'error', status => 400);

subtest 'resend: an answer that was lost' => sub
{
	my ($id, $n) = send_one(\%resend, { %lost, count => 1 });

	wait_for_status($node, $id, 'sent');
	is_row($id, $n, 'sent 2 2 2', 'sent again by itself; the person has it twice');
	my @ids = map { $_->{id} } grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger;
	is(row_of($node, $id)->{message_id}, $ids[1], 'the row has the id of the second');
	is(classes_of($id), 'unknown no_answer', 'what came before is kept');
	is(in_doubt($id), 0, 'nobody is asked');
};

subtest 'resend: a gateway without an answer' => sub
{
	my ($id, $n) = send_one(\%resend, { %gateway, count => 2 });

	wait_for_status($node, $id, 'sent');
	is_row($id, $n, 'sent 3 3 1', 'sent again until it is accepted');
	is(classes_of($id), 'unknown gateway_error, unknown gateway_error', 'both are kept');
};

subtest 'resend: not without end' => sub
{
	my ($id, $n) = send_one(\%resend, \%gateway);

	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 3 3 0', 'as many attempts as are allowed');
	is(in_doubt($id), 1, 'then it waits for a person');
	is(row_of($node, $id)->{reason}, 'maybe_accepted', 'and says why: any of them may have been the one');
	is(sql("SELECT count(*) FROM io_msg.pending WHERE id = $id"), 0, 'nothing will send it by itself');
};

subtest 'hold: the way it is unless somebody has said otherwise' => sub
{
	my ($id, $n) = send_one({}, { %gateway, count => 1 });

	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 1 1 0', 'sent once');
	is(sql("SELECT DISTINCT on_uncertain, on_server_error FROM io_msg.service WHERE name = 'policy4'"), 'hold|retry', 'the defaults');
};

# The drainer is killed.
sub kill_drainer
{
	my $from = -s $node->logfile;

	kill('KILL', drainer_pids($node));
	ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }), 'the worker is killed');
	ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
	return;
}

subtest 'after a kill' => sub
{
	my ($again, $n) = send_one(\%resend, { kind => 'hang', count => 1 });
	my ($held, $m) = send_one({}, { kind => 'hang', count => 1 });
	my ($often, $o) = send_one(\%resend, { kind => 'hang', count => 2 });

	ok(poll_until(sub { accepted_for($io, $n) + accepted_for($io, $m) + accepted_for($io, $o) == 3 }), 'answers are awaited');
	kill_drainer();
	wait_for_status($node, $again, 'sent');
	is_row($again, $n, 'sent 2 2 2', 'resend: sent again');
	is(classes_of($again), 'unknown interrupted', 'what was cut off is kept');
	wait_for_status($node, $held, 'uncertain');
	is_row($held, $m, 'uncertain 1 1 1', 'hold: waits for a person');
	is(join(' ', map { in_doubt($_) } $again, $held), '0 1', 'who is asked');

	# The second time; the next attempt is the last that is allowed.
	ok(poll_until(sub { accepted_for($io, $o) == 2 }), 'sent again, and not answered');
	$io->fault(path => 'message', fiscal_code => fiscal_code($o), %gateway);
	kill_drainer();
	wait_for_status($node, $often, 'uncertain');
	is_row($often, $o, 'uncertain 3 3 2', 'resend: at most as often as is allowed');
	like(classes_of($often), qr/^unknown interrupted, unknown interrupted, unknown \w+$/, 'each is kept');
	$io->release;
};

subtest 'resend: nothing more after the last attempt was cut off' => sub
{
	my ($id, $n) = send_one(\%resend, { %gateway, count => 2 }, { kind => 'hang', skip => 2, count => 1 });

	ok(poll_until(sub { accepted_for($io, $n) == 1 }), 'the third attempt is under way');
	kill_drainer();
	wait_for_status($node, $id, 'uncertain');
	# The third worker in a row that was cut off.
	is(sql('SELECT io_resume()'), 't', 'a person lets it go on');
	is(row_of($node, $id)->{reason}, 'interrupted', 'the reason');
	my ($other) = send_one({});
	wait_for_status($node, $other, 'sent');
	is_row($id, $n, 'uncertain 3 3 1', 'it was not sent again');
	$io->release;
};

subtest 'on_server_error uncertain' => sub
{
	my ($id, $n) = send_one({ on_server_error => 'uncertain' }, \%own);

	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 1 1 0', 'not tried again');
	is(row_of($node, $id)->{reason}, 'server_error', 'the reason');
	is(in_doubt($id), 1, 'a person is asked');
	is(classes_of($id), 'unknown server_error', 'what IO said is kept, and that it was not believed');

	# Nor is it believed later.
	sql("SELECT io_pause('policy$nservices')");
	resend($id);
	is(sql("SELECT io_cancel($id)"), 'f', 'sent again, it cannot be taken back');
	is_row($id, $n, 'uncertain 0 1 0', 'it is in doubt');
	is(row_of($node, $id)->{reason}, 'maybe_accepted', 'for the first request');
	$io->clear_faults;
	$io->fault(path => 'message', fiscal_code => fiscal_code($n), %refused, count => 1);
	resend($id);
	sql("SELECT io_resume('policy$nservices')");
	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 1 2 0', 'that the second was refused says nothing of the first');
	is(row_of($node, $id)->{reason}, 'maybe_accepted', 'which is the doubt');
	is(in_doubt($id), 1, 'a person is asked again');

	# To ask about a person does no harm, however often.
	my $m = ++$citizen;
	add_services($node, $io, asks => { on_server_error => 'uncertain' });
	$io->fault(path => 'profile', fiscal_code => fiscal_code($m), %own, count => 1);
	$id = enqueue($node, $m, service => 'asks');
	wait_for_status($node, $id, 'sent');
	is_row($id, $m, 'sent 2 1 1', "a profile's error is tried again");
};

subtest 'on_server_error retry' => sub
{
	my ($id, $n) = send_one({}, \%own);

	wait_for_status($node, $id, 'failed');
	is_row($id, $n, 'failed 3 3 0', 'tried as often as is allowed; IO says that it took none');
};

subtest 'both: uncertain, and so sent again' => sub
{
	my ($id, $n) = send_one({ %resend, on_server_error => 'uncertain' }, \%own);

	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 3 3 0', 'never failed: IO may have accepted it');

	($id, $n) = send_one({ %resend, on_server_error => 'uncertain' }, { %own, count => 1 }, { %refused, count => 1 });
	wait_for_status($node, $id, 'uncertain');
	is_row($id, $n, 'uncertain 2 2 0', 'nor where the second is refused');
	is(row_of($node, $id)->{reason}, 'maybe_accepted', 'it may have accepted the first');
	is(classes_of($id), 'unknown server_error, refused invalid_request', 'both are kept');
};

subtest 'a change counts at once' => sub
{
	my ($id, $n) = send_one({}, { %gateway, count => 1 });

	wait_for_status($node, $id, 'uncertain');
	sql("UPDATE io_msg.service SET on_uncertain = 'resend' WHERE name = 'policy$nservices'");
	my $m = ++$citizen;
	know_profile($node, "policy$nservices", $m);
	$io->fault(path => 'message', fiscal_code => fiscal_code($m), %gateway, count => 1);
	my $next = enqueue($node, $m, service => "policy$nservices");
	wait_for_status($node, $next, 'sent');
	is(status_of($node, $id), 'uncertain', 'what a person is asked already stays with the person');
};

log_is_clean($node);
$node->stop;
done_testing();
