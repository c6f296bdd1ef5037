# Each answer of IO to POST /messages, and each way to get none, does one thing
# to the row, one to the service, and nothing to other services; and no
# message is ever accepted twice.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $generic = 'You are not allowed here';
my $ulid = '01J00000000000000000000000';
my $notice = '012345678901234567';

# Answers of IO's back end, its gateway, and others.
sub problem { my ($status, $title, $detail, %more) = @_;
	return { kind => 'error', status => $status, shape => 'problem', title => $title,
		detail => $detail // 'IO says why', %more }; }
sub shape { my ($status, $shape) = @_;
	return { kind => 'error', status => $status, shape => $shape }; }
sub free { my ($status, $body, %more) = @_;
	return { kind => 'answer', status => $status, body => $body, %more }; }

# What is expected, in words: status reason http_status attempts, then what
# differs from "no id, service goes on, not accepted, one POST".
sub failed { my ($reason, $http, @more) = @_; return [ "failed $reason $http 1", @more ]; }
sub uncertain { my ($reason, $http, @more) = @_; return [ "uncertain $reason $http 1", @more ]; }
sub stops { my ($reason, $http, @more) = @_; return [ "queued $reason $http 0", stop => $reason, @more ]; }
sub sent { my ($attempts, @more) = @_;
	return [ "sent  201 $attempts", id => 1, accepted => 1, posts => $attempts, @more ]; }

# SQL that changes a stored body to what our own checks would not let in.
sub body_set { my ($path, $value) = @_; return "jsonb_set(body::jsonb, '{$path}', '$value')"; }

my $third = { third_party_data => \"io_third_party_data('x1', '$ulid')" };

# [ what, { io, row, args, body, fault, faults }, expected ]
my @cases = (
	# The errors of POST /messages, in IO's order.
	[ '1 unknown key', { row => { keys => ['no-such-key'] } }, stops('key_refused', 401, posts => undef) ],
	[ '1 suspended keys', { io => { suspended => $true } }, stops('key_refused', 401, posts => undef) ],
	[ '2 rate limit', { row => { account => 'throttled' }, fault => { kind => 'rate_limit' } }, sent(1, posts => 2) ],
	[ '3 malformed JSON', { fault => problem(500, 'Internal server error', 'Unexpected end of JSON input') }, failed('malformed_json', 500) ],
	[ '3 malformed JSON, in a token', { fault => problem(500, 'Internal server error', 'Unexpected token x in JSON at position 3') }, failed('malformed_json', 500) ],
	[ '4 no groups', { io => { has_groups => $false } }, stops('forbidden', 403) ],
	[ '4 anonymous', { fault => problem(403, 'Anonymous user') }, stops('forbidden', 403) ],
	[ '5 may not write', { io => { message_write => $false } }, stops('forbidden', 403) ],
	[ '6 service not found', { io => { exists => $false } }, stops('forbidden', 403) ],
	[ '7 payload invalid', { body => body_set('content,subject', '"short"') }, failed('invalid_request', 400) ],
	[ '8 path code invalid', { fault => problem(400, 'Invalid string that matches the pattern "^x$"') }, failed('invalid_request', 400) ],
	[ '9 EU covid cert', { io => { eu_covid_cert => $false }, body => body_set('content,eu_covid_cert', '{"auth_code": "x"}') }, failed('eu_covid_cert_not_allowed', 403) ],
	[ '9 payee', { io => { payee => $false }, row => { payee => 't' }, args => { payment_data => \"io_payment_data(100, '$notice', payee_fiscal_code => '01234567890')" } }, failed('payee_not_allowed', 403) ],
	[ '9 premium', { io => { advanced_write => $false }, row => { premium => 't' }, args => { feature_level_type => 'ADVANCED' } }, failed('premium_not_allowed', 403) ],
	[ '9 third party', { io => { third_party => $false }, row => { third_party => 't' }, args => $third }, failed('third_party_not_allowed', 403) ],
	[ '10 address', { io => { authorized_cidrs => ['10.0.0.0/8'] } }, stops('forbidden', 403) ],
	[ '11 address unreadable', { fault => problem(500, 'IP address cannot be extracted from the request') }, sent(2) ],
	[ '12 no fiscal code', { body => "body::jsonb - 'fiscal_code'", nobody => 1 }, failed('invalid_request', 400) ],
	[ '13 no configuration', { body => body_set('content,third_party_data', '{"id": "x"}') }, failed('configuration_missing', 403) ],
	[ '14 configuration unknown', { io => { configuration_ids => ['01J00000000000000000000009'] }, row => { third_party => 't' }, args => $third }, failed('configuration_unknown', 404) ],
	[ '15 configuration of another', { row => { third_party => 't' }, args => { third_party_data => \"io_third_party_data('x', '01J00000000000000000000001')" } }, failed('configuration_not_own', 403) ],
	[ '16 configurations unreachable', { fault => problem(500, 'Internal server error', 'Something went wrong') }, sent(2) ],
	[ '16 configurations odd', { fault => problem(400, 'Validation error') }, failed('invalid_request', 400) ],
	[ '16 configurations forbidden', { fault => problem(403, 'Forbidden') }, stops('forbidden', 403) ],
	[ '17 attachments', { body => body_set('content,third_party_data', qq({"id": "x", "configuration_id": "$ulid", "has_attachments": true})) }, failed('attachments_not_advanced', 403) ],
	[ '18 recipient', { io => { limited => $true } }, failed('recipient_forbidden', 403) ],
	[ '19 production', { fault => problem(403, 'Production call forbidden') }, stops('forbidden', 403) ],
	[ '20 amount', { io => { max_allowed_payment_amount => 99 }, args => { payment_data => \"io_payment_data(100, '$notice')" } }, failed('amount_over_maximum', 400) ],
	[ '21 database busy', { fault => problem(500, 'Internal server error', '{"code":429,"body":"x is not valid JSON"}') }, sent(2) ],
	[ '21 query', { fault => problem(500, 'Query error (COSMOS_ERROR_RESPONSE)') }, sent(2) ],
	[ '22 storage', { fault => problem(500, 'Unable to store processing message') }, sent(2) ],

	# What a 500 of the back end does when it stays.
	[ '500 again and again', { faults => 9, fault => problem(500, 'Internal server error') }, [ 'failed server_error 500 3', posts => 3 ] ],
	[ '500 for ever is not for others', {}, sent(1) ],

	# Statuses of others than the back end.
	(map { my $s = $_; map { [ "$s $_", { fault => shape($s, $_) }, uncertain('gateway_error', $s) ] } qw(problem gateway html empty) } 502, 503, 504),
	(map { [ "500 $_", { fault => shape(500, $_) }, uncertain('server_error_unexplained', 500) ] } qw(gateway html empty)),
	[ '502, accepted', { fault => { %{ shape(502, 'html') }, accepted => $true } }, uncertain('gateway_error', 502, accepted => 1) ],
	[ '401 as html', { faults => 9, fault => shape(401, 'html') }, stops('key_refused', 401, posts => 2) ],
	[ '403 empty', { fault => shape(403, 'empty') }, stops('forbidden_by_gateway', 403) ],
	[ '403 of the gateway', { fault => shape(403, 'gateway') }, stops('forbidden_by_gateway', 403) ],
	[ '403 unheard of', { fault => problem(403, 'Unheard of') }, stops('forbidden', 403) ],
	[ '403 with other detail', { fault => problem(403, $generic, 'Go away') }, stops('forbidden', 403) ],
	[ '404 unheard of', { fault => problem(404, 'Unheard of') }, failed('not_found', 404) ],
	[ '404 of the gateway', { fault => shape(404, 'gateway') }, stops('route_unknown', 404) ],
	(map { [ "404 $_", { fault => shape(404, $_) }, failed('not_found', 404) ] } qw(html empty)),
	[ 'status 413', { fault => shape(413, 'gateway') }, failed('too_large', 413) ],
	[ 'status 415', { fault => shape(415, 'html') }, uncertain('unexpected_status', 415) ],
	[ '400 empty', { fault => shape(400, 'empty') }, failed('invalid_request', 400) ],
	[ 'html with 200', { fault => { kind => 'html' } }, uncertain('unexpected_status', 200) ],
	[ 'status 204', { fault => { kind => 'no_content' } }, uncertain('unexpected_status', 204) ],
	[ 'status 303', { fault => { kind => 'redirect', status => 303 } }, uncertain('unexpected_status', 303) ],
	(map { [ "status $_", { fault => { kind => 'redirect', status => $_, location => 'http://169.254.169.254/' } }, stops('redirected', $_) ] } 301, 302, 307, 308),

	# Answers that are not whole.
	[ '201 without id', { fault => { kind => 'no_id' } }, [ 'sent accepted_without_id 201 1', accepted => 1 ] ],
	[ '201, id in Location', { fault => { kind => 'no_id', keep_location => $true } }, sent(1) ],
	[ '201 cut short', { fault => { kind => 'truncated', bytes => 9 } }, sent(1) ],
	[ '201 and 1 MB', { fault => { kind => 'huge' } }, sent(1) ],
	[ '201 byte by byte', { fault => { kind => 'drip', ms => 10 } }, sent(1) ],
	[ '201 late', { fault => { kind => 'latency', ms => 700 } }, sent(1) ],
	(map { [ "201 with $_->[0]", { fault => free(201, $_->[1]) }, [ 'sent accepted_without_id 201 1' ] ] }
		[ 'a path', '{"id": "../../admin"}' ], [ 'a long id', '{"id": "' . 'A' x 50000 . '"}' ],
		[ 'NUL in the id', '{"id": "01J\u0000"}' ], [ 'a number', '{"id": 5}' ],
		[ 'deep nesting', '[' x 20000 ], [ 'half a character', "{\"id\": \"\xc3\x28\"}" ]),
	[ '201 with 300 headers', { fault => free(201, '{}', headers => { map { ("X-H$_" => 'v') } 1 .. 300 }) }, [ 'sent accepted_without_id 201 1' ] ],
	[ 'garbage', { fault => { kind => 'raw', body => "garbage\n" } }, uncertain('no_answer', '') ],

	# No answer at all.
	(map { my $when = $_; map { [ "close $when" . ($_ ? ', reset' : ''),
			{ fault => { kind => 'close', when => $when, reset => $_ } },
			uncertain('LOST', '', accepted => $when eq 'after_accepting' ? 1 : 0) ] } $false, $true }
		qw(before_reading after_reading after_accepting)),
);
my @silent = (
	[ 'silence before the work', { fault => { kind => 'hang', when => 'before' } }, uncertain('no_answer', '') ],
	[ 'silence after it', { fault => { kind => 'hang', when => 'after' } }, uncertain('no_answer', '', accepted => 1) ],
	[ 'silence in the body', { fault => { kind => 'drip', ms => 60000 } }, sent(1) ],
);

my $node = flow_node('messages', 'io_msg.max_attempts' => 3,
	'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '200ms');
my $io = start_sandbox(quota => 0);
my $citizen = 0;

$io->service('foreign', account => 'other', configuration_ids => ['01J00000000000000000000001']);

# Gives each case a service and a citizen of its own, and orders its faults.
sub prepare
{
	my (@cases) = @_;
	my (@services, @faults);

	foreach my $case (@cases)
	{
		my ($name, $given) = @$case;
		my $n = ++$citizen;
		my %expected = (id => 0, stop => '', accepted => 0, posts => 1, @{ $case->[2] }[ 1 .. $#{ $case->[2] } ]);

		$expected{row} = $case->[2][0];
		@$case = ({ name => $name, n => $n, service => "s$n", given => $given, expected => \%expected });
		push @services, "s$n" => { %{ $given->{row} // {} }, $given->{io} ? (io => $given->{io}) : () };
		push @faults, { path => 'message', service => "s$n", count => $given->{faults} // 1, %{ $given->{fault} } }
		  if $given->{fault};
	}
	add_services($node, $io, @services);
	$io->admin('POST', 'faults', \@faults);
	$node->safe_psql('postgres', 'INSERT INTO io_msg.profile SELECT id, v.cf, true, true, NULL, clock_timestamp()'
		  . ' FROM io_msg.service s JOIN (VALUES '
		  . join(', ', map { "('$_->[0]{service}', '" . fiscal_code($_->[0]{n}) . "')" } @cases)
		  . ') v (name, cf) USING (name)');
	return;
}

# Enqueues all in one transaction, with the bodies that our checks refuse.
sub enqueue_cases
{
	my (@cases) = @_;
	my $sql = "BEGIN;\n";

	foreach my $c (map { $_->[0] } @cases)
	{
		my %args = (fiscal_code => fiscal_code($c->{n}), subject => "Test message $c->{n}",
			markdown => IoMsgTest::markdown($c->{n}), service => $c->{service}, %{ $c->{given}{args} // {} });

		$sql .= 'SELECT io_enqueue_message(' . join(', ', map { "$_ => " . sql_literal($args{$_}) } sort keys %args) . ");\n";
		$sql .= "UPDATE io_msg.body SET body = $c->{given}{body} WHERE id = (SELECT max(id) FROM io_msg.outbox);\n"
		  if $c->{given}{body};
	}
	my @ids = split /\n/, $node->safe_psql('postgres', "${sql}COMMIT");
	$_->[0]{id} = shift @ids foreach @cases;
	return;
}

# A case is over when its row is finished, or its service stopped with the row
# back in the queue.
sub is_over
{
	my ($c, $rows, $stopped) = @_;
	my $row = $rows->{ $c->{id} };

	return $row->{status} eq 'queued' ? $stopped->{ $c->{service} } && !$row->{being_sent} : 1;
}

# What happened, in the words of what was expected.
sub seen
{
	my ($c, $row, $stopped, $posts, $accepted) = @_;
	my $reason = $row->{reason};

	# On a connection that was in use libcurl wanted to send again, and was stopped.
	$reason =~ s/^(no_answer|resend_stopped)$/LOST/ if $c->{expected}{row} =~ /LOST/;
	return {
		row => "$row->{status} $reason $row->{http_status} $row->{attempts}",
		id => $row->{message_id} =~ /^[0-9A-HJKMNP-TV-Z]{26}$/ ? 1 : 0,
		stop => $stopped->{ $c->{service} } // '',
		accepted => $accepted->{ fiscal_code($c->{n}) } // 0,
		posts => defined $c->{expected}{posts} ? $posts->{ $c->{service} } // 0 : undef };
}

sub check
{
	my (@cases) = @_;
	my @ids = map { $_->[0]{id} } @cases;
	my ($rows, $stopped, %posts, %accepted);

	poll_until(sub {
		($rows, $stopped) = (rows_of($node, @ids), stopped_services($node));
		return !grep { !is_over($_->[0], $rows, $stopped) } @cases;
	});
	settle_requests($io);
	$posts{ $_->{service} // '' }++ foreach grep { $_->{path} eq 'message' } $io->journal;
	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
	foreach my $c (map { $_->[0] } @cases)
	{
		is_deeply(seen($c, $rows->{ $c->{id} }, $stopped, \%posts, \%accepted), $c->{expected}, $c->{name})
		  or diag(explanation($node, $c->{id}));
	}
	return;
}

prepare(@cases);
enqueue_cases(@cases);
check(@cases);

# Silence takes as long as the setting says.
prepare(@silent);
set_and_reload($node, 'io_msg.answer_timeout' => '1s');
ok(poll_until(sub { !drainer_pids($node) }), 'the worker leaves when nothing is due');
enqueue_cases(@silent);
check(@silent);

# Services that had nothing to do with all this go on.
add_services($node, $io, steady => {});
wait_for_status($node, enqueue($node, ++$citizen, service => 'steady'), 'sent');

# The whole of it once more, from the ledger's side.
my (%times, %by_id);
foreach my $line ($io->ledger)
{
	$times{ $line->{fiscal_code} }++;
	$by_id{ $line->{id} } = $line->{fiscal_code};
}
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'no message was accepted twice');
my @sent = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres',
	'SELECT message_id, fiscal_code FROM io_msg.outbox WHERE message_id IS NOT NULL');
is_deeply([ grep { ($by_id{ $_->[0] } // '') ne $_->[1] } @sent ], [], 'each id is that of the ledger');
cmp_ok(scalar(@sent), '>', 10, 'and there are some');

# What people read about it says why, and nothing personal.
my $told = $node->safe_psql('postgres', 'SELECT io_explain(id) FROM io_msg.outbox ORDER BY id');
unlike($told, qr/reason is not known/, 'each reason has words');
unlike($told, qr/[A-Z]{6}\d\d[A-Z]\d\d/, 'and shows no fiscal code');
my $stored = $node->safe_psql('postgres', 'SELECT reason FROM io_msg.outbox');
unlike($stored, qr/short|root\.content|[A-Z]{6}\d\d/, "IO's details, which echo values, are not stored");
my @stops = split /\n/, $node->safe_psql('postgres', 'SELECT s.name FROM io_msg.service_stop t JOIN io_msg.service s ON s.id = t.service_id');
my $health = health($node);
is_deeply([ grep { $health !~ /error service_stopped: service "$_": stopped since/ } @stops ], [], 'io_health names each service that stopped');
like($health, qr/warning uncertain: messages that are uncertain: \d+/, 'and counts what is uncertain');

log_is_clean($node);
$node->stop;
done_testing();
