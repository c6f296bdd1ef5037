# Whatever comes back to a message, however much of it, however slowly: a status
# that has arrived decides, without one nobody knows, and what is stored is
# valid.  Nothing is sent twice, no redirect is followed.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $ulid = '01J00000000000000000000000';
my $node = hostile_node('hostile');
my $io = start_sandbox(quota => 0);
my $elsewhere = silent_listener();
my $elsewhere_url = 'http://127.0.0.1:' . $elsewhere->sockport;

# What is expected.
sub sent { return { row => 'sent  201 1', id => 1, accepted => 1, @_ }; }
sub without_id { return { row => 'sent accepted_without_id 201 1', accepted => 1, @_ }; }
sub unknown { my ($reason, $http, @more) = @_; return { row => "uncertain $reason $http 1", @more }; }
sub lost { return unknown('no_answer', '', accepted => 1, @_); }
sub stops { my ($reason, $http) = @_; return { row => "queued $reason $http 0", stop => $reason }; }
sub failed { my ($reason, $http) = @_; return { row => "failed $reason $http 1" }; }

# Bytes for the bare socket, after the message has been accepted.
sub raw { my ($head, %more) = @_; return { kind => 'raw', accepted => $true, head => $head, %more }; }
my $created = "HTTP/1.1 201 Created\r\nLocation: /api/v1/messages/x/{id}\r\n";
my $bare = "HTTP/1.1 201 Created\r\n";

# An answer of the sandbox with another body, in the place of the right one.
sub body { my ($body, %more) = @_;
	return { kind => 'answer', status => 201, accepted => $true, binary => $true,
		content_type => 'application/json', body => $body, %more }; }
sub located { return { %{ body(@_) }, keep_location => $true }; }
sub free { my ($status, $body, %more) = @_;
	return { kind => 'answer', status => $status, binary => $true, body => $body, %more }; }
sub problem { my ($status, $body) = @_; return free($status, $body, content_type => 'application/problem+json'); }

# The same bytes each time, of every value.
srand(20261122);
my $noise = join '', map { chr int rand 256 } 1 .. 5000;

run_cases($node, $io, 'message',
	# Broken off, in each part, with and without a reset.
	map({ my $reset = $_; my $how = $reset ? ', reset' : '';
		[ "cut in the status line$how", { kind => 'truncated', after => 'status', reset => $reset }, lost() ],
		[ "cut in the headers$how", { kind => 'truncated', after => 'headers', reset => $reset }, sent() ],
		[ "cut in the body$how", { kind => 'truncated', after => 'body', reset => $reset }, sent() ] } $false, $true),
	[ 'cut before the Location', raw("${bare}Loca"), without_id() ],
	[ 'cut in the Location', raw("${bare}Location: /api/v1/messages/x/01J00"), without_id() ],

	# Floods.
	[ 'a million headers', { kind => 'headers' }, sent() ],
	[ 'one header of 10 MB', { kind => 'headers', times => 1, bytes => 1e7 }, sent() ],
	[ 'a Location of 1 MB', raw("${bare}Location: /", body => 'x' x 1000, times => 1000, tail => "/{id}\r\n\r\n"), without_id() ],
	[ 'a status line of 1 MB', raw('HTTP/1.1 201 ', body => 'x' x 1000, times => 1000, tail => "\r\n\r\n"), lost() ],
	[ 'some interim answers', { kind => 'interim', times => 5 }, sent() ],
	[ 'a million interim answers', { kind => 'interim' }, lost() ],
	[ 'a body of 1 MB', { kind => 'huge', bytes => 1e6 }, sent() ],
	[ 'a body of 10 GB', { kind => 'huge', bytes => 1e10 }, sent() ],
	[ 'a body without end', { kind => 'endless' }, sent() ],
	[ 'a chunk with an extension of 100 MB', raw("${created}Transfer-Encoding: chunked\r\n\r\n2;", body => 'x' x 1000, times => 1e5), sent() ],
	[ 'a million trailers', raw("${created}Transfer-Encoding: chunked\r\n\r\n0\r\n", body => "X-Trailer: v\r\n", times => 1e6), sent() ],
	[ 'a million empty lines in place of an answer', raw('', body => "\r\n", times => 1e6), lost() ],
	[ 'bytes without end in place of an answer', raw('', body => 'x' x 1000, times => 0), lost() ],

	# Compressed: nobody asked for it, nobody unpacks it.
	map({ my $bomb = gzip_layers(50_000_000, $_);
		[ "a bomb of $_ layers", located($bomb, headers => { 'Content-Encoding' => join ', ', ('gzip') x $_ }), sent() ],
		[ "a bomb of $_ layers, no Location", body($bomb, headers => { 'Content-Encoding' => join ', ', ('gzip') x $_ }), without_id() ] } 1, 5),
	[ 'compressed for the transfer', raw("${created}Transfer-Encoding: gzip, chunked\r\n\r\n", body => "5\r\n\x1f\x8b\x08\0\0\r\n", binary => $true), sent() ],

	# No HTTP, or hardly.
	map({ [ "in place of HTTP: $_->[0]", raw('', body => $_->[1], binary => $true), lost() ] }
		[ 'noise', $noise ], [ 'a line end', "\r\n\r\n" ], [ 'NULs', "\0" x 100 ],
		[ 'a TLS alert', "\x15\x03\x03\0\x02\x02\x28" ], [ 'SSH', "SSH-2.0-OpenSSH_9.2\r\n" ],
		[ 'HTTP/0.9', '<html>201 Created</html>' ], [ 'a request', "POST /api/v1/messages HTTP/1.1\r\n\r\n" ],
		[ 'a status of two digits', "HTTP/1.1 20 x\r\n\r\n" ], [ 'a status of four digits', "HTTP/1.1 2010 x\r\n\r\n" ],
		[ 'a status that is a word', "HTTP/1.1 OK\r\n\r\n" ], [ 'a negative status', "HTTP/1.1 -201 x\r\n\r\n" ],
		[ 'another protocol', "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n$noise" ],
		[ 'an ICY answer', "ICY 201 Created\r\n\r\n" ]),
	[ 'no words after the status', raw("HTTP/1.1 201\r\nLocation: /x/{id}\r\nContent-Length: 0\r\n\r\n"), sent() ],
	[ 'short line ends', raw("HTTP/1.1 201 Created\nLocation: /x/{id}\nContent-Length: 0\n\n"), sent() ],
	[ 'HTTP/1.0', raw("HTTP/1.0 201 Created\r\nLocation: /x/{id}\r\n\r\n"), sent() ],

	# Headers that contradict.
	[ 'a negative length', raw("${created}Content-Length: -5\r\n\r\n"), sent() ],
	[ 'a length beyond all numbers', raw("${created}Content-Length: 99999999999999999999999\r\n\r\n"), sent() ],
	[ 'two lengths', raw("${created}Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}"), sent() ],
	[ 'a length and chunks', raw("${created}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), sent() ],
	[ 'NUL in a header', raw("${created}X-Nul: \0\r\nContent-Length: 0\r\n\r\n"), sent() ],
	[ 'a header without colon', raw("${created}no colon here\r\nContent-Length: 0\r\n\r\n"), sent() ],
	[ 'a folded Location', raw("${bare}Location:\r\n /x/{id}\r\nContent-Length: 0\r\n\r\n"), without_id() ],

	# Chunks that are none.
	map({ [ "chunks: $_->[0]", raw("${created}Transfer-Encoding: chunked\r\n\r\n$_->[1]"), sent() ],
		[ "chunks: $_->[0], no Location", raw("${bare}Transfer-Encoding: chunked\r\n\r\n$_->[1]"), without_id() ] }
		[ 'garbage', "zz\r\n" ], [ 'a negative size', "-1\r\n{}" ], [ 'a size beyond all numbers', "fffffffffffffffffffffffff\r\n{}" ],
		[ 'the end', '' ], [ 'longer than said', "2\r\n{}{}{}\r\n0\r\n\r\n" ]),

	# Statuses that IO does not document.
	map({ [ "status $_", free($_, '{"id": "' . $ulid . '"}', content_type => 'application/json'), unknown('unexpected_status', $_) ] }
		200, 202, 203, 205, 206, 207, 299, 402, 405, 418, 451, 501, 599),
	map({ [ "status $_", raw("HTTP/1.1 $_ x\r\nContent-Length: 0\r\n\r\n", accepted => $false), unknown('unexpected_status', $_) ] } 600, 999),

	# Redirects.
	map({ my $s = $_; map { [ "status $s to $_", { kind => 'redirect', status => $s, location => $_ },
			$s == 303 ? unknown('unexpected_status', 303) : stops('redirected', $s) ] }
		"$elsewhere_url/api/v1/messages", '//169.254.169.254/latest/meta-data', 'file:///etc/passwd' } 301, 302, 303, 307, 308),
	map({ [ "status $_", { kind => 'redirect', status => $_, location => $elsewhere_url }, stops('redirected', $_) ] } 300, 304, 305, 399),
	[ 'a Location elsewhere', body('{}', headers => { Location => "$elsewhere_url/$ulid" }), { %{ sent() }, id => 1 } ],

	# Types that do not say what it is.
	[ '500 of the back end as text', free(500, '{"title": "Internal server error", "status": 500}', content_type => 'text/plain'), unknown('server_error_unexplained', 500) ],
	[ '500 that only says it is a problem', problem(500, '<html>'), unknown('server_error_unexplained', 500) ],
	[ '500 with a title that is no text', problem(500, '{"title": 5}'), unknown('server_error_unexplained', 500) ],
	[ '500 with a title too deep', problem(500, '{"a": {"title": "Internal server error"}}'), unknown('server_error_unexplained', 500) ],
	[ '403 of the recipient as html', free(403, '{"title": "Recipient forbidden"}', content_type => 'text/html'), stops('forbidden_by_gateway', 403) ],
	[ '201 as html', body('{}', content_type => 'text/html', keep_location => $true), sent() ],
	[ '201 of no type', body('{}', content_type => '', keep_location => $true), sent() ],

	# Errors with titles and details that are no text.
	map({ [ "403, $_->[0]", problem(403, $_->[1]), stops($_->[2] // 'forbidden', 403) ],
		[ "400, $_->[0]", problem(400, $_->[1]), failed('invalid_request', 400) ],
		[ "404, $_->[0]", problem(404, $_->[1]), failed('not_found', 404) ] }
		[ 'bytes that are no UTF-8', "{\"title\": \"\xff\xfe\xc3(\", \"detail\": \"\xed\xa0\x80\"}" ],
		[ 'NUL in the title', '{"title": "a\u0000b"}', 'forbidden_by_gateway' ],
		[ 'half a surrogate', '{"title": "\ud800"}', 'forbidden_by_gateway' ],
		[ 'a title of 60 kB', '{"title": "' . 'x' x 60000 . '"}' ],
		[ 'control bytes', "{\"title\": \"a\x01\x7f\", \"detail\": \"\x1b[2J\"}", 'forbidden_by_gateway' ]),
);

# Bodies of a 201, with and without a Location beside them.
my @bodies = (
	[ 'nothing', '' ], [ 'blanks', ' ' x 60000 ], [ 'NULs', "\0" x 1000 ], [ 'noise', $noise ],
	[ 'an id of 1 MB', '{"id": "' . 'A' x 1_000_000 . '"}' ], [ 'an id of other bytes', "{\"id\": \"\xff\xfe" . 'A' x 24 . '"}' ],
	[ 'half a character', "{\"id\": \"" . substr($ulid, 0, 25) . "\xc3\"}" ], [ 'an id after other bytes', "{\"\xff\": \"\xc0\x80\", \"id\": 5}" ],
	[ 'NUL in the id', '{"id": "' . substr($ulid, 0, 20) . '\u0000' . substr($ulid, 20) . '"}' ], [ 'NUL after the id', "{\"id\": \"$ulid\\u0000\"}" ],
	[ 'half a surrogate', '{"id": "\ud834"}' ],
	[ 'letters that IO does not use', '{"id": "01JILOU0000000000000000000"}' ], [ 'a line end after the id', "{\"id\": \"$ulid\\n\"}" ],
	[ 'a path', '{"id": "../../../etc/passwd-------"}' ], [ 'SQL', '{"id": "\'); DROP TABLE outbox; --"}' ],
	[ 'an id in an array', "{\"id\": [\"$ulid\"]}" ], [ 'an id in an object', "{\"a\": {\"id\": \"$ulid\"}}" ], [ 'null', '{"id": null}' ],
	[ 'a mark of byte order', "\xef\xbb\xbf" . '{"id": 5}' ], [ 'UTF-16', join '', map { "$_\0" } split //, "{\"id\": \"$ulid\"}" ],
	[ 'arrays 60,000 deep', '[' x 60000 ], [ 'objects 12,000 deep', '{"a":' x 12000 ], [ 'a number of 60,000 digits', '{"id": ' . '9' x 60000 . '}' ],
	[ '9,000 ids that are none', '{' . join(',', map { '"id":"' . ($_ % 10) . '"' } 1 .. 6000) . '}' ]);
run_cases($node, $io, 'message', map { ([ "$_->[0], Location", located($_->[1]), sent() ], [ $_->[0], body($_->[1]), without_id() ]) } @bodies);
run_cases($node, $io, 'message',
	[ 'the id before the noise', body("{\"id\": \"$ulid\", \"x\": \"$noise"), sent() ],
	[ 'the id before 1 MB', body("{\"id\": \"$ulid\", \"x\": \"" . 'x' x 1e6 . '"}'), sent() ],
	[ 'the id after 1 MB', body('{"x": "' . 'x' x 1e6 . "\", \"id\": \"$ulid\"}"), without_id() ],
	[ 'an id in small letters', body('{"id": "' . lc('01JABCDEFGHJKMNPQRSTVWXYZ0') . '"}'), sent() ],
	[ 'an id, then another', body("{\"id\": \"x\", \"id\": \"$ulid\"}"), sent() ]);

# One byte after the other; a status that comes in time decides.
set_and_reload($node, 'io_msg.answer_timeout' => '4s', 'io_msg.idle_exit' => '0');
ok(poll_until(sub { !drainer_pids($node) }), 'the worker leaves');
set_and_reload($node, 'io_msg.idle_exit' => '1h');
run_cases($node, $io, 'message',
	[ 'one byte per second', { kind => 'drip', whole => $true, ms => 1000 }, lost() ],
	[ 'one byte per second of the body', { kind => 'drip', ms => 1000 }, sent() ],
	[ 'a status, then too slow for the Location', { kind => 'drip', whole => $true, ms => 40 }, without_id() ],
	[ 'slow headers without end', raw($created, body => "X-Slow: v\r\n", times => 0, ms => 20), sent() ],
	[ 'slow interim answers without end', raw('', body => "HTTP/1.1 102 Processing\r\n\r\n", times => 0, ms => 5), lost() ],
	[ 'slow chunks without end', raw("${created}Transfer-Encoding: chunked\r\n\r\n", body => "1\r\nx\r\n", times => 0, ms => 10), sent() ],
	[ 'slow noise without end', raw('', body => 'x', times => 0, ms => 50), lost() ]);

is(visitors($elsewhere), 0, 'nobody was led elsewhere');
is(scalar(drainer_pids($node)), 1, 'the worker is there');
ok(!log_has($node, qr/(?:terminated by signal|exited with exit code [1-9])/), 'and has never died');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'no message was accepted twice');
texts_are_valid($node);
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE message_id !~* '^[0-9A-HJKMNP-TV-Z]{26}$'
	OR reason !~ '^[a-z0-9_]+$' OR io_status !~ '^[A-Z]+$'}), 0, 'nothing of a stranger is stored');
dump_restores($node);
log_is_clean($node);
$node->stop;
done_testing();
