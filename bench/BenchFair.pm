# BenchFair.pm: whether services that are well keep their pace beside one that
# is not.
#
# Ten services of ten accounts share a worker; the far end takes 50 ms, so that
# the places in flight are what is scarce.  The tenth is well, or its far end
# refuses connections, says nothing, or answers 502.  What counts is the other
# nine: their rate, beside their rate when all ten are well.

package BenchFair;

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;

use BenchRun;

my $SERVICES = 10;
my $IN_FLIGHT = 50;

sub prepare
{
	my ($bench) = @_;
	my @names = map { "fair$_" } 1 .. $SERVICES;
	my $fair = $bench->{fair};

	return $fair if $fair;
	$fair = $bench->{fair} = $bench->another('fair', @names);
	$fair->set_far(50);
	$fair->add_services($_, 1000, $_) foreach @names;
	$fair->hold('^fair');
	return $fair;
}

# A port where connections are taken and nothing is ever said; with it what
# closes it.
sub silent
{
	my $socket = IO::Socket::INET->new(Listen => 1024, LocalAddr => '127.0.0.1', LocalPort => 0)
	  or die "no free port: $!\n";

	return ('http://127.0.0.1:' . $socket->sockport . '/api/v1', sub { close($socket); });
}

# Messages a second of the nine, between a tenth and nine tenths of theirs.
sub rate_of_nine
{
	my ($fair, $url) = @_;
	my $server = $fair->{server};
	my $each = $fair->count(400, 100);
	my $nine = "s.name ~ '^fair[1-9]\$'";

	$server->set('io_msg.max_in_flight' => $IN_FLIGHT);
	$server->end_drainer;
	$fair->set_base_url("fair$SERVICES", $url);
	$server->sql("SELECT count(io_enqueue_message(p.fiscal_code, '$BenchRun::SUBJECT', '$BenchRun::MARKDOWN',
		service => 'fair' || g)) FROM generate_series(1, $SERVICES) AS g, people.person AS p WHERE p.n <= $each");
	$fair->let_go('^fair');
	$server->set('io_msg.enabled' => 'on');
	$server->wait_for("SELECT NOT EXISTS (SELECT FROM io_msg.outbox AS o JOIN io_msg.service AS s
		ON s.id = o.service_id WHERE o.status <> 'sent' AND $nine)", 300);
	my $rate = $server->sql("SELECT 0.8 * count(*) / extract(epoch FROM
			percentile_disc(0.9) WITHIN GROUP (ORDER BY settled_at)
			- percentile_disc(0.1) WITHIN GROUP (ORDER BY settled_at))
		FROM io_msg.outbox AS o JOIN io_msg.service AS s ON s.id = o.service_id WHERE $nine");
	# It would wait for answers that never come; asked to stop, only for the grace.
	$server->set('io_msg.enabled' => 'off');
	$server->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'io_msg drainer' AND datname = current_database()");
	$server->end_drainer;
	$fair->hold('^fair');
	$fair->empty;
	return $rate;
}

sub measure_fairness
{
	my ($bench) = @_;
	my $fair = prepare($bench);
	my $well = $bench->{far}->base_url(50);
	my $refused = 'http://127.0.0.1:' . BenchFar::free_port() . '/api/v1';
	my ($silent, $close) = silent();
	my $base = rate_of_nine($fair, $well);

	$bench->{figures}->add('nine services, the tenth is well, 50 ms, 50 in flight', 'msg/s', $base);
	foreach my $case ([ 'refuses connections', $refused ], [ 'says nothing', $silent ],
		[ 'answers 502', $bench->{far}->broken_url ])
	{
		my ($how, $url) = @$case;

		$bench->{figures}->add("nine services, the tenth $how, of all well", '%',
			100 * rate_of_nine($fair, $url) / $base);
	}
	$close->();
	return;
}

sub measures
{
	my ($bench) = @_;

	return ([ 'fairness', 'one of ten services is ill', sub { measure_fairness($bench); } ]);
}

1;
