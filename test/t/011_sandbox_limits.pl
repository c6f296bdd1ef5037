# The sandbox's limits and guarantees: the sliding quota of an account, the
# scaled clock, the ledger on disk before the answer, https.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IoSandbox;
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);

my $CF = 'AAAAAA00A00A000A';

alarm(600);		# a test that waits for ever is to fail

subtest 'quota' => sub
{
	my $sandbox = IoSandbox->start('--service', 'second', '--service',
		'other:::another');
	$sandbox->admin('PUT', 'quota',
		{ account => 'default', calls => 20, period_ms => 2000 });
	my (%count, $last, @granted);
	my $end = time() + 4.5;
	for (my $n = 0; time() < $end; $n++)
	{
		my $r = $n % 2 ? $sandbox->call('GET', "/profiles/$CF", undef,
			'Ocp-Apim-Subscription-Key' => 'second-primary-key') :
			$sandbox->call('POST', '/messages', $sandbox->message($CF));
		$count{ $r->{status} }++;
		$last = $r if $r->{status} == 429;
		sleep(0.02);
	}
	like($last->{content}, qr/^\{"statusCode":429,"message":"Rate limit is exceeded\. Try again in \d+ seconds\."\}$/, '429 of the gateway');
	is($last->{headers}{'x-rate-limit-remaining'}, 0, 'none remaining');
	like($last->{headers}{'x-rate-limit-retry-after'}, qr/^[12]$/, 'when');
	ok(!exists $last->{headers}{'retry-after'}, 'no Retry-After');
	@granted = map { $_->{clock_us} } grep { $_->{status} != 429 }
		$sandbox->lines('journal');
	is(scalar @granted, $count{200} + $count{201}, 'journal is whole');
	my $above = grep { $granted[ $_ + 20 ] - $granted[$_] < 1990000 }
		0 .. $#granted - 20;
	is($above, 0, 'never more than 20 in any 2 s');
	my $stats = $sandbox->admin('GET', 'stats');
	is($stats->{rate_limited}, $count{429}, 'counted');
	cmp_ok($stats->{accounts}{default}{max_window_calls}, '>', 20, 'all seen');
	is($sandbox->call('POST', '/profiles', { fiscal_code => $CF },
			'Ocp-Apim-Subscription-Key' => 'other-primary-key')->{status},
		200, 'another account has its own quota');
	$sandbox->admin('PUT', 'quota', { calls => 0 });
	my $free = $sandbox->call('GET', "/profiles/$CF");
	is($free->{status}, 200, 'no limit');
	ok(!exists $free->{headers}{'x-rate-limit-remaining'}, 'none to show');
	$sandbox->admin('POST', 'reset');
	is($sandbox->admin('GET', 'stats')->{calls}, 0, 'reset');
};

# The system calls of a sandbox that accepts one message.
sub trace_calls
{
	my $dir = tempdir(CLEANUP => 1);
	local $ENV{IO_SANDBOX_WRAPPER} =
		"strace -f -s 9999 -o $dir/trace -e trace=write,fdatasync,sendto,sendmsg,writev";
	my $sandbox = IoSandbox->start;
	$sandbox->call('POST', '/messages', $sandbox->message($CF));
	$sandbox->call('POST', '/admin/shutdown');
	waitpid(delete $sandbox->{pid}, 0);
	open(my $trace, '<', "$dir/trace") or die $!;
	return <$trace>;
}

SKIP: {
	skip 'no strace', 1 unless `strace -o /dev/null echo works 2>&1` =~ /works/;
	my $order = join('', map {
			/write\(\d+, "\{\\"ts\\".*accepted/ ? '' :
			/write\(\d+, "\{\\"ts/ ? 'L' : /fdatasync\(\d+\) += 0|fdatasync resumed>\) += 0/ ? 'F' :
			/HTTP\/1.1 201/ ? 'A' : '' } trace_calls());
	like($order, qr/^LFA$/, "line, flush, answer ($order)");
}

subtest 'many requests at once share flushes and lose nothing' => sub
{
	my $sandbox = IoSandbox->start('--quota', '0');
	my @pids = map { my $pid = fork() // die $!;
		if ($pid == 0)
		{
			my $got = 0;
			$got += $sandbox->call('POST', '/messages',
				$sandbox->message($CF))->{status} == 201 for 1 .. 50;
			require POSIX;
			POSIX::_exit($got);
		}
		$pid } 1 .. 8;
	my $answered = 0;
	for my $pid (@pids)
	{
		waitpid($pid, 0);
		$answered += $? >> 8;
	}
	my %ids = map { $_->{id} => 1 } $sandbox->lines('ledger');
	is($answered, 400, 'all answered');
	is(scalar keys %ids, 400, 'all in the ledger');
	is($sandbox->admin('GET', 'stats')->{accepted}, 400, 'all counted');
	is($sandbox->stop, 0, 'ends cleanly');
};

subtest 'SIGTERM while requests wait' => sub
{
	my $sandbox = IoSandbox->start;
	$sandbox->faults({ kind => 'hang' });
	my @open = map { $sandbox->connect_raw($sandbox->raw_request('POST',
				'/messages', $sandbox->message($CF))) } 1 .. 5;
	my $end = time() + 20;
	sleep(0.05) until $sandbox->lines('ledger') == 5 || time() > $end;
	is(scalar(() = $sandbox->lines('ledger')), 5, 'five wait');
	is($sandbox->stop, 0, 'ends cleanly');
	is(join('', map { my $l = readline($_); $l // '' } @open), '', 'unanswered');
};

subtest 'a scaled clock' => sub
{
	my $fast = IoSandbox->start('--clock-scale', '100', '--quota', '10',
		'--processing-delay-ms', '20000');
	my $r = $fast->call('POST', '/messages', $fast->message($CF));
	my $path = "/messages/$CF/$r->{json}{id}";
	is($fast->call('GET', $path)->{json}{status}, 'ACCEPTED', 'at first');
	sleep(0.3);
	is($fast->call('GET', $path)->{json}{status}, 'PROCESSED',
		'20 s pass in 0.2 s');
	my $limited = 0;
	$limited += $fast->call('GET', '/profiles/x')->{status} == 429 for 1 .. 40;
	cmp_ok($limited, '<', 40, '10 calls in 5 s are 10 in 50 ms');
};

SKIP: {
	my $dir = tempdir(CLEANUP => 1);
	skip 'no openssl or no curl', 1 unless system("openssl req -x509 -newkey"
			. " rsa:2048 -nodes -subj /CN=localhost -days 2 -addext"
			. " subjectAltName=IP:127.0.0.1 -keyout $dir/key -out $dir/cert"
			. " 2>/dev/null") == 0 && system('curl -V >/dev/null') == 0;
	my $tls = IoSandbox->start('--cert', "$dir/cert", '--key', "$dir/key");
	my $got = `curl -sS --cacert $dir/cert -H 'Ocp-Apim-Subscription-Key: $IoSandbox::KEY' https://127.0.0.1:$tls->{port}/api/v1/profiles/$CF`;
	like($got, qr/"sender_allowed":true/, 'https');
	like($tls->slurp('stdout'), qr{^listening on https://127\.0\.0\.1:\d+/api/v1\n$}, 'says so');
}

done_testing();
