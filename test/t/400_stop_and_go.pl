# What people decide about the flow is obeyed: trial settings, pauses, times,
# priorities, cancelling, trying again, waiting.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('flow', 'io_msg.poll_delay' => '1h', 'io_msg.max_in_flight' => 1, 'io_msg.max_attempts' => 2);
my $io = start_sandbox(quota => 0);
my $citizen = 0;

add_services($node, $io, tari => {}, imu => {}, dry => { dry_run => 't' },
	trial => { only_recipients => \("ARRAY['" . fiscal_code(1) . "']") });

sub sql { return $node->safe_psql('postgres', @_); }

sub finished
{
	my ($id, $expected, $what) = @_;

	wait_for_status($node, $id, (split / /, $expected)[0]);
	my $row = row_of($node, $id);
	is("$row->{status} $row->{reason} $row->{attempts}", $expected, $what);
	return;
}

# Asks IO for something else, so that the worker has surely looked at all.
sub worker_has_looked { return wait_for_status($node, enqueue($node, ++$citizen + 100, service => 'imu'), 'sent'); }

# Trial settings: no call at all.
my $dry = enqueue($node, 2, service => 'dry');
finished($dry, 'cancelled dry_run 0', 'dry run');
my $other = enqueue($node, 3, service => 'trial');
finished($other, 'not_allowed not_in_only_recipients 0', 'not among the only recipients');
wait_for_status($node, enqueue($node, 1, service => 'trial'), 'sent');
is(scalar(grep { ($_->{fiscal_code} // '') =~ /^(${\fiscal_code(2)}|${\fiscal_code(3)})$/ } $io->journal), 0, 'no call for either');
like(explanation($node, $dry), qr/the service is in dry run, and nothing was sent/, 'dry run in words');
like(health($node), qr/^info dry_run: .*\n(.*\n)*info only_recipients: .*1 fiscal codes only/m, 'io_health tells both');
sql("UPDATE io_msg.service SET dry_run = false, only_recipients = NULL");
is(sql("SELECT io_retry($dry), io_retry($other)"), 't|t', 'once they are lifted the rows can be put back');
wait_for_status($node, $_, 'sent') foreach $dry, $other;

# A paused service; the database; the server.
foreach my $case ([ 'service', "SELECT io_pause('tari')", "SELECT io_resume('tari')", qr/the service "tari" is paused/, 'service_paused' ],
	[ 'database', 'SELECT io_pause()', 'SELECT io_resume()', qr/the whole database is paused/, 'database_paused' ],
	[ 'server', 'off', 'on', qr/io_msg\.enabled is off/, 'disabled' ])
{
	my ($what, $stop, $go, $told, $code) = @$case;
	my $by_setting = $stop eq 'off';

	$by_setting ? set_and_reload($node, 'io_msg.enabled' => $stop) : is(sql($stop), 't', "$what: paused");
	# The worker obeys in its own time, as with each message of a reload.
	ok(poll_until(sub { !drainer_pids($node) }), "$what: the worker rests") if $by_setting;
	my @ids = map { enqueue($node, ++$citizen + 200, service => 'tari') } 1 .. 3;
	$what eq 'service' ? worker_has_looked() : sql("SELECT io_wait($ids[0], '300 ms')");
	is(join(' ', map { $_->{status} . $_->{attempts} } values %{ rows_of($node, @ids) }), 'queued0 queued0 queued0', "$what: the rows stay");
	is(posts_to($io, $citizen + 200) + calls_to($io, $citizen + 200, 'profile'), 0, "$what: no call");
	like(explanation($node, $ids[0]), $told, "$what: io_explain says it");
	like(health($node), qr/^warning $code: /m, "$what: io_health says it");
	$by_setting ? set_and_reload($node, 'io_msg.enabled' => $go) : is(sql($go), 't', "$what: resumed");
	wait_for_status($node, $_, 'sent') foreach @ids;
}

# Times.
sql("SELECT io_pause('tari')");
my $late = enqueue($node, ++$citizen, service => 'tari', expires_at => \"now() + interval '700 ms'");
my $soon = enqueue($node, ++$citizen, service => 'tari', expires_at => \"now() + interval '1 day'");
is(sql("SELECT pg_sleep(0.8), expires_at <= clock_timestamp() FROM io_msg.outbox WHERE id = $late"), '|t', 'its time is over');
sql("SELECT io_resume('tari')");
finished($late, 'expired expired 0', 'expired while the service was paused');
wait_for_status($node, $soon, 'sent');
is(posts_to($io, $citizen - 1), 0, 'nothing of it was sent');
is(sql("SELECT io_retry($late)"), 't', 'a person sends it all the same');
wait_for_status($node, $late, 'sent');

my $time = sql("SELECT clock_timestamp() + interval '1500 ms'");
my $after = enqueue($node, ++$citizen, service => 'tari', send_after => $time);
worker_has_looked();
is(sql("SELECT status = 'queued' OR clock_timestamp() >= '$time' FROM io_msg.outbox WHERE id = $after"), 't', 'send_after: it waits');
wait_for_status($node, $after, 'sent');
is(sql("SELECT settled_at >= '$time' FROM io_msg.outbox WHERE id = $after"), 't', 'and leaves after its time');

# Priority before time; one connection shows the order.
sql("SELECT io_pause('tari')");
my @order;
foreach my $priority (4, 2, 3, 1, 2, 4, 1)
{
	push @order, [ $priority, enqueue($node, ++$citizen, service => 'tari', priority => $priority) ];
}
know_profile($node, 'tari', $citizen - $#order .. $citizen);
sql("SELECT io_resume('tari')");
wait_for_status($node, $_->[1], 'sent') foreach @order;
my %seat;
@seat{ map { $_->{id} } $io->ledger } = 0 .. scalar(() = $io->ledger);
my @left = map { $_->[1] } sort { $seat{ row_of($node, $a->[1])->{message_id} } <=> $seat{ row_of($node, $b->[1])->{message_id} } } @order;
my @wanted = map { $_->[1] } sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @order;
is_deeply(\@left, \@wanted, 'priority, then time, then id');

# Taking back.
sql("SELECT io_pause('tari')");
my $taken = enqueue($node, ++$citizen, service => 'tari');
my @lot = map { enqueue($node, ++$citizen, service => 'tari', lot => 'campaign') } 1 .. 3;
is(sql("SELECT io_cancel($taken, 'wrong text')"), 't', 'io_cancel');
is(sql("SELECT io_cancel_lot('campaign')"), 3, 'io_cancel_lot');
sql("SELECT io_resume('tari')");
worker_has_looked();
is(join(' ', map { $_->{status} } values %{ rows_of($node, $taken, @lot) }), join(' ', ('cancelled') x 4), 'cancelled');
is(posts_to($io, $_), 0, 'nothing of it was sent') foreach $citizen - 3 .. $citizen;
is(sql("SELECT io_cancel($soon)"), 'f', 'what was sent cannot be taken back');
my ($ret, undef, $error) = $node->psql('postgres', "SELECT io_retry($taken)");
like($error, qr/cannot be retried: its status is cancelled/, 'nor is what a person took back tried again');

# While it is being sent it is nobody's.
my $held = ++$citizen;
know_profile($node, 'tari', $held);
$io->fault(kind => 'hang', when => 'after', path => 'message', fiscal_code => fiscal_code($held), count => 1);
my $sending = enqueue($node, $held, service => 'tari');
ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'a message is under way');
is(sql("SELECT status FROM io_msg.message WHERE id = $sending"), 'sending', 'and shown so');
is(sql("SELECT io_cancel($sending)"), 'f', 'too late to cancel');
like(explanation($node, $sending), qr/is being sent; the answer of IO is awaited/, 'in words');
is(sql("SELECT io_wait($sending, '100 ms')"), 'sending', 'io_wait gives up after its time');
my $waiter = $node->background_psql('postgres');
$io->release;
is($waiter->query_safe("SELECT io_wait($sending, '60 s')"), 'sent', 'io_wait tells the end');
$waiter->quit;

# Trying again what failed.
$io->fault(kind => 'error', status => 500, path => 'message', fiscal_code => fiscal_code(++$citizen), count => 2);
my $failed = enqueue($node, $citizen, service => 'tari');
finished($failed, 'failed server_error 2', 'failed after max_attempts');
is(sql("SELECT io_wait($failed)"), 'failed', 'io_wait on a finished row');
is(sql("SELECT io_retry($failed, 'IO is well again')"), 't', 'io_retry');
finished($failed, 'sent  1', 'sent, its attempts counted anew');
is(accepted_for($io, $citizen), 1, 'once');
is(sql("SELECT string_agg(action || coalesce(': ' || reason, ''), ', ' ORDER BY at) FROM io_msg.audit WHERE id IN ($failed, $taken)"),
	'cancel: wrong text, retry: IO is well again', 'people\'s acts are on record');

# Waiting for what can never come.
my $own = "SELECT io_wait(io_enqueue_message('" . fiscal_code(++$citizen) . "', 'Test message', repeat('m', 80), service => 'tari'))";
($ret, undef, $error) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$own");
like($error, qr/25001/, 'not for a row of the same transaction');
($ret, undef, $error) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nBEGIN ISOLATION LEVEL REPEATABLE READ; SELECT io_wait($sending)");
like($error, qr/25001/, 'nor above READ COMMITTED');
is(sql("SELECT count(*) FROM io_msg.outbox WHERE fiscal_code = '" . fiscal_code($citizen) . "'"), 0, 'and nothing came of it');

log_is_clean($node);
$node->stop;
done_testing();
