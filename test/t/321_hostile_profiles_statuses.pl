# Whatever comes back to a question about a person or about a sent message, it
# is asked again: nothing of it is stored, the right answer is.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $node = hostile_node('hostile', 'io_msg.poll_delay' => '1ms');
my $io = start_sandbox(quota => 0, processing_delay_ms => 0);

# The same bytes each time, of every value.
srand(20261122);
my $noise = join '', map { chr int rand 256 } 1 .. 5000;

sub raw { my ($head, %more) = @_; return { kind => 'raw', head => $head, %more }; }
sub body { my ($body, %more) = @_;
	return { kind => 'answer', status => 200, binary => $true, content_type => 'application/json', body => $body, %more }; }
my $ok = "HTTP/1.1 200 OK\r\n";
my $chunked = "${ok}Transfer-Encoding: chunked\r\n\r\n";
my $bomb = gzip_layers(50_000_000, 3);

# What holds for both kinds of question.
my @both = (
	[ 'cut in the status line', { kind => 'truncated', after => 'status' } ],
	[ 'cut in the headers, reset', { kind => 'truncated', after => 'headers', reset => $true } ],
	[ 'a million interim answers', { kind => 'interim' } ],
	[ 'bytes without end', raw('', body => 'x' x 1000, times => 0) ],
	[ 'a million headers', raw($ok, body => "X-Flood: v\r\n", times => 1e6) ],
	[ 'one header of 10 MB', raw("${ok}X: ", body => 'x' x 1000, times => 10000) ],
	[ 'a body of blanks without end', raw($chunked, body => "400\r\n" . ' ' x 1024 . "\r\n", times => 0) ],
	[ 'a bomb', body($bomb, headers => { 'Content-Encoding' => 'gzip, gzip, gzip' }) ],
	[ 'noise', raw('', body => $noise, binary => $true) ], [ 'noise as a body', body($noise) ],
	[ 'chunks that are none', raw("${chunked}zz\r\n") ],
	[ 'arrays 60,000 deep', body('[' x 60000) ], [ 'nothing', body('') ], [ 'null', body('null') ],
	map({ [ "status $_", { kind => 'answer', status => $_, body => 'x' } ] } 201, 202, 206, 418, 599));

# A message whose profile was asked for in vain goes out after the next answer.
run_cases($node, $io, 'profile',
	map({ [ "profile: $_->[0]", $_->[1], { row => 'sent  201 2', id => 1, accepted => 1 } ] } @both,
		[ 'allowed, as a text', body('{"sender_allowed": "true"}') ],
		[ 'allowed, below', body('{"a": {"sender_allowed": true}}') ],
		[ 'allowed by a number', body('{"sender_allowed": 1}') ],
		[ 'languages and no more', body('{"preferred_languages": ["it_IT"]}') ]),
	map({ [ "profile: $_->[0]", $_->[1], { row => 'sent  201 1', id => 1, accepted => 1 } ] }
		[ 'languages of other bytes', body("{\"sender_allowed\": true, \"preferred_languages\": [\"it_IT\", \"\xff\xfe\", \"\xc3(\"]}") ],
		[ 'languages with NUL', body('{"sender_allowed": true, "preferred_languages": ["de_DE", "a\u0000b"]}') ],
		[ 'languages that are code', body('{"sender_allowed": true, "preferred_languages": ["{}", "\",\"", "a,b", "\\\\"]}') ],
		[ '10,000 languages', body('{"sender_allowed": true, "preferred_languages": [' . join(',', map { "\"l$_\"" } 1 .. 6000) . ']}') ],
		[ 'allowed, then cut', body('{"sender_allowed": true, "x": "' . 'x' x 1e6 . '"}') ]),
	[ 'profile: refused, then cut', body('{"sender_allowed": false, "x": "' . 'x' x 1e6 . '"}'), { row => 'not_allowed sender_not_allowed 200 0', posts => 0 } ],
	[ 'profile: redirected', { kind => 'redirect', location => 'file:///etc/passwd' }, { row => 'queued   0', stop => 'redirected', posts => 0 } ],
);
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.profile, unnest(preferred_languages) l WHERE l !~ '^[A-Za-z0-9_-]{1,15}$'}), 0,
	'languages are words');

# A sent message whose status was asked for in vain has the right one later.
my @cases = (@both,
	[ 'a status of 1 MB', body('{"status": "' . 'A' x 1e6 . '"}') ],
	[ 'a status of other bytes', body("{\"status\": \"PROCESSED\xff\"}") ],
	[ 'a status with NUL', body('{"status": "PROCESSED\u0000"}') ],
	[ 'a status that is code', body('{"status": "\'; DROP TABLE io_msg.outbox; --"}') ],
	[ 'a status that is no text', body('{"status": ["PROCESSED"]}') ],
	[ 'read by other bytes', body("{\"status\": \"ACCEPTED\", \"read_status\": \"\xc0\x80\", \"payment_status\": \"\\ud800\"}") ]);
my @services = map { "q$_" } 1 .. @cases;
$io->clear_faults;
add_services($node, $io, map { ($_ => {}) } @services);
my $ids = $io->admin('POST', 'faults', [ map { { path => 'status', service => $services[$_], count => 1, %{ $cases[$_][1] } } } 0 .. $#cases ])->{ids};
my @rows = map { enqueue($node, next_citizen(), service => $_) } @services;
my $found = {};
poll_until(sub {
	$found = rows_of($node, @rows);
	return !grep { "$_->{status} $_->{io_status}" ne 'sent PROCESSED' } values %$found;
});
is("$found->{ $rows[$_] }{status} $found->{ $rows[$_] }{io_status}", 'sent PROCESSED', "status: $cases[$_][0]: read in the end")
  foreach 0 .. $#cases;
settle_requests($io);
my %fired = map { ($_->{id} => $_->{fired}) } @{ $io->faults->{faults} };
is($fired{ $ids->[$_] }, 1, "status: $cases[$_][0]: met") foreach 0 .. $#cases;
my %asked;
$asked{ $_->{service} // '' }++ foreach grep { $_->{path} eq 'status' } $io->journal;
is_deeply([ grep { $asked{$_} < 2 || $asked{$_} > 4 } @services ], [], 'by asking again, not often');

is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE coalesce(io_status, 'X') !~ '^[A-Z]+$'
	OR coalesce(read_status, 'X') !~ '^[A-Z]+$' OR coalesce(payment_status, 'X') !~ '^[A-Z_]+$'}), 0, 'nothing of a stranger is stored');
ok(!log_has($node, qr/(?:terminated by signal|exited with exit code [1-9])/), 'the worker has never died');
texts_are_valid($node);
dump_restores($node);
log_is_clean($node);
$node->stop;
done_testing();
