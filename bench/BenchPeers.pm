# BenchPeers.pm: extensions that make HTTP calls from SQL, where installed.
#
# pg_net queues in an unlogged table and sends from a worker; pgsql-http calls
# from the session, one row after the other.  Neither keeps what io_msg keeps.

package BenchPeers;

use strict;
use warnings FATAL => 'all';

use BenchDrain;
use BenchRun;

# Whether an extension can be created here; creates it.
sub has_extension
{
	my ($bench, $name) = @_;

	return $bench->{peers}{$name} //= do {
		my $found = $bench->{server}->sql("SELECT count(*) FROM pg_available_extensions WHERE name = '$name'");
		$bench->{server}->sql("CREATE EXTENSION IF NOT EXISTS $name") if $found;
		$found;
	};
}

sub measure_pg_net
{
	my ($bench, $ms) = @_;
	my $count = BenchDrain::size_of($bench, $ms, 50);
	my $url = $bench->{far}->base_url($ms) . '/messages';

	$bench->{server}->set('pg_net.batch_size' => 2000);
	my ($base) = $bench->{far}->counted;
	my $cpu = $bench->{server}->cpu;
	$bench->{server}->sql("SELECT count(net.http_post(url := '$url', body := "
		  . BenchRun::body_sql('fiscal_code') . ")) FROM people.person WHERE n <= $count");
	$bench->{figures}->add("drain, pg_net, $ms ms", 'msg/s', $bench->watch($base, $count));
	my ($all) = $bench->{server}->cpu_between($cpu, $bench->{server}->cpu);
	$bench->{figures}->add("CPU, pg_net with PostgreSQL, $ms ms", 'us/msg', $all / $count);
	return;
}

sub measure_http
{
	my ($bench, $ms) = @_;
	my $count = $bench->count($ms == 0 ? 2000 : 60, 20);
	my $url = $bench->{far}->base_url($ms) . '/messages';
	my $body = BenchRun::body_sql('p.fiscal_code');
	my $took = $bench->{server}->time_ms("DO \$\$ DECLARE p record; BEGIN
		FOR p IN SELECT fiscal_code FROM people.person WHERE n <= $count LOOP
			PERFORM http_post('$url', ($body)::text, 'application/json');
			COMMIT;
		END LOOP; END \$\$");

	$bench->{figures}->add("drain, pgsql-http in a loop, $ms ms", 'msg/s', 1000 * $count / $took);
	return;
}

sub measures
{
	my ($bench) = @_;
	my @all;

	foreach my $ms (0, 50)
	{
		push @all, [ 'drain', "pg_net, $ms ms", sub { measure_pg_net($bench, $ms); } ]
		  if has_extension($bench, 'pg_net');
		push @all, [ 'drain', "pgsql-http, $ms ms", sub { measure_http($bench, $ms); } ]
		  if has_extension($bench, 'http');
	}
	return @all;
}

1;
