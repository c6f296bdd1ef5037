# Whatever brings the server down as soon as a worker is at work does so three
# times and no more: the worker notes that it is at work before anything else.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
# One at a time, so that each crash meets another message.
my $node = fault_node('loop', 'io_msg.max_in_flight' => 1);
add_service($node, 'tari', $io, quota_calls => 4096);

my $n = 0;
foreach my $point ('before_mark_commit', 'before_request')
{
	my $from = -s $node->logfile;

	ok(poll_until(sub { !drainer_pids($node) }), "$point: nobody is there");
	$node->safe_psql('postgres', 'SELECT io_pause()');
	know_profile($node, 'tari', $n + 1 .. $n + 5);
	my @ids = enqueue_many($node, $n + 1, $n + 5);
	order($node, "$point:crash");
	resume($node);
	ok(poll_until(sub { log_has($node, qr/io_msg begins nothing in database/, $from) }), "$point: it is stopped");
	await_server($node);
	my $log = substr(slurp_file($node->logfile), $from);
	my $crashes = () = $log =~ /background worker "io_msg drainer.*" \(PID \d+\) was terminated by signal/g;
	is($crashes, 3, "$point: after three crashes");
	is($node->safe_psql('postgres', "SELECT string_agg(code, ',') FROM io_health() WHERE code = 'crash_loop'"),
		'crash_loop', "$point: health says so");
	is(posts_to($io, $_), 0, "$point: nothing was sent to $_") foreach $n + 1 .. $n + 5;
	order($node, '');
	resume($node);
	wait_until($node, "SELECT count(*) = 5 FROM io_msg.outbox WHERE status IN ('sent', 'uncertain') AND id IN ("
		  . join(', ', @ids) . ')', "$point: then all goes on");
	cmp_ok(posts_to($io, $_), '<=', 1, "$point: $_ at most once") foreach $n + 1 .. $n + 5;
	$n += 5;
}
$node->stop;
done_testing();
