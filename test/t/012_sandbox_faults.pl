# Each fault that the sandbox can be told to make, with its filters; and what
# the ledger says about whether the message was accepted all the same.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IoSandbox;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $CF = 'AAAAAA00A00A000A';
my $OTHER = 'BBBBBB00A00A000A';
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $sandbox = IoSandbox->start('--quota', '0', '--service', 'second');
my $message = $sandbox->message($CF);
my $accepted = 0;

alarm(600);		# a test that waits for ever is to fail

# How many messages the ledger gained since the last question.
sub gained
{
	my $before = $accepted;
	$accepted = () = $sandbox->lines('ledger');
	return $accepted - $before;
}

# Orders one fault and sends one message through it.
sub meet
{
	my (%fault) = @_;
	$sandbox->faults({ %fault, count => 1 });
	my $start = time();
	my $r = $sandbox->call('POST', '/messages', $message);
	$r->{took} = time() - $start;
	return $r;
}

# Sends bytes and returns all that comes back until the connection ends.
sub exchange
{
	my ($bytes) = @_;
	my $socket = $sandbox->connect_raw($bytes);
	local $SIG{ALRM} = sub { die "no end\n" };
	my $rest = alarm(30);
	my $got = '';
	1 while sysread($socket, $got, 65536, length($got));
	alarm($rest);
	return $got;
}

my $post = $sandbox->raw_request('POST', '/messages', $message);

subtest 'latency and hang' => sub
{
	my $r = meet(kind => 'latency', ms => 300);
	is($r->{status}, 201, 'late but whole');
	cmp_ok($r->{took}, '>=', 0.3, 'after its time');
	is(gained(), 1, 'accepted');
	$r = meet(kind => 'latency', min_ms => 100, max_ms => 200, when => 'before');
	cmp_ok($r->{took}, '>=', 0.1, 'a range');
	is(gained(), 1, 'accepted');
	$r = meet(kind => 'hang', ms => 200);
	is($r->{status}, 201, 'hangs for a time');
	is(gained(), 1, 'accepted');
	for my $when (qw(before after))
	{
		$sandbox->faults({ kind => 'hang', when => $when });
		$r = $sandbox->call('POST', '/messages', $message, timeout => 0.5);
		is($r->{status}, 599, "hang $when: no answer");
		sleep(0.6);
		is(gained(), $when eq 'after' ? 1 : 0, "hang $when: ledger");
		is($sandbox->admin('GET', 'stats')->{in_flight}, 0, 'client gone');
	}
	my $socket = $sandbox->connect_raw($post);
	my ($end, $released) = (time() + 20, 0);
	until (($released = $sandbox->admin('POST', 'release')->{released})
		|| time() > $end)
	{
		sleep(0.02);
	}
	is($released, 1, 'released');
	like(scalar readline($socket), qr/ 201 /, 'and answered');
	gained();

	$sandbox->faults({ kind => 'latency', ms => 500 });
	my $start = time();
	my @slow = map { $sandbox->connect_raw($post) } 1 .. 200;
	my $good = grep { readline($_) =~ / 201 / } @slow;
	is($good, 200, '200 slow requests');
	cmp_ok(time() - $start, '<', 50, 'at once, not one by one');
	is(gained(), 200, 'all accepted');
};

subtest 'close' => sub
{
	for my $t ([ 'connect', 0 ], [ 'before_reading', 0 ],
		[ 'after_reading', 0 ], [ 'after_accepting', 1 ])
	{
		for my $reset ($false, $true)
		{
			$sandbox->faults({ kind => 'close', when => $t->[0], count => 1,
					reset => $reset });
			# ordering counts no connection more, so this is the next one
			is(eval { exchange($post) } // '', '', "$t->[0]: no answer");
			is(gained(), $t->[1], "$t->[0]: accepted $t->[1]");
			like(exchange($post =~ s/\r\n/\r\nConnection: close\r\n/r),
				qr/^HTTP.1.1 201/, 'only once');
			gained();
		}
	}
	my @journal = $sandbox->lines('journal');
	is(scalar(grep { $_->{status} == 0 && $_->{fault} && $_->{accepted} }
			@journal) > 1, 1, 'in the journal with status 0');

	for my $when (qw(before_reading after_reading after_accepting))
	{
		$sandbox->faults({ kind => 'close', when => $when,
				nth_request => 3, path => 'message' });
		my $all = exchange($post x 3);
		is(scalar(() = $all =~ m{HTTP/1.1 201}g), 2, "$when: two, then none");
		is(gained(), $when eq 'after_accepting' ? 3 : 2, "$when: ledger");
	}
};

subtest '429 in each dialect' => sub
{
	my $r = meet(kind => 'rate_limit', seconds => 7);
	is("$r->{status} $r->{headers}{'x-rate-limit-retry-after'}", '429 7', 'IO');
	$r = meet(kind => 'rate_limit', dialect => 'seconds', seconds => 8);
	is($r->{headers}{'retry-after'}, 8, 'standard header');
	ok(!$r->{headers}{'x-rate-limit-retry-after'}, 'alone');
	$r = meet(kind => 'rate_limit', dialect => 'http-date', seconds => 60);
	like($r->{headers}{'retry-after'}, qr/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/, 'date');
	$r = meet(kind => 'rate_limit', dialect => 'body', seconds => 9);
	like($r->{json}{message}, qr/Try again in 9 seconds\./, 'body');
	ok(!$r->{headers}{'retry-after'}, 'no header');
	$r = meet(kind => 'rate_limit', dialect => 'none');
	unlike($r->{content}, qr/Try again/, 'no hint at all');
	$r = meet(kind => 'rate_limit', value => '1000000000000');
	is($r->{headers}{'x-rate-limit-retry-after'}, '1000000000000', 'absurd');
	is(gained(), 0, 'none accepted');
};

subtest 'errors' => sub
{
	for my $status (400, 401, 403, 404, 500, 502, 503, 504)
	{
		my $r = meet(kind => 'error', status => $status, shape => 'problem',
			title => 'A title', detail => 'A detail');
		is($r->{status}, $status, "status $status");
		like($r->{headers}{'content-type'}, qr/problem\+json/, 'problem');
		is("$r->{json}{title} $r->{json}{detail} $r->{json}{status}",
			"A title A detail $status", 'all of it');
		$r = meet(kind => 'error', status => $status, shape => 'gateway');
		is($r->{json}{statusCode}, $status, "$status of the gateway");
		$r = meet(kind => 'error', status => $status, shape => 'html');
		like($r->{headers}{'content-type'} . $r->{content}, qr/html.*<h1>/s,
			"$status as html");
		$r = meet(kind => 'error', status => $status, shape => 'empty');
		is($r->{status} . $r->{content}, $status, "$status empty");
	}
	is(meet(kind => 'error', status => 401)->{json}{statusCode}, 401,
		'401 has the gateway\'s shape by default');
	is(meet(kind => 'error', status => 403)->{json}{title},
		'You are not allowed here', 'and 403 the usual title');
	is(gained(), 0, 'none accepted');
	meet(kind => 'error', status => 502, accepted => $true);
	is(gained(), 1, '502, but accepted');
};

subtest 'odd answers' => sub
{
	my $r = meet(kind => 'html');
	like("$r->{status} $r->{content}", qr/^200 <html>/, 'html with 200');
	is(meet(kind => 'no_content')->{status}, 204, 'no content');
	for my $status (301, 302, 303, 307, 308)
	{
		$r = meet(kind => 'redirect', status => $status,
			location => 'http://169.254.169.254/');
		is("$r->{status} $r->{headers}{location}",
			"$status http://169.254.169.254/", "redirect $status");
	}
	$r = meet(kind => 'answer', status => 418, body => { a => 1 },
		headers => { 'X-Test' => 'yes' });
	is("$r->{status} $r->{content} $r->{headers}{'x-test'}",
		'418 {"a":1} yes', 'a free answer');
	$r = meet(kind => 'answer', status => 403, title => 'T', detail => 'D');
	is("$r->{json}{title} $r->{json}{detail}", 'T D', 'a free problem');
	$r = meet(kind => 'answer', status => 201, body => "a\0b",
		content_type => 'text/plain');
	is($r->{content}, "a\0b", 'any bytes');
	is(gained(), 0, 'none accepted');

	$r = meet(kind => 'no_id');
	is("$r->{status} $r->{content}", '201 {}', '201 without id');
	ok(!$r->{headers}{location}, 'nor Location');
	$r = meet(kind => 'no_id', keep_location => $true);
	like($r->{headers}{location}, qr{/messages/}, 'Location kept');
	is(gained(), 2, 'accepted');

	$r = meet(kind => 'huge', bytes => 3000000);
	cmp_ok(length($r->{content}), '>', 3000000, 'huge');
	like($r->{json}{id}, qr/^[0-9A-Z]{26}$/, 'still JSON');
	is(gained(), 1, 'accepted');

	$sandbox->faults({ kind => 'truncated', bytes => 5 });
	my $cut = exchange($post);
	like($cut, qr/^HTTP.1.1 201.*Content-Length: 35.*\r\n\r\n\{"id"$/s, 'cut');
	is(gained(), 1, 'accepted');
	$r = meet(kind => 'drip', ms => 20);
	is($r->{status}, 201, 'drip');
	cmp_ok($r->{took}, '>', 0.6, 'byte by byte');
	is(gained(), 1, 'accepted');

	$sandbox->faults({ kind => 'raw', body => "garbage\n" });
	is(exchange($post), "garbage\n", 'raw bytes');
	is(gained(), 0, 'not accepted');
};

subtest 'filters' => sub
{
	my $status = sub { $sandbox->call(@_)->{status} };
	my @calls = ([ 'POST', '/messages', $message ],
		[ 'POST', '/messages', $sandbox->message($OTHER) ],
		[ 'POST', '/profiles', { fiscal_code => $CF } ],
		[ 'GET', "/profiles/$CF" ],
		[ 'POST', '/messages', $message,
			'Ocp-Apim-Subscription-Key' => 'second-primary-key' ],
		[ 'GET', "/messages/$CF/00000000000000000000000000" ]);
	my $hits = sub { $sandbox->faults({ kind => 'error', status => 503, @_ });
		return join('', map { $status->(@$_) == 503 ? 1 : 0 } @calls); };

	is($hits->(), '111111', 'all');
	is($hits->(method => 'GET'), '000101', 'method');
	is($hits->(path => 'message'), '110010', 'messages');
	is($hits->(path => 'profile'), '001100', 'profiles');
	is($hits->(path => 'status'), '000001', 'status');
	is($hits->(path => '/api/v1/profiles'), '001100', 'prefix');
	is($hits->(path => '~s/[A-Z0-9]{16}$'), '000100', 'expression');
	is($hits->(fiscal_code => $OTHER), '010000', 'citizen');
	is($hits->(service => 'second'), '000010', 'service');
	is($hits->(count => 2), '110000', 'count');
	is($hits->(count => 2, skip => 1), '011000', 'skip');
	is($hits->(probability => 0), '000000', 'never');

	$sandbox->faults({ kind => 'error', status => 503, probability => 0.5 });
	my $struck = grep { $status->('GET', "/profiles/$CF") == 503 } 1 .. 200;
	ok($struck > 60 && $struck < 140, "half of the time ($struck of 200)");
	my $listed = $sandbox->admin('GET', 'faults')->{faults};
	is($listed->[0]{fired}, $struck, 'listed with how often');
	is($sandbox->admin('DELETE', "faults/$listed->[0]{id}")->{removed}, 1,
		'removed by id');
	is($status->('GET', "/profiles/$CF"), 200, 'and gone');
	$sandbox->faults({ kind => 'latency', ms => 1 },
		{ kind => 'error', status => 503, count => 1 },
		{ kind => 'error', status => 504 });
	is($status->('GET', "/profiles/$CF"), 503, 'the first that matches');
	is($status->('GET', "/profiles/$CF"), 504, 'then the next');
};

subtest 'the admin path refuses' => sub
{
	for my $bad ({ kind => 'nonsense' }, { kind => 'error', stauts => 500 },
		{ kind => 'latency', ms => 'x' }, { kind => 'latency', when => 'noon' },
		{ kind => 'error', when => 'connect' }, { kind => 'latency', ms => -1 },
		{ kind => 'error', probability => 2 }, [ { kind => 'html' }, 1 ],
		{ kind => 'error', path => '~(' })
	{
		is($sandbox->call('POST', '/admin/faults', $bad)->{status}, 400,
			JSON::PP->new->canonical->encode($bad));
	}
	is($sandbox->call('POST', '/admin/faults', '{')->{status}, 400, 'no JSON');
	is($sandbox->call('GET', '/admin/nothing')->{status}, 404, 'no path');
	is($sandbox->call('PUT', '/admin/profiles/x', {})->{status}, 404, 'no CF');
	is($sandbox->call('PUT', '/admin/quota', { calls => -1 })->{status}, 400,
		'no quota');
};

$sandbox->admin('DELETE', 'faults');
is($sandbox->stop, 0, 'ends cleanly');
done_testing();
