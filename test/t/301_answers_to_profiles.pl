# IO's answers to POST /profiles: who may not be written to gets nothing, an
# answer is kept as long as the service says, and one call serves all that
# wait for it.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('profiles', 'io_msg.max_attempts' => 3, 'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);
my $citizen = 0;

sub profile_fault
{
	my ($service, $count, %fault) = @_;

	return { path => 'profile', service => $service, count => $count, %fault };
}

sub profile_calls { return scalar calls_to($io, $_[0], 'profile'); }

add_services($node, $io,
	tari => {}, imu => {},
	short => { profile_max_age => '0 s', profile_negative_max_age => '0 s' },
	map { ($_ => {}) } map { "p$_" } 1 .. 16);

# Who may not be written to.
my %citizens = (unknown => 1, opted_out => 2, inbox_off => 3);
$citizen = 3;
$io->profile(fiscal_code($citizens{$_}), profile => $_) foreach keys %citizens;
my %ids = map { ($_ => enqueue($node, $citizens{$_}, service => 'tari')) } sort keys %citizens;
my %reasons = (unknown => 'no_profile 404', opted_out => 'sender_not_allowed 200', inbox_off => 'no_profile 404');
foreach my $kind (sort keys %citizens)
{
	wait_for_status($node, $ids{$kind}, 'not_allowed');
	my $row = row_of($node, $ids{$kind});
	is("$row->{reason} $row->{http_status}", $reasons{$kind}, "$kind: why");
	is($row->{attempts}, 0, "$kind: no attempt");
	is($row->{message_id}, '', "$kind: no id");
	is(posts_to($io, $citizens{$kind}), 0, "$kind: no message left");
	like(explanation($node, $ids{$kind}), qr/^message $ids{$kind} was not sent: the person /, "$kind: in words");
}
is($node->safe_psql('postgres', 'SELECT "exists", sender_allowed FROM io_msg.profile ORDER BY fiscal_code'),
	"f|f\nt|f\nf|f", 'and the answers are kept');

# Many messages to one who may not be written to.
$io->profile(fiscal_code(++$citizen), profile => 'unknown');
my @many = map { enqueue($node, $citizen, service => 'tari', subject => "Test message $_") } 1 .. 5;
wait_for_status($node, $_, 'not_allowed') foreach @many;
is(profile_calls($citizen), 1, 'one call for all of them');

# Opted out of one service is not opted out of another.
$io->profile(fiscal_code(++$citizen), profile => 'allowed', opted_out_of => ['imu']);
my %of = map { ($_ => enqueue($node, $citizen, service => $_)) } qw(tari imu);
wait_for_status($node, $of{tari}, 'sent');
wait_for_status($node, $of{imu}, 'not_allowed');
is(posts_to($io, $citizen), 1, 'one message');

# An answer is good for a while, a refusal for a shorter one, per service.
my $n = ++$citizen;
wait_for_status($node, enqueue($node, $n, service => 'tari'), 'sent');
wait_for_status($node, enqueue($node, $n, service => 'tari'), 'sent');
is(profile_calls($n), 1, 'a fresh answer saves the call');
wait_for_status($node, enqueue($node, $n, service => 'imu'), 'sent');
is(profile_calls($n), 2, 'but not that of another service');
my $again = enqueue($node, $citizens{unknown}, service => 'tari');
wait_for_status($node, $again, 'not_allowed');
is(row_of($node, $again)->{reason}, 'no_profile', 'a kept refusal has the same reason');
is(profile_calls($citizens{unknown}), 1, 'and saves the call too');
$node->safe_psql('postgres', "UPDATE io_msg.profile SET checked_at = checked_at - interval '11 min'");
$io->profile(fiscal_code($citizens{unknown}), profile => 'allowed');
wait_for_status($node, enqueue($node, $citizens{unknown}, service => 'tari'), 'sent');
is(profile_calls($citizens{unknown}), 2, 'a refusal is asked again after 10 minutes');
wait_for_status($node, enqueue($node, $n, service => 'tari'), 'sent');
is(profile_calls($n), 2, 'a consent is not');
$node->safe_psql('postgres', "UPDATE io_msg.profile SET checked_at = checked_at - interval '50 min'");
wait_for_status($node, enqueue($node, $n, service => 'tari'), 'sent');
is(profile_calls($n), 3, 'after an hour it is');

# A service that keeps nothing asks each time, and still gets along.
$n = ++$citizen;
wait_for_status($node, enqueue($node, $n, service => 'short', subject => "Test message $_"), 'sent') for 1 .. 2;
is(profile_calls($n), 2, 'profile_max_age of 0 s: a call for each');

# Two messages to one person at once: one call, and both arrive in their order.
$n = ++$citizen;
$io->fault(%{ profile_fault('tari', 1, kind => 'latency', ms => 300) });
my @both = split /\n/, $node->safe_psql('postgres', join "\n", 'BEGIN;', map({
	"SELECT io_enqueue_message('" . fiscal_code($n) . "', 'Test message $_', repeat('Invented message $_. ', 5), service => 'tari');" } 1 .. 2), 'COMMIT;');
wait_for_status($node, $_, 'sent') foreach @both;
is(profile_calls($n), 1, 'two messages to one person: one profile call');
is_deeply([ map { $_->{id} } grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger ],
	[ map { row_of($node, $_)->{message_id} } @both ], 'accepted in their order');

# Answers that are neither yes nor no.
my @cases = (
	# what, fault, how often, the row then: status reason http attempts, stop, profile calls
	[ '500 once', { kind => 'error', status => 500 }, 1, 'sent  201 2', '', 2 ],
	[ '500 for ever', { kind => 'error', status => 500 }, 99, 'failed server_error 500 3', '', 3 ],
	[ '502', { kind => 'error', status => 502, shape => 'html' }, 1, 'sent  201 2', '', 2 ],
	[ '504', { kind => 'error', status => 504, shape => 'empty' }, 1, 'sent  201 2', '', 2 ],
	[ 'no answer', { kind => 'close', when => 'after_reading' }, 1, qr/^sent  201 [12]$/, '', 2 ],
	[ 'cut', { kind => 'truncated', bytes => 3 }, 1, 'sent  201 2', '', 2 ],
	[ 'html with 200', { kind => 'html' }, 1, 'sent  201 2', '', 2 ],
	[ 'status 204', { kind => 'no_content' }, 1, 'sent  201 2', '', 2 ],
	[ '404 of something else', { kind => 'error', status => 404, title => 'Unheard of' }, 1, 'sent  201 2', '', 2 ],
	[ 'status 400', { kind => 'error', status => 400, title => 'Invalid FiscalCodePayload' }, 1, 'failed invalid_request 400 1', '', 1 ],
	[ '403 of the recipient', { kind => 'error', status => 403, title => 'Recipient forbidden' }, 1, 'failed recipient_forbidden 403 1', '', 1 ],
	[ '403', { kind => 'error', status => 403 }, 1, 'queued   0', 'forbidden', 1 ],
	[ '403 empty', { kind => 'error', status => 403, shape => 'empty' }, 1, 'queued   0', 'forbidden_by_gateway', 1 ],
	[ '404 of the gateway', { kind => 'error', status => 404, shape => 'gateway' }, 1, 'queued   0', 'route_unknown', 1 ],
	[ 'status 302', { kind => 'redirect' }, 1, 'queued   0', 'redirected', 1 ],
	[ 'status 401', { kind => 'error', status => 401 }, 99, 'queued   0', 'key_refused', 2 ],
);
my @faults;
foreach my $i (1 .. @cases)
{
	push @faults, profile_fault("p$i", $cases[ $i - 1 ][2], %{ $cases[ $i - 1 ][1] });
}
$io->admin('POST', 'faults', \@faults);
my @ids = map { enqueue($node, ++$citizen, service => "p$_") } 1 .. @cases;
my $first = $citizen - @cases;
my ($rows, $stopped);
poll_until(sub {
	($rows, $stopped) = (rows_of($node, @ids), stopped_services($node));
	return !grep { $rows->{ $ids[ $_ - 1 ] }{status} eq 'queued' && !$stopped->{"p$_"} } 1 .. @cases;
});
foreach my $i (1 .. @cases)
{
	my ($what, undef, undef, $expected, $stop, $calls) = @{ $cases[ $i - 1 ] };
	my $row = $rows->{ $ids[ $i - 1 ] };

	# A broken connection that was in use: libcurl asks again by itself, which is harmless here.
	like("$row->{status} $row->{reason} $row->{http_status} $row->{attempts}",
		ref $expected ? $expected : qr/^\Q$expected\E$/, "profile, $what: the row");
	is($stopped->{"p$i"} // '', $stop, "profile, $what: the service");
	is(profile_calls($first + $i), $calls, "profile, $what: calls");
	is(posts_to($io, $first + $i), $expected =~ /sent/ ? 1 : 0, "profile, $what: messages");
}

# A check that somebody asks for: always a call, and an answer to read.
$n = ++$citizen;
wait_for_status($node, enqueue($node, $n, service => 'tari'), 'sent');
$io->fault(%{ profile_fault('tari', 1, kind => 'answer', status => 200,
	body => { sender_allowed => JSON::PP::true, preferred_languages => [ 'de_DE', 'it_IT' ] }) });
my $check = $node->safe_psql('postgres', "SELECT io_check_profile('" . fiscal_code($n) . "', 'tari')");
wait_for_status($node, $check, 'checked');
is(profile_calls($n), 2, 'a check asks, however fresh the last answer');
is($node->safe_psql('postgres', "SELECT \"exists\", sender_allowed, preferred_languages FROM io_msg.profile"
	. " WHERE fiscal_code = '" . fiscal_code($n) . "'"), 't|t|{de_DE,it_IT}', 'with the languages');
is(posts_to($io, $n), 1, 'and sends nothing');
like(explanation($node, $check), qr/^profile check $check was answered by IO/, 'in words');
$io->profile(fiscal_code(++$citizen), profile => 'unknown');
$check = $node->safe_psql('postgres', "SELECT io_check_profile('" . fiscal_code($citizen) . "', 'tari')");
wait_for_status($node, $check, 'checked');
is($node->safe_psql('postgres', "SELECT \"exists\", sender_allowed FROM io_msg.profile"
	. " WHERE fiscal_code = '" . fiscal_code($citizen) . "'"), 'f|f', 'not on IO is an answer too');

log_is_clean($node);
$node->stop;
done_testing();
