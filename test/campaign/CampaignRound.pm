# CampaignRound.pm: one round: load, weather, fault, recovery, and what is left
# when IO is well again and the queue has had time.

package CampaignRound;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

use IoMsgTest qw(fiscal_code poll_until);

use CampaignFaults;
use CampaignLoad;
use CampaignWeather;

# Seconds in which all must have left.
my $PATIENCE_S = 90;

# All choices of a round are made here, from its own seed.
sub new
{
	my ($class, $campaign, $nr) = @_;
	my $self = bless { nr => $nr, seed => $campaign->{seed} * 1_000_003 + $nr, crashes => 0, cut_off => 0,
		network_cut => 0, planned => 0, struck => 0, closed_at_once => 0, notes => [],
		map { $_ => $campaign->{$_} } qw(server io journals dir services connections last_id) }, $class;

	my $connections = of_some_rounds($campaign->{seed}, $nr);
	srand($self->{seed} & 0x7fffffff);
	my $below = sub { return int(rand($_[0])) };
	my @kinds = fault_kinds($campaign->{only}, $nr);
	my $plan = $self->{plan} = plan_fault($kinds[ $below->(scalar @kinds) ], $below);
	my @weather = weather_kinds($plan->{gentle});

	$plan->{weather} = $weather[ $below->(scalar @weather) ];
	$plan->{answer_timeout} = $below->(3) || $plan->{gentle} ? '190s' : '700ms';
	$plan->{max_attempts} = 2 + $below->(5);
	$plan->{spices} = [ grep { !$below->(6) } qw(reload keys cancel client pause database) ];
	# It would wait for a worker that stands still.
	$plan->{spices} = [ grep { $_ ne 'database' } @{ $plan->{spices} } ] if ($plan->{action} // '') eq 'stop';
	$plan->{spice_ms} = $below->(300);
	$plan->{connections} = $connections;
	$self->{load} = CampaignLoad->new(dir => $self->{dir}, first => $campaign->{next}, services => $self->{services},
		random => $below);
	$self->{load}->plan(2 + $below->(3), $below->(3) ? 'few' : 'many', $plan->{poison});
	$self->{profiles} = [ grep { $below->(4) } $self->{load}->numbers ];
	return $self;
}

# How many connections: the same for five rounds, since a change costs time.
sub of_some_rounds
{
	my ($seed, $nr) = @_;

	srand(($seed * 1_000_003 + 900_000 + int($nr / 5)) & 0x7fffffff);
	return 1 + int(rand(16));
}

# What was chosen, in a line.
sub words
{
	my ($self) = @_;
	my $p = $self->{plan};

	return join ', ', $p->{kind} . ($p->{point} ? " at $p->{point}, time $p->{nth}" : ''), "weather $p->{weather}",
	  "$p->{connections} connections", $p->{tail} ? 'after the load' : 'under load', @{ $p->{spices} };
}

sub run
{
	my ($self) = @_;

	$self->timed('set up', sub { $self->set_up });
	$self->{load}->start($self->{server}->connstr);
	$self->timed('strike', sub { $self->spice; strike($self) });
	$self->timed('load', sub { $self->{load}->wait });
	$self->timed('recover', sub { $self->recover });
	$self->timed('drain', sub { $self->drain });
	CampaignFaults::note_point($self);
	return;
}

# How long a step of the round took.
sub timed
{
	my ($self, $step, $code) = @_;
	my $began = time;

	$code->();
	push @{ $self->{steps} }, sprintf('%s %.1f', $step, time - $began);
	return;
}

# ----------------------------------------------------------------------
# Before

sub set_up
{
	my ($self) = @_;
	my ($server, $plan) = @$self{qw(server plan)};

	$server->forget_met;
	$server->set('io_msg.fault' => '', 'io_msg.max_in_flight' => $plan->{connections},
		'io_msg.answer_timeout' => $plan->{answer_timeout}, 'io_msg.max_attempts' => $plan->{max_attempts},
		'io_msg.shutdown_grace' => '300ms', 'io_msg.max_mark_age' => '5s', fault_settings($plan));
	# A worker keeps as many connections as it came up with.
	poll_until(sub { !$server->drainers }) or die "an idle worker does not leave\n"
	  if $plan->{connections} != ($self->{connections} // 0);
	$self->know_profiles;
	prepare_fault($self);
	$self->{io}->fault(%$_) foreach weather_faults($plan->{weather});
	return;
}

# IO has told of most citizens already.
sub know_profiles
{
	my ($self) = @_;
	my $message = $self->{load}{message};
	my $rows = join ',', map { "('$message->{$_}{service}','" . fiscal_code($_) . "')" } @{ $self->{profiles} };

	return unless $rows;
	$self->{server}->query("INSERT INTO io_msg.profile SELECT s.id, v.code, true, true, NULL, clock_timestamp()
		FROM (VALUES $rows) AS v (name, code) JOIN io_msg.service AS s USING (name) ON CONFLICT DO NOTHING");
	return;
}

# ----------------------------------------------------------------------
# Meanwhile

my %spice = (
	reload => sub { my ($self) = @_; $self->{server}->reload for 1 .. 3; return; },
	keys => sub { my ($self) = @_; $self->{keys_changed} = 1; $self->{server}->renew_keys("r$self->{nr}"); return; },
	cancel => sub { my ($self) = @_; kill('INT', $self->{server}->drainers); return; },
	client => sub { my ($self) = @_; $self->{load}->kill_one($self->{plan}{which}); return; },
	pause => sub { my ($self) = @_; $self->{server}->attempt('SELECT io_pause()'); return; },
	database => sub
	{
		my ($self) = @_;

		$self->{server}->attempt('CREATE DATABASE another');
		$self->{server}->attempt('DROP DATABASE another');
		return;
	});

sub spice
{
	my ($self) = @_;
	my @spices = @{ $self->{plan}{spices} } or return;

	sleep($self->{plan}{spice_ms} / 1000);
	$spice{$_}->($self) foreach @spices;
	$self->{server}->attempt('SELECT io_resume()') if grep { $_ eq 'pause' } @spices;
	return;
}

# ----------------------------------------------------------------------
# Afterwards

# The server is up, IO is well, no fault is ordered.
sub recover
{
	my ($self) = @_;
	my ($server, $io) = @$self{qw(server io)};

	$server->recover;
	$server->set('io_msg.fault' => '', 'io_msg.max_in_flight' => $self->{plan}{connections},
		'io_msg.shutdown_grace' => '60s', 'io_msg.max_mark_age' => '5s', 'io_msg.answer_timeout' => '190s');
	$self->note_closed;
	ask($io, 'clear_faults');
	ask($io, 'release');
	$server->renew_keys(undef) if $self->{keys_changed};
	$self->{load}->read_journal;
	# A backend whose client was killed ends when it notices.
	poll_until(sub { $server->query(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'campaign'}) eq 't' })
	  or die "a client's backend remains\n";
	$self->{load}->end_prepared($server);
	CampaignStandby::release_held($self) if $self->{promoted};
	$server->query('DROP DATABASE IF EXISTS another') if grep { $_ eq 'database' } @{ $self->{plan}{spices} };
	return;
}

# How many connections the sandbox has closed before it read anything.
sub note_closed
{
	my ($self) = @_;

	foreach my $fault (@{ ask($self->{io}, 'faults')->{faults} })
	{
		$self->{closed_at_once} += $fault->{fired} if ($fault->{when} // '') eq 'connect';
	}
	return;
}

# Until nothing waits; false when something waits for too long.
sub drain
{
	my ($self) = @_;
	my $server = $self->{server};
	my $end = time + $PATIENCE_S;

	$server->query('SELECT io_resume()');
	for (;;)
	{
		last if $server->query("SELECT campaign_drained($self->{last_id}, '1500 ms')") eq 't';
		last if time > $end;
		# A person would look what is the matter: a service that IO refused, a pause.
		$server->query('SELECT io_resume(s.name) FROM io_msg.service_stop AS t JOIN io_msg.service AS s ON s.id = t.service_id');
		$server->query('SELECT io_resume()');
		push @{ $self->{notes} }, 'hurried';
		kill($_, $server->drainers) foreach 'CONT', 'TERM';
	}
	poll_until(sub { ask($self->{io}, 'stats')->{in_flight} == 0 }) or die "the sandbox does not come to rest\n";
	return;
}

1;
