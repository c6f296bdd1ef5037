# Floods, bombs and answers without end cost the worker less than 4 MiB, one
# after the other and all at once, and leave nothing behind.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my $most_kb = 4096;
my $true = JSON::PP::true;
my $in_flight = 8;
my $node = hostile_node('bounded', 'io_msg.max_in_flight' => $in_flight, 'shared_buffers' => '1MB');
my $io = start_sandbox(quota => 0);

# The worker as it is when all is well.
add_services($node, $io, map { ("w$_" => {}) } 1 .. 60);
foreach my $round (1 .. 3)
{
	my @ids = map { enqueue($node, next_citizen(), service => "w$_") } 1 .. 60;
	wait_until($node, 'SELECT bool_and(status = \'sent\') FROM io_msg.outbox', "round $round of good messages");
}
my ($pid) = drainer_pids($node);
my $before = worker_memory($pid);
note("at rest: $before->{private} kB of its own");

my $bomb = gzip_layers(100_000_000, 4);
my %floods = (
	'a million headers' => { kind => 'headers' },
	'one header of 50 MB' => { kind => 'headers', times => 1, bytes => 5e7 },
	'a million interim answers' => { kind => 'interim' },
	'a body of 100 GB' => { kind => 'huge', bytes => 1e11 },
	'a body without end' => { kind => 'endless' },
	'a bomb' => { kind => 'answer', status => 201, accepted => $true, keep_location => $true, binary => $true, body => $bomb,
		headers => { 'Content-Encoding' => 'gzip, gzip, gzip, gzip' } },
	'a million trailers' => { kind => 'raw', accepted => $true, times => 1e6, body => "X-Trailer: v\r\n",
		head => "HTTP/1.1 201 Created\r\nLocation: /x/{id}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" },
	'no HTTP, without end' => { kind => 'raw', accepted => $true, times => 0, body => 'x' x 10000 },
	'arrays 60,000 deep' => { kind => 'answer', status => 201, accepted => $true, keep_location => $true,
		content_type => 'application/json', body => '[' x 60000 },
	'a chunk extension without end' => { kind => 'raw', accepted => $true, times => 1e5, body => 'x' x 1000,
		head => "HTTP/1.1 201 Created\r\nLocation: /x/{id}\r\nTransfer-Encoding: chunked\r\n\r\n1;" });

# So many messages, each with the flood of its own service, at once.
sub meet
{
	my ($what, $count, $fault) = @_;
	my @services = map { ($what =~ s/\W+/_/gr) . "_$_" } 1 .. $count;
	my @citizens = map { next_citizen() } @services;

	add_services($node, $io, map { ($_ => {}) } @services);
	know_profile($node, $services[$_], $citizens[$_]) foreach 0 .. $#services;
	$io->clear_faults;
	$io->fault(path => 'message', %$fault);
	my $rest = worker_memory($pid);
	forget_peak($pid);
	my $rested = worker_memory($pid)->{peak};
	my @ids = map { enqueue($node, $citizens[$_], service => $services[$_]) } 0 .. $#services;
	my $list = join ',', @ids;
	wait_until($node, "SELECT count(*) = $count FROM io_msg.outbox WHERE id IN ($list) AND status IN ('sent', 'uncertain')",
		"$what, $count times: over");
	my $now = worker_memory($pid);
	cmp_ok($now->{peak} - $rested, '<', $most_kb, "$what, $count times: the most at once");
	note("$what, $count times: peak +" . ($now->{peak} - $rested) . " kB, stays +" . ($now->{private} - $rest->{private}) . ' kB');
	return;
}

meet($_, 1, $floods{$_}) foreach sort keys %floods;
meet("$_ again", $in_flight, $floods{$_}) foreach sort keys %floods;

my $after = worker_memory($pid);
cmp_ok($after->{private} - $before->{private}, '<', $most_kb, 'nothing is left of it all');
note("all together: $before->{private} kB before, $after->{private} kB after");
is_deeply([ drainer_pids($node) ], [$pid], 'by one and the same worker');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'no message was accepted twice');
$io->clear_faults;
wait_for_status($node, enqueue($node, next_citizen(), service => 'w1'), 'sent');
log_is_clean($node);
$node->stop;
done_testing();
