# BenchWake.pm: how long after COMMIT the first byte is at the far end.
#
# Warm: a worker is there.  Cold: none is, so that the launcher starts one that
# connects to the database and to the far end.  The person's profile is known.

package BenchWake;

use strict;
use warnings FATAL => 'all';

use BenchRun;

# Runs bench/wake in the place of a service's far end: COUNT messages,
# INTERVAL_MS apart; microseconds, from the reply to COMMIT and from its sending.
sub time_messages
{
	my ($bench, $service, $account, $count, $interval_ms, @before) = @_;
	my $server = $bench->{server};
	my $port = BenchFar::free_port();
	my $sql = "SELECT io_enqueue_message(fiscal_code, '$BenchRun::SUBJECT', '$BenchRun::MARKDOWN', "
	  . "service => '$service') FROM people.person WHERE n = (SELECT 1 + (random() * 1000)::int)";

	$bench->set_base_url($account, "http://127.0.0.1:$port/api/v1");
	my @lines = BenchServer::output_of("$bench->{bin}/wake",
		"host=$server->{socket} dbname=$server->{db} user=postgres", $port, $count + 1, $interval_ms, $sql, @before);
	shift @lines;    # the first has to connect
	my (@replied, @sent);

	foreach (@lines)
	{
		my ($replied, $sent) = /^replied (-?\d+) sent (\d+)/ or die "wake: $_";
		push @replied, $replied;
		push @sent, $sent;
	}
	return (\@replied, \@sent);
}

# The same where nothing else is queued.
sub run_wake
{
	my ($bench, $count, $interval_ms, @before) = @_;

	$bench->let_go;
	my @times = time_messages($bench, 'bench', 'far', $count, $interval_ms, @before);
	$bench->wait_until_sent;
	$bench->set_far(0);
	return @times;
}

sub note
{
	my ($bench, $name, $replied, $sent) = @_;
	my $figures = $bench->{figures};

	$figures->add("wake-up, $name, median", 'ms', BenchFigures::median_of(@$replied) / 1000);
	$figures->add("wake-up, $name, 95 %", 'ms', BenchFigures::percentile_of(0.95, @$replied) / 1000);
	$figures->add("wake-up, $name, from sending COMMIT, median", 'ms',
		BenchFigures::median_of(@$sent) / 1000);
	return;
}

sub measures
{
	my ($bench) = @_;
	my $server = $bench->{server};

	return (
		[ 'wake', 'warm', sub {
				$server->end_drainer;
				$server->set('io_msg.enabled' => 'on', 'io_msg.idle_exit' => '10min');
				note($bench, 'warm, 2/s', run_wake($bench, $bench->count(20, 6), 500));
				note($bench, 'warm, 20/s', run_wake($bench, $bench->count(200, 40), 50));
			} ],
		[ 'wake', 'cold', sub {
				$server->end_drainer;
				$server->set('io_msg.enabled' => 'on', 'io_msg.idle_exit' => '0');
				my @run = run_wake($bench, $bench->count(30, 10), 400, "DO \$\$ BEGIN
					WHILE EXISTS (SELECT FROM pg_stat_activity WHERE backend_type ~ '^io_msg drainer') LOOP
						PERFORM pg_sleep(0.02), pg_stat_clear_snapshot(); END LOOP; END \$\$");
				$server->set('io_msg.idle_exit' => '10min');
				note($bench, 'cold', @run);
			} ]);
}

1;
