# What IO says about a sent message afterwards: its status is followed until it
# cannot change any more, whatever answers come in between.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

# A poll after 1 ms, and 5, 30, 120, 720; then each "day" of 1.44 s to the 7th.
my $node = flow_node('polls', 'io_msg.poll_delay' => '1ms');
my $io = start_sandbox(quota => 0, processing_delay_ms => 100);
my $citizen = 0;

add_services($node, $io, tari => {}, late => {}, other => {}, multe => { premium => 't' });

sub polls_of { return scalar calls_to($io, $_[0], 'status'); }

# Sends a message to a new citizen of whom IO will say that.
sub send_one
{
	my ($profile, %args) = @_;
	my $n = ++$citizen;

	$io->profile(fiscal_code($n), %$profile) if %$profile;
	my $id = enqueue($node, $n, service => 'tari', %args);
	wait_for_status($node, $id, 'sent');
	return ($id, $n);
}

sub wait_for_io_status
{
	my ($id, $wanted) = @_;

	return wait_until($node, "SELECT io_status = '$wanted' FROM io_msg.outbox WHERE id = $id",
		"IO's status of row $id is $wanted");
}

sub has_poll
{
	my ($id) = @_;

	return "EXISTS (SELECT FROM io_msg.poll p, io_msg.outbox o WHERE o.id = $id AND o.id = ANY (p.ids) AND p.due_at = o.due_at)";
}

# The three ends, and no question after them.
my %ends;
foreach my $status (qw(PROCESSED REJECTED FAILED))
{
	my ($id, $n) = send_one({ outcome => $status });
	$ends{$status} = { id => $id, n => $n };
}
foreach my $status (sort keys %ends)
{
	wait_for_io_status($ends{$status}{id}, $status);
	wait_until($node, "SELECT NOT " . has_poll($ends{$status}{id}), "$status is final");
	$ends{$status}{polls} = polls_of($ends{$status}{n});
	cmp_ok($ends{$status}{polls}, '>=', 1, "$status was asked for");
	like(explanation($node, $ends{$status}{id}), qr/\($status\).*IO is not asked again$/, "$status in words");
}

# What IO may say one day.
my ($odd, $odd_n) = send_one({ outcome => 'ACCEPTED' });
$io->message(row_of($node, $odd)->{message_id}, status => 'UNHEARD_OF');
wait_for_io_status($odd, 'UNHEARD_OF');
like(explanation($node, $odd), qr/its status at IO was UNHEARD_OF/, 'an unknown status is told as it is');
$io->message(row_of($node, $odd)->{message_id}, status => 'PROCESSED');
wait_for_io_status($odd, 'PROCESSED');

# Errors on the way keep what is known.
$io->fault(path => 'status', fiscal_code => fiscal_code($citizen + 1), kind => 'error', status => 404, title => 'Message not found', count => 2);
my ($lost) = send_one({});
wait_for_io_status($lost, 'PROCESSED');
foreach my $fault ({ kind => 'error', status => 500 }, { kind => 'error', status => 502, shape => 'html' },
	{ kind => 'close', when => 'after_reading' }, { kind => 'html' }, { kind => 'truncated', bytes => 10 })
{
	$io->fault(path => 'status', fiscal_code => fiscal_code($citizen + 1), count => 2, %$fault);
	my ($id) = send_one({});
	wait_for_io_status($id, 'PROCESSED');
	is(row_of($node, $id)->{status}, 'sent', 'and the row stays sent');
}

# A message that IO never finds is given up; nothing is said against it.
$io->fault(path => 'status', fiscal_code => fiscal_code($citizen + 1), kind => 'error', status => 404, title => 'Message not found');
my ($never, $never_n) = send_one({});
wait_until($node, 'SELECT NOT ' . has_poll($never), 'never found: given up');
is(polls_of($never_n), 5, 'after five times');
is(row_of($node, $never)->{io_status}, 'ACCEPTED', 'with the last known status');

# One that stays ACCEPTED is asked about seven "days" and then no more.
my ($stuck, $stuck_n) = send_one({ outcome => 'ACCEPTED' });

# ADVANCED: read and paid are followed until both are so.
my %premium = (service => 'multe', feature_level_type => 'ADVANCED',
	payment_data => \"io_payment_data(100, '012345678901234567')");
my ($read, $read_n) = send_one({ read_status => 'UNREAD', payment_status => 'NOT_PAID' }, %premium);
wait_until($node, "SELECT read_status = 'UNREAD' AND payment_status = 'NOT_PAID' FROM io_msg.outbox WHERE id = $read", 'unread and not paid');
my $id_at_io = row_of($node, $read)->{message_id};
$io->message($id_at_io, read_status => 'READ');
wait_until($node, "SELECT read_status = 'READ' FROM io_msg.outbox WHERE id = $read", 'read');
ok($node->safe_psql('postgres', 'SELECT ' . has_poll($read)) eq 't', 'not paid yet: asked again');
$io->message($id_at_io, payment_status => 'ERROR');
my $before = polls_of($read_n);
ok(poll_until(sub { polls_of($read_n) > $before }), 'asked while pagoPA does not answer');
my $row = row_of($node, $read);
is("$row->{io_status} $row->{read_status} $row->{payment_status}", 'PROCESSED READ NOT_PAID', 'a 500 keeps what is known');
$io->message($id_at_io, payment_status => 'PAID');
wait_until($node, "SELECT payment_status = 'PAID' FROM io_msg.outbox WHERE id = $read", 'paid');
wait_until($node, 'SELECT NOT ' . has_poll($read), 'read and paid: the end');
like(explanation($node, $read), qr/read, paid; IO is not asked again/, 'in words');
my ($plain) = send_one({ read_status => 'READ' }, %premium, payment_data => undef);
wait_until($node, 'SELECT NOT ' . has_poll($plain), 'nothing to pay: read is the end');

# A refused key stops asking; it goes on with the service.
my $n = ++$citizen;
$io->fault(path => 'status', service => 'late', kind => 'error', status => 403, count => 1);
my $id = enqueue($node, $n, service => 'late');
wait_for_status($node, $id, 'sent');
ok(poll_until(sub { (stopped_services($node)->{late} // '') eq 'forbidden' }), 'a 403 to a question stops the service');
like(explanation($node, $id), qr/IO is not asked, for the service "late" is stopped/, 'in words');
is($node->safe_psql('postgres', "SELECT io_resume('late')"), 't', 'resumed');
wait_for_io_status($id, 'PROCESSED');

# The end of what stays ACCEPTED, and of what was final long ago.
wait_until($node, 'SELECT NOT ' . has_poll($stuck), 'ACCEPTED for ever: given up');
is(row_of($node, $stuck)->{io_status}, 'ACCEPTED', 'as it was');
cmp_ok(polls_of($stuck_n), '>=', 3, 'asked some times');
cmp_ok(polls_of($stuck_n), '<=', 12, 'and not more than the schedule has');
is(polls_of($ends{$_}{n}), $ends{$_}{polls}, "$_: never asked again") foreach sort keys %ends;

# Messages that were sent together are asked about together.
set_and_reload($node, 'io_msg.poll_delay' => '1h');
ok(poll_until(sub { !drainer_pids($node) }), 'all is at rest');
enqueue_many($node, 1000, 1199, service => 'other');
wait_until($node, "SELECT count(*) = 200 FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id WHERE s.name = 'other' AND status = 'sent'", '200 sent');
my ($rows, $ids) = split /\|/, $node->safe_psql('postgres', 'SELECT count(*), sum(cardinality(ids)) FROM io_msg.poll');
is($ids, 200, 'each will be asked about');
cmp_ok($rows, '<=', 100, "in few rows ($rows)");

# Whoever deletes messages leaves no question behind that nobody asks.
$node->safe_psql('postgres', "DELETE FROM io_msg.outbox o USING io_msg.service s WHERE s.id = service_id AND s.name = 'other';
	UPDATE io_msg.poll SET due_at = clock_timestamp()");
enqueue($node, ++$citizen, service => 'other');
wait_until($node, 'SELECT count(*) = 1 FROM io_msg.poll', 'the rows of poll that name nothing any more are deleted');

log_is_clean($node);
$node->stop;
done_testing();
