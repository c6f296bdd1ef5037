# Every kind of bad answer by turns, to messages, profiles and status calls: in
# the end each message is settled, none was accepted twice, and what is said
# of each is true.
#
# IOMSG_MIXED_FAULTS is how many messages there are (120): with 5000, run
# under valgrind, this looks for leaks on all the ways of an answer.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $messages = $ENV{IOMSG_MIXED_FAULTS} // 120;
my @services = qw(tari imu mensa multe);
my $true = JSON::PP::true;
my $garbage = join('', map { chr } 0 .. 255);

my $node = flow_node('mixed_faults',
	'log_min_messages' => 'warning',
	'io_msg.max_in_flight' => 16,
	'io_msg.idle_exit' => '500ms',
	'io_msg.poll_delay' => '20ms',
	'io_msg.retry_delay' => '10ms',
	'io_msg.max_attempts' => 4,
	'io_msg.answer_timeout' => '20s');
my $io = start_sandbox(quota => 0, processing_delay_ms => 50);

# An account each, so that a 429 or a cut connection stops one service alone.
add_services($node, $io, map { $_ => { account => "account_$_" } } @services);

# What comes how often.  Together about one answer in four is bad.
sub add_faults
{
	my @common = (
		[ 0.10, kind => 'latency', min_ms => 0, max_ms => 20 ],
		[ 0.01, kind => 'close', when => 'before_reading' ],
		[ 0.01, kind => 'close', when => 'after_reading', reset => $true ],
		[ 0.01, kind => 'close', when => 'after_accepting' ],
		[ 0.01, kind => 'close', when => 'after_accepting', reset => $true ],
		[ 0.002, kind => 'rate_limit', seconds => 1 ],
		[ 0.002, kind => 'rate_limit', dialect => 'http-date', seconds => 1 ],
		[ 0.02, kind => 'error', status => 500, shape => 'problem' ],
		[ 0.01, kind => 'error', status => 500, shape => 'empty' ],
		[ 0.01, kind => 'error', status => 502, shape => 'html' ],
		[ 0.01, kind => 'error', status => 503, shape => 'gateway' ],
		[ 0.01, kind => 'error', status => 504, shape => 'empty' ],
		[ 0.01, kind => 'error', status => 403, shape => 'problem', title => 'Recipient forbidden' ],
		[ 0.01, kind => 'html' ],
		[ 0.01, kind => 'no_content' ],
		[ 0.01, kind => 'huge', bytes => 200_000 ],
		[ 0.01, kind => 'truncated', bytes => 20 ],
		[ 0.01, kind => 'truncated', after => 'headers', reset => $true ],
		[ 0.01, kind => 'truncated', after => 'status' ],
		[ 0.01, kind => 'drip', ms => 1 ],
		[ 0.005, kind => 'headers', times => 500 ],
		[ 0.005, kind => 'interim', times => 20 ],
		[ 0.005, kind => 'endless', times => 5000 ],
		[ 0.01, kind => 'raw', head => "no HTTP at all\n" ],
		[ 0.01, kind => 'raw', head => $garbage, binary => $true, reset => $true ],
		[ 0.01, kind => 'raw', binary => $true,
			head => "HTTP/1.1 500 Oops\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n"
			  . '{"title":"' . "\xff\xfe" . '\u0000","detail":' . '[' x 2000 ],
	);

	$io->fault(probability => shift @$_, @$_) foreach map { [@$_] } @common;
	$io->fault(probability => 0.01, path => 'message', kind => 'no_id');
	$io->fault(probability => 0.01, path => 'message', kind => 'no_id', keep_location => $true);
	return;
}

sub count_queued
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'");
}

add_faults();
foreach my $i (0 .. $#services)
{
	my $share = int($messages / @services) + ($i < $messages % @services ? 1 : 0);
	my $from = 1 + $i * (int($messages / @services) + 1);

	enqueue_many($node, $from, $from + $share - 1, service => $services[$i]) if $share > 0;
}
ok(poll_until(sub { count_queued() == 0 }, deadline_s() * (2 + $messages / 500)), 'all are settled')
  or diag($node->safe_psql('postgres', 'SELECT * FROM io_health()'));

# Some status calls fail on, a last time without faults.
$io->clear_faults;
wait_until($node, "SELECT NOT EXISTS (SELECT FROM io_msg.outbox
	WHERE status = 'sent' AND message_id IS NOT NULL AND io_status <> 'PROCESSED'
	AND EXISTS (SELECT FROM io_msg.poll p WHERE outbox.id = ANY (p.ids) AND p.due_at = outbox.due_at))",
	'what IO was asked about has been answered');

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
my %rows = map { my ($code, @row) = split /\|/, $_, -1; ($code => \@row) } split /\n/,
  $node->safe_psql('postgres', 'SELECT fiscal_code, status, reason, message_id FROM io_msg.outbox');
my %ids = map { ($_->{fiscal_code} => $_->{id}) } $io->ledger;

sub named
{
	my ($wanted) = @_;

	return sort grep { $rows{$_}[0] eq $wanted } keys %rows;
}

is(scalar keys %rows, $messages, 'all rows are there');
is_deeply([ grep { $accepted{$_} > 1 } sort keys %accepted ], [], 'none was accepted twice');
is_deeply([ grep { !$accepted{$_} } named('sent') ], [], 'sent is what IO has accepted');
is_deeply([ grep { $rows{$_}[2] ne '' && $rows{$_}[2] ne $ids{$_} } named('sent') ], [], 'with its id');
is_deeply([ grep { $accepted{$_} } named('failed') ], [], 'failed is what it has not');
is_deeply([ grep { $accepted{$_} && $rows{$_}[0] !~ /^(sent|uncertain)$/ } sort keys %rows ], [],
	'what it has accepted is sent or uncertain');
my %count;
$count{ $rows{$_}[0] }++ foreach keys %rows;
note(join(', ', map { "$count{$_} $_" } sort keys %count));
cmp_ok($count{sent} // 0, '>', $messages / 2, 'most were sent');
cmp_ok($count{uncertain} // 0, '>', 0, 'and some are uncertain');
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox o
	WHERE status = 'queued' OR EXISTS (SELECT FROM io_msg.pending p WHERE p.id = o.id)"), 0,
	'nothing waits for anything');
ok(!log_has($node, qr/PANIC|terminated by signal|segfault/), 'nothing crashed');
$node->stop;
done_testing();
