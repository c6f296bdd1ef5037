# BenchQuota.pm: how much of IO's quota is used, and how many calls a message
# takes, against the sandbox, whose clock may run faster than ours.

package BenchQuota;

use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use BenchRun;
use IoMsgSandbox;

my $CALLS = 150;
my $PERIOD_MS = 5000;

# A sandbox with our service; its ledger in memory, or the disk is the limit.
sub start_io
{
	my ($bench, $scale) = @_;
	my $dir = -w '/dev/shm' ? '/dev/shm' : $bench->{work};
	my $ledger = "$dir/io_msg.bench.$$";
	my $io = IoMsgSandbox->start(clock_scale => $scale, processing_delay_ms => 2000,
		quota => $CALLS, quota_period_ms => $PERIOD_MS, ledger => $ledger);

	unlink $ledger;
	$io->service($_) foreach qw(bench other);
	$io->set_keys('bench', primary => 'key');
	return $io;
}

# Queues COUNT messages while the worker is off, then lets them go; returns
# when all are PROCESSED, or with polls => 0 when all are sent.
sub run_quota
{
	my ($bench, $io, $scale, $count, %how) = @_;
	my $server = $bench->{server};
	my $period_ms = $PERIOD_MS / $scale;
	my $url = $io->base_url;

	$server->set('io_msg.enabled' => 'off', 'io_msg.max_in_flight' => 32,
		'io_msg.poll_delay' => $how{polls} ? int(60000 / $scale) . 'ms' : '1d');
	$bench->let_go;
	$server->end_drainer;
	$bench->empty;
	$server->sql("INSERT INTO io_msg.account (name) VALUES ('io') ON CONFLICT DO NOTHING;
		UPDATE io_msg.account SET base_url = '$url', quota_calls = $CALLS,
			quota_period = '$period_ms ms' WHERE name = 'io';
		UPDATE io_msg.service SET account = 'io', profile_max_age = '"
		  . ($how{cached} ? '10 days' : '0 s') . "'");
	$bench->queue($count);
	$server->set('io_msg.enabled' => 'on');
	$server->wait_for('SELECT ' . ($how{polls}
		? "NOT EXISTS (SELECT FROM io_msg.outbox WHERE io_status IS DISTINCT FROM 'PROCESSED')"
		: "NOT EXISTS (SELECT FROM io_msg.outbox WHERE status <> 'sent')"), 900);
	$server->set('io_msg.enabled' => 'off');
	$server->sql("UPDATE io_msg.service SET account = 'far', profile_max_age = '10 days'");
	$server->end_drainer;
	$server->set('io_msg.poll_delay' => '1d');
	$bench->empty;
	return;
}

# Arrivals of the calls for which key and quota were judged, in seconds of
# IO's clock since the first: [when, status, path].
sub calls_of
{
	my ($io, $service) = @_;
	my @calls = sort { $a->[0] <=> $b->[0] }
	  map { [ $_->{clock_us} / 1e6, $_->{status}, $_->{path} ] }
	  grep { ($_->{service} // '') eq $service } $io->journal;

	return map { [ $_->[0] - $calls[0][0], @$_[ 1, 2 ] ] } @calls;
}

# The share of what the quota allows that was used while messages waited: from
# the first call to the last that sent one.
sub use_of
{
	my @calls = @_;
	my $end = max(map { $_->[2] eq 'message' ? $_->[0] : 0 } @calls);
	my $used = grep { $_->[0] <= $end && $_->[1] != 429 } @calls;

	return 100 * $used / ($CALLS * (int($end * 1000 / $PERIOD_MS) + 1));
}

sub note_calls
{
	my ($bench, $name, $count, @calls) = @_;
	my %of;

	$of{ $_->[2] }++ foreach grep { $_->[1] != 429 } @calls;
	$bench->{figures}->add("calls a message, $_, $name", '', ($of{$_} // 0) / $count)
	  foreach sort keys %of;
	return;
}

# A campaign with a clock so many times as fast, profiles asked for.
sub measure_campaign
{
	my ($bench, $scale, $jitter_ms) = @_;
	my $io = start_io($bench, $scale);
	my $count = $bench->count(($bench->{quick} ? 150 : 300) * $scale, 600);
	my $name = "clock x $scale" . ($jitter_ms ? ", answers 0 to $jitter_ms ms late" : '');

	$io->fault(kind => 'latency', min_ms => 0, max_ms => int($jitter_ms / $scale), when => 'after')
	  if $jitter_ms;
	run_quota($bench, $io, $scale, $count, polls => 1);
	my @calls = calls_of($io, 'bench');
	$bench->{figures}->add("quota used, $name", '%', use_of(@calls));
	$bench->{figures}->add("429s, $name", '', scalar grep { $_->[1] == 429 } @calls);
	note_calls($bench, $name, $count, @calls) unless $jitter_ms;
	$io->stop;
	return;
}

# 600 messages at the true quota: 150 at once, then 150 every five seconds.
sub measure_true_quota
{
	my ($bench) = @_;
	my $io = start_io($bench, 1);
	my $count = $bench->{quick} ? 300 : 600;
	my $ideal = ($count / $CALLS - 1) * $PERIOD_MS / 1000;

	run_quota($bench, $io, 1, $count, cached => 1);
	my @calls = calls_of($io, 'bench');
	my ($last) = map { $_->[0] } $calls[-1];
	$bench->{figures}->add("$count messages at the true quota", 's', $last);
	$bench->{figures}->add("$count messages at the true quota, ideal time", 's', $ideal);
	$bench->{figures}->add('429s, true quota', '', scalar grep { $_->[1] == 429 } @calls);
	$bench->{tables}{'calls at the true quota'} = [ map { $_->[0] } grep { $_->[1] != 429 } @calls ];
	$io->stop;
	return;
}

# Somebody else makes a third of the calls that the quota allows.
sub start_other_client
{
	my ($io, $scale) = @_;
	my $pid = fork // die "fork: $!\n";
	my $pause = $PERIOD_MS / 1000 / $scale / ($CALLS / 3);

	return $pid if $pid;
	my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 60);
	my $next = time;
	for (;;)
	{
		$http->get($io->base_url . '/profiles/' . BenchRun::fiscal_code(1),
			{ headers => { 'Ocp-Apim-Subscription-Key' => ($io->keys('other'))[0] } });
		$next += $pause;
		my $wait = $next - time;
		sleep($wait) if $wait > 0;
		$next = time if $wait < -0.5;
	}
}

sub measure_shared
{
	my ($bench) = @_;
	my $scale = 10;
	my $io = start_io($bench, $scale);
	my $pid = start_other_client($io, $scale);

	run_quota($bench, $io, $scale, $bench->count(3000, 600));
	kill('KILL', $pid);
	waitpid($pid, 0);
	my @calls = calls_of($io, 'bench');
	my $refused = grep { $_->[1] == 429 } @calls;
	my @others = calls_of($io, 'other');
	$bench->{figures}->add('share of 429s, another client takes a third', '%', 100 * $refused / @calls);
	$bench->{figures}->add("share of 429s of that client", '%',
		100 * (grep { $_->[1] == 429 } @others) / (@others || 1));
	$bench->{figures}->add('quota used by both', '%', use_of(sort { $a->[0] <=> $b->[0] }
			@calls, grep { $_->[0] <= $calls[-1][0] } @others));
	$io->stop;
	return;
}

sub measures { return; }

# These take their time by the clock: once is enough.
sub once
{
	my ($bench) = @_;
	my @all = ([ 'quota', 'campaign, clock x 100', sub { measure_campaign($bench, 100, 0); } ]);

	# Nearly IO's own clock: the limiter's guard has a least length in real time.
	push @all, [ 'quota', 'campaign, clock x 2, 50 ms', sub { measure_campaign($bench, 2, 50); } ],
	  [ 'quota', 'campaign, clock x 2, 200 ms', sub { measure_campaign($bench, 2, 200); } ]
	  unless $bench->{quick};
	return (@all, [ 'quota', 'true quota', sub { measure_true_quota($bench); } ],
		[ 'quota', 'shared quota', sub { measure_shared($bench); } ]);
}

1;
