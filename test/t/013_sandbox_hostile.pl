# The faults of the sandbox that no HTTP library would make: answers cut in any
# part, byte by byte from the start, floods, bytes that are no text; and what
# the ledger says about each.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IoSandbox;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $CF = 'AAAAAA00A00A000A';
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $sandbox = IoSandbox->start('--quota', '0');
my $post = $sandbox->raw_request('POST', '/messages', $sandbox->message($CF));
my $id = qr/[0-9A-HJKMNP-TV-Z]{26}/;
my $accepted = 0;

alarm(600);		# a test that waits for ever is to fail

# How many messages the ledger gained since the last question.
sub gained
{
	my $before = $accepted;
	$accepted = () = $sandbox->lines('ledger');
	return $accepted - $before;
}

# Orders one fault, sends a message through it and returns all that comes back,
# and how the connection ended: "end" or the error; no more than so many bytes
# are read.
sub meet
{
	my ($fault, $most) = @_;
	$sandbox->faults({ %$fault, count => 1 });
	# Ordering took a connection; the message's is the next one.
	my $socket = $sandbox->connect_raw($post);
	my $got = '';
	my $read;
	1 while length($got) < ($most // 1e9)
		&& ($read = sysread($socket, $got, 1 << 20, length($got)));
	return wantarray ? ($got, defined $read ? 'end' : "$!") : $got;
}

subtest 'cut in each part' => sub
{
	for my $reset ($false, $true)
	{
		my $how = $reset ? qr/reset/ : qr/^end$/;
		my ($got, $end) = meet({ kind => 'truncated', after => 'status', reset => $reset });
		is($got, 'HTTP/1.1 201 Cre', 'in the status line');
		like($end, $how, 'and how it ends');
		($got, $end) = meet({ kind => 'truncated', after => 'headers', reset => $reset });
		like($got, qr{^HTTP/1.1 201 Created\r\n.*Location: \S+/$id\r\n.*Content-Length: \d$}s, 'in the last header');
		like($end, $how, 'and how it ends');
		($got, $end) = meet({ kind => 'truncated', after => 'body', bytes => 5, reset => $reset });
		like($got, qr/Content-Length: 35\r\n\r\n\{"id"$/, 'in the body');
		like($end, $how, 'and how it ends');
		is(gained(), 3, 'all accepted');
	}
	my ($got) = meet({ kind => 'truncated', after => 'body', bytes => 500 });
	like($got, qr/\r\n\r\n\{"id":"$id"\}$/, 'no more than there is');
	gained();
	$sandbox->faults({ kind => 'close', when => 'connect', count => 1, reset => $true });
	my $sent = eval { my $s = $sandbox->connect_raw; sleep(0.2); sysread($s, my $none, 1) };
	ok(!$sent, 'reset when connected');
	is(gained(), 0, 'not accepted');
};

subtest 'from the first byte on' => sub
{
	my $start = time();
	my $got = meet({ kind => 'drip', whole => $true, ms => 3 });
	cmp_ok(time() - $start, '>=', 0.003 * length($got), 'at the pace that was asked for');
	like($got, qr/^HTTP.1.1 201 .*\{"id":"$id"\}$/s, 'and whole');
	is(gained(), 1, 'accepted');
};

subtest 'floods' => sub
{
	my $got = meet({ kind => 'headers' });
	is(scalar(() = $got =~ /^X-Flood: 0{16}\r$/mg), 1e6, 'a million headers');
	like($got, qr/^HTTP.1.1 201 .*Location: \S+\r\n.*\r\n\r\n\{"id":"$id"\}$/s, 'around a right answer');
	$got = meet({ kind => 'headers', times => 1, bytes => 5e6 });
	is(length($1 // ''), 5e6, 'one huge header') if $got =~ /^X-Flood: (0+)\r$/m;
	$got = meet({ kind => 'interim', times => 5000 });
	is(scalar(() = $got =~ m{HTTP/1.1 103}g), 5000, 'answers that are none yet');
	like($got, qr/\r\n\r\nHTTP.1.1 201 .*\{"id":"$id"\}$/s, 'then one that is');
	$got = meet({ kind => 'endless', times => 3 });
	is(scalar(() = $got =~ /\r\n1000\r\n(?= {4096}\r\n)/g), 3, 'chunks');
	is(gained(), 4, 'all accepted');
	cmp_ok(length(meet({ kind => 'endless' }, 3e7)), '>=', 3e7, 'without end');
	is(gained(), 1, 'accepted');
	my $end = time() + 60;
	sleep(0.05) while $sandbox->admin('GET', 'stats')->{in_flight} && time() < $end;
	is($sandbox->admin('GET', 'stats')->{in_flight}, 0, 'until the client leaves');
};

subtest 'bytes' => sub
{
	my %raw = (kind => 'raw', head => "HTTP/1.1 201 Created\r\nLocation: /x/{id}\r\n\r\n");
	like(meet({ %raw, accepted => $true }), qr{^HTTP/1.1 201 Created\r\nLocation: /x/$id\r\n\r\n$}, 'raw, with the id');
	is(gained(), 1, 'accepted, if it is to be');
	is(meet({ %raw, head => 'a', body => 'bc', times => 3, tail => 'd' }), 'abcbcbcd', 'repeated');
	my $all = join '', map { chr } 0 .. 255;
	is(meet({ kind => 'raw', body => $all, binary => $true }), $all, 'each byte there is');
	like(meet({ kind => 'answer', status => 201, body => "\xff\0\xc3(", binary => $true, headers => { Connection => 'close' } }),
		qr/\r\n\r\n\xff\0\xc3\($/, 'in an answer, too');
	is(gained(), 0, 'not accepted');
	like(meet({ kind => 'answer', status => 201, accepted => $true, keep_location => $true, body => 'x', headers => { Connection => 'close' } }),
		qr{Location: \S+/$id\r\n.*\r\n\r\nx$}s, 'with the Location that it would have had');
	is(gained(), 1, 'accepted');
	$sandbox->faults({ kind => 'raw', body => '.', times => 0 });
	my $socket = $sandbox->connect_raw($post);
	sysread($socket, my $some, 1000);
	is($some, '.' x length($some), 'without end');
};

subtest 'the admin path refuses' => sub
{
	for my $bad ({ kind => 'headers', times => -1 }, { kind => 'raw', binary => 1 },
		{ kind => 'huge', bytes => 1e18 }, { kind => 'truncated', after => 5 })
	{
		is($sandbox->call('POST', '/admin/faults', $bad)->{status}, 400,
			JSON::PP->new->canonical->encode($bad));
	}
};

# It ends, though it is writing without end to those who do not read.
$sandbox->faults({ kind => 'endless' });
my @deaf = map { $sandbox->connect_raw($post) } 1 .. 20;
my $end = time() + 60;
sleep(0.05) while $sandbox->admin('GET', 'stats')->{in_flight} < 20 && time() < $end;
is($sandbox->stop, 0, 'ends cleanly');
done_testing();
