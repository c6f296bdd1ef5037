# A campaign runs at the edge of IO's quota and never touches it: no call is
# refused, no window holds more calls than the quota, every message is accepted
# once and its status comes back.
#
# IOMSG_CAMPAIGN is the number of messages, IOMSG_CAMPAIGN_SCALE how many times
# as fast as IO's the clock runs: at 100, 150 calls in 5 s are 150 in 50 ms.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;
use Time::HiRes qw(time);

use IoMsgTest;

my $size = $ENV{IOMSG_CAMPAIGN} // 3000;
my $scale = $ENV{IOMSG_CAMPAIGN_SCALE} // 20;
my $period_ms = 5000 / $scale;
my $patience_s = 60 + $size / 100 + deadline_s();

my $io = start_sandbox(clock_scale => $scale, processing_delay_ms => 2000);
my $node = iomsg_node('main', 'io_msg.poll_delay' => '1s');
add_service($node, 'tari', $io);
$node->safe_psql('postgres',
	"UPDATE io_msg.account SET quota_period = '$period_ms ms'");

my $start = time;
for (my $from = 1; $from <= $size; $from += 10000)
{
	my $to = $from + 9999;

	enqueue_many($node, $from, $to > $size ? $size : $to);
}
my $enqueued = time;
ok(poll_until(
		sub { $node->safe_psql('postgres',
				"SELECT count(*) FROM io_msg.outbox WHERE status = 'sent'") == $size },
		$patience_s),
	'all are sent');
my $sent = time;
ok(poll_until(
		sub { $node->safe_psql('postgres',
				"SELECT count(*) FROM io_msg.outbox WHERE io_status = 'PROCESSED'") == $size },
		$patience_s),
	'all are processed at IO');
my $processed = time;

my $stats = $io->stats;
my $account = $stats->{accounts}{default};
my %recipients = map { $_->{fiscal_code} => 1 } $io->ledger;

is($stats->{accepted}, $size, 'IO accepted as many as were enqueued');
is(scalar keys %recipients, $size, 'each citizen has one');
is($account->{refused}, 0, 'no call was refused');
cmp_ok($account->{max_window_calls}, '<=', 150, 'no window was over the quota');
cmp_ok($account->{calls}, '>=', 3 * $size, 'profile, message, status');
cmp_ok($account->{calls}, '<=', 3.5 * $size, 'and hardly more');
note(sprintf('%d messages: enqueued in %.1f s, sent in %.1f s, processed in %.1f s',
		$size, $enqueued - $start, $sent - $start, $processed - $start));
note(sprintf('%d calls, %.3f per message, %.0f a second of %.0f; at most %d in a window',
		$account->{calls}, $account->{calls} / $size,
		$account->{calls} / ($processed - $start), 150 * 1000 / $period_ms,
		$account->{max_window_calls}));
note(join(', ', map { my $path = $_; map { "$path $_: $stats->{endpoints}{$path}{$_}" }
			  sort keys %{ $stats->{endpoints}{$path} } } sort keys %{ $stats->{endpoints} }));

done_testing();
